"""Whose turn it is on a bus. Pure: time comes in.

Every unit has a grid of due times, all of a bus with the same beginning, so that the units that answer are read one right
after the other and the rest of the period is free. A silent unit costs its whole time-out and is therefore asked in
that free time. Where there is none, it waits `PATIENCE_S` and is then asked all the same, but only one of them each
`PATIENCE_S`, and for no longer than the shortest period of the others: so neither do the silent units hold up the others
by more than that, nor do the others keep them away for ever.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from drivers.meters.modbus.meter import ModbusMeter
from drivers.meters.modbus.reader import Reader
from drivers.meters.sessions import Pause, Watched

PATIENCE_S: Final = 5.0


@dataclass(slots=True, eq=False, kw_only=True)
class QueuedMeter:
    """One meter in the queue of its bus.

    `share`: 0 to below 1, where in the slow period its slow polls lie. `silent`: it left its last request unanswered.
    """

    reader: Reader
    watched: Watched
    pause: Pause
    begin_s: float
    share: float = 0.0
    due_s: float = field(init=False)
    slow_s: float = field(init=False)
    silent: bool = False

    def __post_init__(self) -> None:
        """Begin with a slow poll, so that all quantities are there at once."""
        self.due_s = self.slow_s = self.begin_s

    @property
    def meter(self) -> ModbusMeter:
        """The meter."""
        return self.reader.meter

    def begin_anew(self, now_s: float) -> None:
        """Begin with a slow poll again: at the other end of a new connection may be another meter."""
        self.reader.forget()
        self.slow_s = min(self.slow_s, now_s)

    def answered(self, now_s: float, *, full: bool) -> None:
        """Go on at the next due times; those that were missed are left out."""
        self.silent = False
        self.due_s = _next(self.begin_s, self.meter.poll_s, now_s)
        if full:
            slow_s = self.meter.poll_slow_s
            self.slow_s = _next(self.begin_s + (self.share - 1.0) * slow_s, slow_s, now_s)

    def unanswered(self, now_s: float) -> None:
        """Wait longer from time to time, and then begin from the beginning; where it can be asked in another way, now."""
        self.silent = True
        self.begin_anew(now_s)
        self.due_s = now_s if self.reader.hopeful else now_s + self.pause.next_s()


class MeterTurns:
    """The queue of one bus."""

    def __init__(self, units: Sequence[QueuedMeter]) -> None:
        self.units = units
        self._forced_s = -math.inf

    def next(self, now_s: float) -> tuple[QueuedMeter, float]:
        """Return who is next, and when; never empty."""
        speaking = min((unit for unit in self.units if not unit.silent), key=_due, default=None)
        silent = min((unit for unit in self.units if unit.silent), key=_due, default=None)
        if silent is None or speaking is None:
            return _only(speaking or silent)
        from_s = max(silent.due_s, now_s)
        if from_s + silent.meter.timeout_s > speaking.due_s:
            from_s = max(silent.due_s, self._forced_s) + PATIENCE_S
        return (silent, from_s) if from_s < speaking.due_s else (speaking, speaking.due_s)

    def begin(self, unit: QueuedMeter, now_s: float) -> float:
        """Note that it is asked now, and return how long its answer may take, in s."""
        within_s = unit.meter.timeout_s
        speaking = [other for other in self.units if not other.silent]
        if unit.silent and any(other.due_s < now_s + within_s for other in speaking):
            self._forced_s = now_s
            within_s = min(within_s, *(other.meter.poll_s for other in speaking))
        return within_s


def _due(unit: QueuedMeter) -> float:
    return unit.due_s


def _only(unit: QueuedMeter | None) -> tuple[QueuedMeter, float]:
    if unit is None:
        raise ValueError("a bus without a unit")
    return unit, unit.due_s


def _next(begin_s: float, period_s: float, now_s: float) -> float:
    """Return the first time of the grid after `now_s`."""
    return begin_s + (math.floor((now_s - begin_s) / period_s) + 1) * period_s
