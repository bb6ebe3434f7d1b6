"""Whom the daemon lets in."""

import hashlib

import pytest

from controller.daemon.access import Role, Token, make_token
from controller.site.model import TokenEntry
from drivers.errors import ConfigError


def entry(**fields) -> TokenEntry:
    return TokenEntry.model_construct(
        **{"name": "grid", "role": "authority", "token_file": None, "token_sha256": None} | fields
    )


def test_a_token_may_stand_as_a_hash_or_in_a_file(tmp_path):
    digest = hashlib.sha256(b"secret word").hexdigest()
    (tmp_path / "grid.token").write_text("secret word\n")
    expected = Token(name="grid", role=Role.AUTHORITY, sha256=digest)
    assert make_token(entry(token_sha256=digest)) == expected
    assert make_token(entry(token_file=tmp_path / "grid.token")) == expected


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_token_file_that_is_missing_or_empty_lets_nobody_in(tmp_path, content):
    path = tmp_path / "grid.token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"grid\.token"):
        make_token(entry(token_file=path))


def test_no_token_at_all_lets_nobody_in():
    with pytest.raises(ConfigError, match="grid"):
        make_token(entry())
