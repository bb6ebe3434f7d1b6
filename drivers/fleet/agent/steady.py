"""A clock that goes on where the machine's goes back, and says so. No healthy kernel's does; a machine that is moved might."""

from __future__ import annotations

from typing import Final

from drivers.clock import Clock

#: Between two looks a clock may run so much slower than the hardware's count: it is disciplined, and read a moment apart.
_SLEWED: Final = 1e-3
_SLACK_S: Final = 0.5


class SteadyClock:
    """`clock`, made to go on by `count` over every step back; for one thread.

    `count` is one that nobody sets, CLOCK_MONOTONIC_RAW, and stands still while the machine sleeps: a clock that runs
    ahead of it may be right, one that falls behind it is not. `steps`: how often it did. How much time has gone by over
    such a step nobody knows for sure, so whoever has leases ends them.
    """

    def __init__(self, clock: Clock, count: Clock) -> None:
        self._clock, self._count = clock, count
        self._shown_s, self._counted_s = clock(), count()
        self._ahead_s, self._now_s = 0.0, self._shown_s
        self.steps = 0

    def __call__(self) -> float:
        """Return the time, in s; it never goes back."""
        shown_s, counted_s = self._clock(), self._count()
        moved_s, gone_s = shown_s - self._shown_s, max(0.0, counted_s - self._counted_s)
        if moved_s < 0.0 or moved_s < gone_s * (1.0 - _SLEWED) - _SLACK_S:
            self._ahead_s += gone_s - moved_s
            self.steps += 1
        self._shown_s, self._counted_s = shown_s, counted_s
        self._now_s = max(self._now_s, shown_s + self._ahead_s)
        return self._now_s
