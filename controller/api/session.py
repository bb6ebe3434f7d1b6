"""How a browser shows who asks: a cookie that holds the token, which no script can read and no other site can use.

It is sent for this site alone (``SameSite=Strict``), and counts for what changes something only where the browser says that
our own page asks (``Origin``): other ports of the same machine are the same site to a cookie.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

#: How long a person stays signed in, in s. A token that is taken away ends it at once.
STAYS_S: Final = 30 * 86400
_READS: Final = frozenset({"GET", "HEAD"})


def cookie_name(site: str) -> str:
    """Return the name of the cookie: cookies know no ports, and several sites may be on one machine."""
    return f"surplusd-{site}"


def authorization(headers: Mapping[bytes, bytes], method: str, name: str) -> bytes:
    """Return the value of the header Authorization that a request counts by: its own, or by its cookie; empty where there is none."""
    own = headers.get(b"authorization")
    if own is not None:
        return own
    token = token_of(headers.get(b"cookie", b""), name)
    if not token or (method not in _READS and not _is_from_our_page(headers)):
        return b""
    return b"Bearer " + token.encode("latin-1")


def token_of(cookies: bytes, name: str) -> str:
    """Return the token that the header Cookie has, empty where it has none; cookies of others may be what they like."""
    for each in cookies.decode("latin-1").split(";"):
        key, _, value = each.strip().partition("=")
        if key == name:
            return unquote(value, encoding="latin-1")
    return ""


def set_cookie(name: str, token: str, *, secure: bool) -> str:
    """Return the header Set-Cookie that signs somebody in, or with an empty token out."""
    stays_s = STAYS_S if token else 0
    parts = [
        f"{name}={quote(token, safe='', encoding='latin-1', errors='replace')}",
        "Path=/",
        f"Max-Age={stays_s}",
        "HttpOnly",
        "SameSite=Strict",
    ]
    return "; ".join([*parts, "Secure"] if secure else parts)


def _is_from_our_page(headers: Mapping[bytes, bytes]) -> bool:
    origin, host = headers.get(b"origin", b"").decode("latin-1"), headers.get(b"host", b"").decode("latin-1")
    # An Origin is SCHEME://HOST and nothing more; taken apart as a whole URL, a wrong one would be an error.
    return bool(host) and origin.partition("://")[2] == host
