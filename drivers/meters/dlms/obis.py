"""OBIS codes, which name what a meter has: ``1-0:1.7.0`` or ``1-0:1.7.0.255`` (IEC 62056-6-1)."""

from __future__ import annotations

import re
from typing import Final

_CODE: Final = re.compile(r"(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?")


def is_obis(text: object) -> bool:
    """Return whether `text` is an OBIS code."""
    return isinstance(text, str) and obis(text) is not None


def obis(text: str) -> bytes | None:
    """Return the six bytes of a code, the last one 255 where it is left out; None for what is none.

    >>> obis("1-0:16.7.0").hex()
    '0100100700ff'
    """
    found = _CODE.fullmatch(text)
    groups = [255 if group is None else int(group) for group in found.groups()] if found else [256]
    return bytes(groups) if max(groups) <= 255 else None


def shown(code: bytes) -> str:
    """Return how a person writes a code.

    >>> shown(bytes([1, 0, 16, 7, 0, 255]))
    '1-0:16.7.0'
    """
    a, b, c, d, e, f = code
    return f"{a}-{b}:{c}.{d}.{e}" + ("" if f == 255 else f".{f}")
