import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from nacl.exceptions import BadSignatureError

from drivers.errors import ConfigError
from drivers.fleet.keys import PrivateKey, PublicKey, load_private, load_public, make_keys


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


def test_a_signature_of_another_length_is_none_even_where_the_text_completes_it() -> None:
    key = PrivateKey(bytes(range(32)))
    signature, public = key.sign(b"text"), key.public_key()
    public.verify(signature, b"text")
    for cut in (0, 1, 63, 65, 68):
        whole = signature + b"text"
        with pytest.raises(BadSignatureError):
            public.verify(whole[:cut], whole[cut:])


def test_what_is_no_key_by_its_length_is_refused() -> None:
    for wrong in (b"", bytes(31), bytes(33)):
        with pytest.raises(ValueError, match="allowed are 32"):
            PublicKey(wrong)
        with pytest.raises(ValueError, match="seed"):
            PrivateKey(wrong)


def test_keys_sign_as_rfc_8032_says() -> None:
    # Test 2 of section 7.1.
    key = PrivateKey(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.public_key().raw.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert key.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


def test_a_signature_whose_s_is_written_larger_is_refused() -> None:
    # The order of the group: s + order verifies the same equation, and is another text for the same signature.
    order, key = 2**252 + 27742317777372353535851937790883648493, PrivateKey(bytes(range(32)))
    signature = key.sign(b"text")
    larger = int.from_bytes(signature[32:], "little") + order
    with pytest.raises(BadSignatureError):
        key.public_key().verify(signature[:32] + larger.to_bytes(32, "little"), b"text")


def test_a_key_of_small_order_verifies_nothing() -> None:
    # The neutral point as key and as R, s = 0: the equation holds for every text.
    neutral = b"\x01" + bytes(31)
    with pytest.raises(BadSignatureError):
        PublicKey(neutral).verify(neutral + bytes(32), b"text")


def test_a_private_key_does_not_show_its_seed() -> None:
    assert "seed" not in repr(PrivateKey(bytes(range(32))))
    assert "\\x01" not in repr(PrivateKey(bytes(range(32))))
