"""Who may do what: roles, who holds one, and the tokens by which a holder is known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from controller.daemon.secret import read_secret
from controller.site.model import TokenEntry
from drivers.errors import ConfigError


class Role(StrEnum):
    """What a principal may do: viewer and operator read, only the authority posts and releases orders."""

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


def make_token(entry: TokenEntry) -> Token:
    """Return the token of an entry of the site file; ConfigError where its file is not there or is empty."""
    return Token(name=entry.name, role=Role(entry.role), sha256=entry.token_sha256 or _sha256_of_file(entry))


def _sha256_of_file(entry: TokenEntry) -> str:
    if entry.token_file is None:
        raise ConfigError(f"orders.tokens: {entry.name} has neither token_file nor token_sha256")
    return hashlib.sha256(read_secret(entry.token_file).encode()).hexdigest()
