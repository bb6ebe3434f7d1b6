"""The cookie by which a browser shows who asks."""

from __future__ import annotations

import pytest

from controller.api.session import authorization, cookie_name, set_cookie, token_of

NAME = cookie_name("north")
COOKIE = b"other=1; surplusd-north=abc.def-1~; surplusd-south=x"
HOST = b"site.example:8420"


def headers(**more: bytes) -> dict[bytes, bytes]:
    return {b"host": HOST, b"cookie": COOKIE} | {name.encode(): value for name, value in more.items()}


def test_the_cookie_of_this_site_counts_and_no_other():
    assert token_of(COOKIE, NAME) == "abc.def-1~"
    assert token_of(COOKIE, cookie_name("west")) == ""
    assert token_of(b"\xff=;;; surplusd-north", NAME) == ""


@pytest.mark.parametrize(
    "other", [b'{"a": [1]}="x"', b"path=/elsewhere", b"version=1", b"a b=c", b"=", b'q="un"ended', b"\xff"]
)
def test_a_cookie_of_something_else_on_this_machine_hides_no_token(other):
    assert token_of(other + b"; surplusd-north=abc", NAME) == "abc"
    assert token_of(b"surplusd-north=abc; " + other, NAME) == "abc"


@pytest.mark.parametrize("token", ["a;b=c", 'x"y', "p q", "50%25", "\xe9\xff", "a,b\\c"])
def test_a_token_of_any_characters_signs_in(token):
    shown = set_cookie(NAME, token, secure=False).partition("; ")[0]
    assert token_of(b"other=1; " + shown.encode("ascii"), NAME) == token


def test_a_request_with_a_header_of_its_own_counts_by_that():
    assert authorization(headers(authorization=b"Bearer own"), "POST", NAME) == b"Bearer own"
    assert authorization(headers(authorization=b""), "GET", NAME) == b""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_to_read_the_cookie_is_enough(method):
    assert authorization(headers(), method, NAME) == b"Bearer abc.def-1~"


@pytest.mark.parametrize(
    ("origin", "counts"),
    [
        (b"https://site.example:8420", True),
        (b"http://site.example:8420", True),
        (b"http://site.example:8421", False),
        (b"http://site.example", False),
        (b"http://elsewhere.example:8420", False),
        (b"null", False),
        (b"http://[", False),
        (b"site.example:8420", False),
        (b"", False),
    ],
)
def test_to_change_something_the_browser_has_to_say_that_our_page_asks(origin, counts):
    assert bool(authorization(headers(origin=origin), "POST", NAME)) is counts


def test_without_a_host_nothing_is_changed():
    assert authorization({b"cookie": COOKIE, b"origin": b""}, "POST", NAME) == b""


def test_a_cookie_is_for_this_site_alone_and_for_no_script():
    assert set_cookie(NAME, "abc", secure=True).split("; ")[2:] == [
        "Max-Age=2592000",
        "HttpOnly",
        "SameSite=Strict",
        "Secure",
    ]
    assert "Max-Age=0" in set_cookie(NAME, "", secure=False)
    assert "Secure" not in set_cookie(NAME, "abc", secure=False)
