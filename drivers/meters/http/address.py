"""Addresses of the web, as a site file writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

_URL: Final = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?(/[!-~]*)?")
_LOGIN: Final = re.compile(r"[^/]*//[^/?#]*@")
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """An address; `path` with what is asked of it, empty where it names none."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address that is written so; raises ValueError where it is none, which repeats no login.

        >>> Url.parse("http://10.0.0.5/status").port
        80
        """
        if _LOGIN.match(text):
            raise ValueError(
                "an address with a login is no address such as http://10.0.0.5/status, without user and password"
            )
        match = _URL.fullmatch(text)
        port = int(match[3]) if match and match[3] else 0
        if match is None or port > 65535 or (match[3] and not port) or "#" in (match[4] or ""):
            raise ValueError(f"{text!r} is no address such as http://10.0.0.5/status")
        return cls(scheme=match[1], host=match[2].strip("[]"), port=port or _PORTS[match[1]], path=match[4] or "")

    def __str__(self) -> str:
        """Return it as it is written."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"
