"""What units still owe, on lines whose answers do not say which request they belong to. Pure: time comes in.

Such an answer, when it is late, looks like one to the next request of the same unit, function and length. Hence:

- While a unit may still owe an answer of some length, it is asked for nothing of that length. Where a request would be,
  a *fence* goes first: a read of a length that is not owed, whose values are thrown away.
- A unit answers in the order in which it is asked. Registers of a length that was not owed are therefore the answer to the
  newest request, and with them nothing is owed any more.
- An exception has no length. While something is owed it may belong to any request, and is dropped.
- What is owed for `LATEST_ANSWER_S` will not come any more.

Such a fence is a read of registers. Bits are therefore asked only where each answer says what it belongs to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from drivers.modbus.requests import ReadRequest

#: An answer that is this old is lost for good: longer than gateways wait and queue.
LATEST_ANSWER_S: Final = 10.0


class Owed:
    """The lengths that each unit owes, in registers, with the time since when."""

    def __init__(self) -> None:
        self._owed: dict[int, list[tuple[int, float]]] = {}

    def __contains__(self, unit: int) -> bool:
        """Return whether `unit` may still owe something."""
        return unit in self._owed

    def add(self, request: ReadRequest, now_s: float) -> None:
        """Remember that nobody waits for this answer any longer."""
        self._owed.setdefault(request.unit, []).append((request.count, now_s))

    def settle(self, unit: int) -> None:
        """Forget what `unit` owed: it has answered its newest request."""
        self._owed.pop(unit, None)

    def fence(self, request: ReadRequest, now_s: float) -> ReadRequest | None:
        """Return the shortest read whose answer is not owed, where one of this length is."""
        owed = self._lengths(request.unit, now_s)
        if request.count not in owed:
            return None
        return replace(request, count=next(count for count in range(1, 126) if count not in owed))

    def _lengths(self, unit: int, now_s: float) -> set[int]:
        owed = [(count, since_s) for count, since_s in self._owed.get(unit, ()) if now_s < since_s + LATEST_ANSWER_S]
        if not owed:
            self._owed.pop(unit, None)
        return {count for count, _ in owed}
