"""Who may do what: roles, who holds one, and the token by which a holder is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a principal may do: all read; the authority gives orders, the operator limits of its own, and each lifts only these."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    AUTHORITY = "authority"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token by the SHA-256 of its text, 64 hex digits; the text itself is kept nowhere."""

    name: str
    role: Role
    sha256: str


class Tokens:
    """The tokens that count now; may be replaced by any thread, and counts whole for whoever goes through them."""

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self._now = tuple(tokens)

    def replace(self, tokens: Iterable[Token]) -> None:
        """Let these count, and no others."""
        self._now = tuple(tokens)

    def __iter__(self) -> Iterator[Token]:
        """Go through them."""
        return iter(self._now)
