"""Who may do what: roles, who holds one, and the token by which a holder is known."""

from __future__ import annotations

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
