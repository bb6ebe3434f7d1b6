"""HTTP digest authentication (RFC 7616) with what one device asks for: MD5 or SHA-256, with `qop=auth` or without."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final

_PART: Final = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_HASHES: Final[dict[str, Callable[[bytes], hashlib._Hash]]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
    "SHA-256": hashlib.sha256,
}


class DigestAuth:
    """Who asks, and what the device challenged them with last: `challenge`, None before the first 401."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self.challenge: Mapping[str, str] | None = None
        self._inner = ""
        self._hash: Callable[[str], str] = str
        self._count = 0

    def __repr__(self) -> str:
        """Say who asks, and never with what password."""
        return f"DigestAuth({self._user})"

    def take(self, challenges: Iterable[str]) -> bool:
        """Take the first challenge that can be answered; return whether there is one, and it is worth another try."""
        for text in challenges:
            challenge = _parts(text)
            name = challenge.get("algorithm", "MD5").upper()
            offers = [offer.strip() for offer in challenge.get("qop", "auth").split(",")]
            if (
                not text.lower().startswith("digest")
                or name not in _HASHES
                or "auth" not in offers
                or "nonce" not in challenge
            ):
                continue
            if self.challenge is not None and self.challenge["nonce"] == challenge["nonce"]:
                return False  # it has had the answer to that one
            self.challenge, self._count = challenge, 0
            self._hash = lambda value, use=_HASHES[name]: use(value.encode()).hexdigest()  # type: ignore[misc]
            self._inner = self._hash(f"{self._user}:{challenge.get('realm', '')}:{self._password}")
            return True
        return False

    def header(self, method: str, path: str) -> dict[str, str]:
        """Return the header that answers the challenge for one request."""
        challenge = self.challenge or {}
        nonce, digest = challenge.get("nonce", ""), self._hash
        outer = digest(f"{method}:{path}")
        said = {"username": self._user, "realm": challenge.get("realm", ""), "nonce": nonce, "uri": path}
        if "qop" in challenge:
            self._count += 1
            count, own = f"{self._count:08x}", secrets.token_hex(8)
            said["response"] = digest(f"{self._inner}:{nonce}:{count}:{own}:auth:{outer}")
            bare = f', qop=auth, nc={count}, cnonce="{own}"'
        else:
            said["response"] = digest(f"{self._inner}:{nonce}:{outer}")
            bare = ""
        for name in ("opaque",):
            said |= {name: challenge[name]} if name in challenge else {}
        if "algorithm" in challenge:
            bare += f", algorithm={challenge['algorithm']}"
        return {"Authorization": "Digest " + ", ".join(f'{name}="{value}"' for name, value in said.items()) + bare}


def _parts(text: str) -> dict[str, str]:
    return {name.lower(): quoted or bare for name, quoted, bare in _PART.findall(text)}
