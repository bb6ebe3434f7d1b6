"""Which of many are meant: all, so many, a share of them, or those with these ids."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from drivers.errors import ConfigError

ALLOWED: Final = "all, a count (30), a share (15%), or ids and patterns with commas between them (s21-a-*,gpu-001)"


def choose(who: str, ids: Sequence[str], seed: int) -> tuple[str, ...]:
    """Return the chosen ids, in the order of `ids`; the same words and seed choose the same.

    Raises ConfigError that says what was found and what is allowed.
    """
    words = who.strip()
    if words == "all":
        return tuple(ids)
    if match := re.fullmatch(r"(\d+(?:\.\d+)?) ?%", words):
        return _some(round(float(match[1]) / 100.0 * len(ids)), words, ids, seed)
    if words.isdecimal():
        return _some(int(words), words, ids, seed)
    chosen: set[str] = set()
    for pattern in words.split(","):
        found = {name for name in ids if fnmatchcase(name, pattern.strip())}
        if not found:
            raise ConfigError(f"found {pattern!r}, which is none of {len(ids)} ({_first(ids)}); allowed is {ALLOWED}")
        chosen |= found
    return tuple(name for name in ids if name in chosen)


def _some(count: int, words: str, ids: Sequence[str], seed: int) -> tuple[str, ...]:
    if not 1 <= count <= len(ids):
        raise ConfigError(f"found {words!r}, which is {count} of {len(ids)}; allowed is 1 to {len(ids)}")
    chosen = set(random.Random(seed).sample(list(ids), count))  # noqa: S311  no secret
    return tuple(name for name in ids if name in chosen)


def _first(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
