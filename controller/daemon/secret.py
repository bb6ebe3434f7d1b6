"""Secrets come from files of their own, so that a site file can be shown to anyone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from drivers.errors import ConfigError

_ALLOWED: Final = "a file that holds one password, token or key alone"


def is_token(text: str) -> bool:
    """Return whether a bearer token can be so: one word of visible ASCII, as the header of a request takes it."""
    return text.isascii() and text.isprintable() and " " not in text and text != ""


def read_secret(path: Path) -> str:
    """Return the text of a password or token file without its line end; ConfigError where there is none."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; allowed is {_ALLOWED}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: found bytes that are no UTF-8 text") from error
    if not text:
        raise ConfigError(f"{path}: the file is empty; allowed is {_ALLOWED}")
    return text
