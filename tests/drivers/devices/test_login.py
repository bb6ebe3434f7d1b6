from __future__ import annotations

from pathlib import Path

import pytest

from drivers.devices.login import Login, read_login
from drivers.errors import ConfigError


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "miner.login"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_login_is_read_and_shown_nowhere(tmp_path: Path) -> None:
    login = read_login(written(tmp_path, "username: root\npassword: s3cr:et\n"))
    assert login == Login(username="root", password="s3cr:et")
    assert "s3cr" not in repr(login)
    assert "root" not in repr(login)


def test_a_password_alone_will_do(tmp_path: Path) -> None:
    assert read_login(written(tmp_path, "password: x\n")) == Login(username=None, password="x")


@pytest.mark.parametrize(
    "text", ["", "s3cret", "password:", "password: s3cret\npassword: s3cret", "password: s3cret\npin: 1"]
)
def test_what_is_no_login_is_refused_without_a_word_of_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_login(written(tmp_path, text))
    assert "s3cret" not in str(caught.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="0644, allowed is mode 0600"):
        read_login(written(tmp_path, "password: s3cret", mode=0o644))


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_login(tmp_path / "none")
