"""Whom the daemon lets in, and which tokens it takes at all."""

import hashlib
import secrets

import pytest

from controller.daemon.access import Role, Token
from controller.daemon.tokens import LEAST_BITS, entropy_bits, make_token, make_tokens
from controller.site.model import TokenEntry
from drivers.errors import ConfigError

GOOD = "3f9a1c0e7b2d4f86a5c1e0937d4b82f6"


def entry(**fields) -> TokenEntry:
    return TokenEntry.model_construct(
        **{"name": "grid", "role": "authority", "token_file": None, "token_sha256": None} | fields
    )


def written(folder, text=GOOD, mode=0o600, name="grid.token"):
    path = folder / name
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


def test_a_token_may_stand_as_a_hash_or_in_a_file(tmp_path):
    digest = hashlib.sha256(GOOD.encode()).hexdigest()
    expected = Token(name="grid", role=Role.AUTHORITY, sha256=digest)
    assert make_token(entry(token_sha256=digest)) == expected
    assert make_token(entry(token_file=written(tmp_path))) == expected


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


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o620, 0o660, 0o666, 0o601])
def test_a_token_file_that_others_can_read_or_write_is_refused(tmp_path, mode):
    with pytest.raises(ConfigError, match=rf"grid\.token: has the mode {mode:04o}"):
        make_token(entry(token_file=written(tmp_path, mode=mode)))


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_one_for_its_user_or_its_group_is_not(tmp_path, mode):
    assert make_token(entry(token_file=written(tmp_path, mode=mode)))


@pytest.mark.parametrize("text", ["letmein", "secret-word", "0" * 200, "ab" * 60, GOOD[:30], "7" * 38])
def test_a_token_that_can_be_guessed_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match="a token of at most"):
        make_token(entry(token_file=written(tmp_path, text)))


@pytest.mark.parametrize("make", [lambda: secrets.token_hex(16), lambda: secrets.token_urlsafe(22)])
def test_a_random_token_of_enough_bits_never_is(make):
    assert all(entropy_bits(make()) >= LEAST_BITS for _ in range(2000))


def test_two_may_not_have_the_same_token_and_all_that_is_wrong_is_said_at_once(tmp_path):
    first = entry(token_file=written(tmp_path))
    second = entry(name="desk", role="operator", token_file=written(tmp_path, name="desk.token"))
    third = entry(name="page", role="viewer", token_file=written(tmp_path, "short", name="page.token"))
    with pytest.raises(ConfigError) as refused:
        make_tokens([first, second, third])
    assert "grid and desk have the same token" in str(refused.value)
    assert "page.token: found a token of at most" in str(refused.value)


@pytest.mark.parametrize("text", [f"{GOOD}\n# made by hand", f"{GOOD} {GOOD}", f"{GOOD}\u00e9", f"{GOOD}\t{GOOD}"])
def test_a_token_that_no_request_can_show_is_refused_and_not_told(tmp_path, text):
    with pytest.raises(ConfigError, match=r"grid\.token: found other characters than a token may have") as refused:
        make_token(entry(token_file=written(tmp_path, text)))
    assert GOOD not in str(refused.value)
