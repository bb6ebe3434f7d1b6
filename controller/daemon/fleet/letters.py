"""Columns of a report that are a text with one letter a device, as arrays of codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from controller.core.site import I8, Bool
from controller.core.snapshot import Followed, Measurer
from drivers.fleet import wire

_LETTERS: Final = 256
#: What a device is doing that its agent says nothing of.
UNKNOWN: Final = list(wire.Activity).index(wire.Activity.UNKNOWN)
#: What counts of a device that an agent does not have, in the rows of `codes`, and in that of `resting`.
MISSING: Final = np.array([[Followed.LOST], [Measurer.NOTHING], [UNKNOWN]], dtype=np.int8)
AWAKE: Final = np.zeros((1, 1), dtype=np.bool_)


def _table(letters: Iterable[str]) -> I8:
    """Return the code of each letter; -1 where it has none, which the contract does not let through."""
    table = np.full(_LETTERS, -1, dtype=np.int8)
    for code, letter in enumerate(letters):
        table[ord(letter)] = code
    return table


#: The code of every letter, one table behind the other: by the names that wire and core have in common, activities as on the wire.
_TABLES: Final = np.concatenate(
    [
        _table(wire.Follow[follow.name] for follow in Followed),
        _table(wire.MeasuredBy[by.name] for by in Measurer),
        _table(wire.Activity),
    ]
)
_OFFSETS: Final = np.array([[0], [_LETTERS], [2 * _LETTERS]], dtype=np.int64)


def codes(letters: tuple[str, str, str]) -> I8:
    """Return how the devices follow, what measures them, and what they do (3, devices), from the letters of each."""
    found: I8 = _TABLES[np.frombuffer("".join(letters).encode(), dtype=np.uint8).reshape(3, -1) + _OFFSETS]
    return found


def resting(letters: str) -> Bool:
    """Return which devices rest (1, devices)."""
    found: Bool = np.frombuffer(letters.encode(), dtype=np.uint8)[np.newaxis] == ord(wire.Resting.YES)
    return found
