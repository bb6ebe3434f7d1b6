import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from drivers.errors import ConfigError
from drivers.fleet.keys import load_private, load_public, make_keys


def test_a_made_pair_belongs_together_and_is_private(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["controller", "hall-a"])
    for name in ("controller", "hall-a"):
        path = tmp_path / "keys" / f"{name}.key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        load_public(path.with_suffix(".pub")).verify(load_private(path).sign(b"x"), b"x")


def test_existing_keys_are_left_alone(tmp_path: Path) -> None:
    make_keys(tmp_path, ["a"])
    before = (tmp_path / "a.key").read_bytes()
    make_keys(tmp_path, ["a", "b"])
    assert (tmp_path / "a.key").read_bytes() == before
    assert (tmp_path / "b.key").exists()


def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    make_keys(tmp_path, ["a"])
    (tmp_path / "a.key").chmod(0o640)
    with pytest.raises(ConfigError, match="readable by others"):
        load_private(tmp_path / "a.key")


@pytest.mark.parametrize("load", [load_private, load_public])
def test_a_missing_or_foreign_file_is_a_config_error(tmp_path: Path, load) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none")
    (tmp_path / "text").write_text("no key")
    (tmp_path / "text").chmod(0o600)
    with pytest.raises(ConfigError, match="in PEM"):
        load(tmp_path / "text")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_keys_of_openssl_are_read_and_other_kinds_refused(tmp_path: Path) -> None:
    for kind in ("ed25519", "ed448"):
        private, public = tmp_path / f"{kind}.key", tmp_path / f"{kind}.pub"
        subprocess.run(["openssl", "genpkey", "-algorithm", kind, "-out", private], check=True)
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
        private.chmod(0o600)
    load_public(tmp_path / "ed25519.pub").verify(load_private(tmp_path / "ed25519.key").sign(b"x"), b"x")
    with pytest.raises(ConfigError, match="allowed is Ed25519"):
        load_private(tmp_path / "ed448.key")
    with pytest.raises(ConfigError, match="allowed is Ed25519"):
        load_public(tmp_path / "ed448.pub")
