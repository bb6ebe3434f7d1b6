"""The tokens of the HTTP interface, read from the site file: none that others can read, guess, or use for two roles."""

from __future__ import annotations

import hashlib
import math
import stat
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from controller.daemon.access import Role, Token
from controller.daemon.secret import is_token, read_secret
from controller.site.model import TokenEntry
from drivers.errors import ConfigError

#: A token of fewer bits can be guessed.
LEAST_BITS: Final = 128.0
#: A random token of that many bits has more different characters.
FEW: Final = 8
#: Alphabets from the smallest; a token is taken to be drawn from the first that has all of its characters.
_ALPHABETS: Final = (
    string.digits,
    string.hexdigits[:16],
    string.hexdigits[:10] + string.hexdigits[16:],
    string.ascii_lowercase,
    string.ascii_lowercase + string.digits,
    string.ascii_letters + string.digits + "-_+/=.~",
)


def make_tokens(entries: Iterable[TokenEntry]) -> tuple[Token, ...]:
    """Return the tokens of a site file; ConfigError names every file that cannot be used, and tokens that are the same."""
    tokens, wrong = [], []
    for entry in entries:
        try:
            tokens.append(make_token(entry))
        except ConfigError as error:
            wrong.append(str(error))
    names: dict[str, list[str]] = {}
    for token in tokens:
        names.setdefault(token.sha256, []).append(token.name)
    same = (" and ".join(owners) for owners in names.values() if len(owners) > 1)
    wrong += [f"orders.tokens: {owners} have the same token, allowed is one of its own for each" for owners in same]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return tuple(tokens)


def make_token(entry: TokenEntry) -> Token:
    """Return the token of one entry; ConfigError where its file cannot be used."""
    sha256 = entry.token_sha256
    if sha256 is None:
        if entry.token_file is None:
            raise ConfigError(f"orders.tokens: {entry.name} has neither token_file nor token_sha256")
        sha256 = hashlib.sha256(_read(entry.token_file).encode()).hexdigest()
    return Token(name=entry.name, role=Role(entry.role), sha256=sha256)


def _read(path: Path) -> str:
    try:
        text = read_secret(path)
    except ConfigError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise ConfigError(f"{error}; `openssl rand -hex 32` makes a token") from error
        raise
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o027:
        raise ConfigError(f"{path}: has the mode {mode:04o}, allowed is 0600, or 0640 for a group of its own")
    if not is_token(text):
        raise ConfigError(
            f"{path}: found other characters than a token may have, allowed is one line of ASCII without a blank"
        )
    if (bits := entropy_bits(text)) < LEAST_BITS:
        allowed = f"{LEAST_BITS:.0f} or more, as `openssl rand -hex 32` makes them"
        raise ConfigError(f"{path}: found a token of at most {bits:.0f} bits, allowed are {allowed}")
    return text


def entropy_bits(token: str) -> float:
    """Return the most bits that a token may have, drawn at random from the smallest alphabet that has its characters.

    >>> entropy_bits("0123456789abcdef" * 2)
    128.0
    """
    used = set(token)
    size = next((len(alphabet) for alphabet in _ALPHABETS if used <= set(alphabet)), 94)
    # What repeats a few characters was not drawn at random.
    size = len(used) if len(used) < FEW else size
    return len(token) * math.log2(max(size, 1))
