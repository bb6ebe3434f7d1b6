"""Columns of a report that are a text with one letter a device, as arrays of codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from controller.core.site import I8
from controller.core.snapshot import Follow, MeasuredBy
from drivers.fleet import wire


def _table(letters: Iterable[str]) -> I8:
    """Return the code of each of the 256 letters; -1 where it has none, which the contract does not let through."""
    table = np.full(256, -1, dtype=np.int8)
    for code, letter in enumerate(letters):
        table[ord(letter)] = code
    return table


#: By the names that the wire and the core have in common.
FOLLOW: Final = _table(wire.Follow[follow.name] for follow in Follow)
MEASURED_BY: Final = _table(wire.MeasuredBy[by.name] for by in MeasuredBy)
#: By the order of the wire.
ACTIVITY: Final = _table(wire.Activity)


def codes(text: str, table: I8) -> I8:
    """Return the code of every letter of a text."""
    return table[np.frombuffer(text.encode(), dtype=np.uint8)]
