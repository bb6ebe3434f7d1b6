"""Which requests of an agent may go now: a bound for all, lowers first and at once, raises slowly, silent devices last. Pure."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum
from typing import Final

#: Requests under way at once, all together. What does not lower leaves room for what does.
AT_ONCE: Final = 64
NOT_LOWERING: Final = 48
#: Requests under way at once to devices that do not answer: they never take the room of those that do.
TO_SILENT: Final = 24
RAISES_PER_S: Final = 50.0


class Urgency(IntEnum):
    """What a request is for; the smaller one goes first."""

    LOWER = 0
    READ = 1
    RAISE = 2
    SILENT = 3


class Pacer:
    """Counts what is under way. Ask `may_begin` in the sequence of urgency; `end` when a request has ended."""

    def __init__(self) -> None:
        self._under_way: Counter[Urgency] = Counter()
        self._next_raise_s = 0.0

    def may_begin(self, urgency: Urgency, now_s: float) -> bool:
        """Return whether such a request may begin now, and count it if so."""
        if not self._has_room(urgency) or (urgency is Urgency.RAISE and now_s < self._next_raise_s):
            return False
        if urgency is Urgency.RAISE:
            # A turn that comes late makes up for no more than itself: raises stay spread.
            self._next_raise_s = max(self._next_raise_s, now_s - 0.1) + 1 / RAISES_PER_S
        self._under_way[urgency] += 1
        return True

    def end(self, urgency: Urgency) -> None:
        """Note that a request has ended."""
        self._under_way[urgency] -= 1

    def _has_room(self, urgency: Urgency) -> bool:
        under_way = self._under_way
        total = under_way.total()
        match urgency:
            case Urgency.LOWER:
                return total < AT_ONCE
            case Urgency.SILENT:
                return under_way[Urgency.SILENT] < TO_SILENT and total < NOT_LOWERING
        return total - under_way[Urgency.LOWER] < NOT_LOWERING and total < AT_ONCE
