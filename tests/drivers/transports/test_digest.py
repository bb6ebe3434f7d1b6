from __future__ import annotations

import pytest

from drivers.transports import digest
from drivers.transports.digest import DigestAuth

#: The example of RFC 7616, section 3.9.1, for both hashes.
CHALLENGE = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
OWN = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_the_standard_are_answered_as_it_says(
    algorithm: str, response: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest.secrets, "token_hex", lambda _size: OWN)
    auth = DigestAuth("Mufasa", "Circle of Life")
    assert auth.take(["Basic realm=x", CHALLENGE.format(algorithm)])
    assert f'response="{response}"' in auth.header("GET", "/dir/index.html")["Authorization"]


@pytest.mark.parametrize(
    "challenge",
    ["Basic realm=x", 'Digest realm="x"', 'Digest nonce="x", algorithm=MD4', 'Digest nonce="x", qop="auth-int"'],
)
def test_what_cannot_be_answered_is_not_tried(challenge: str) -> None:
    assert not DigestAuth("root", "root").take([challenge])


def test_the_same_nonce_twice_is_a_no() -> None:
    auth = DigestAuth("root", "root")
    assert auth.take(['Digest realm="x", nonce="1"'])
    assert not auth.take(['Digest realm="x", nonce="1"'])


def test_a_device_without_qop_is_answered_without() -> None:
    auth = DigestAuth("root", "root")
    auth.take(['Digest realm="x", nonce="1"'])
    assert "nc=" not in auth.header("GET", "/")["Authorization"]


def test_no_password_is_shown() -> None:
    assert "secret" not in repr(DigestAuth("root", "secret"))
