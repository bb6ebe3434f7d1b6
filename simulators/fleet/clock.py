"""A clock that is wrong on purpose."""

from __future__ import annotations

from drivers.clock import Clock, boottime_s


class JumpingClock:
    """The monotonic clock and `ahead_s` more; `jump` changes that at once. Shared by threads."""

    def __init__(self, ahead_s: float, clock: Clock = boottime_s) -> None:
        self._ahead_s = ahead_s
        self._clock = clock

    def __call__(self) -> float:
        """Return the time that it shows, in s."""
        return self._clock() + self._ahead_s

    def jump(self, by_s: float) -> None:
        """Set it ahead, by less than zero back."""
        self._ahead_s += by_s
