"""The login of a device: two lines of a file of its own, which are shown nowhere."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from drivers.errors import ConfigError

_KEYS: Final = ("username", "password")
_ALLOWED: Final = "lines `username: …` and `password: …`, or the second alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who speaks to a device; `username` None where the family has but one user."""

    username: str | None = field(default=None, repr=False)
    password: str = field(repr=False)


def read_login(path: Path) -> Login:
    """Return the login in a file; raises ConfigError, which shows nothing of it, for one that is no use or open to others."""
    try:
        with path.open(encoding="utf-8") as stream:
            mode = stat.S_IMODE(path.stat().st_mode)
            lines = [line for line in stream.read(10_000).splitlines() if line.strip()]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: found bytes that are no UTF-8 text") from error
    if mode & 0o077:
        raise ConfigError(f"{path}: found mode {mode:04o}, allowed is mode 0600")
    words = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if len(words) != len(lines) or not set(words) <= set(_KEYS) or not words.get("password"):
        raise ConfigError(f"{path}: found no login, allowed are {_ALLOWED}")
    return Login(username=words.get("username") or None, password=words["password"])
