"""Reads all meters of one line for ever, one after the other."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from drivers.clock import Clock, boottime_s
from drivers.errors import DriverLoss
from drivers.meters.dlms.acse import WrongSecret
from drivers.meters.dlms.meter import DlmsMeter, DlmsReader
from drivers.meters.dlms.session import Line
from drivers.meters.sessions import Pause, Watched
from drivers.readings import Loss, Publish, Sample

log = logging.getLogger(__name__)

#: Meters lock themselves after some wrong passwords, for minutes or until somebody comes.
_AFTER_A_WRONG_SECRET_S: Final = 60.0


def lines(meters: Iterable[DlmsMeter]) -> list[list[DlmsMeter]]:
    """Return the meters by the line that they share: on HDLC those at one place; in the wrapper each is alone."""
    shared: dict[object, list[DlmsMeter]] = {}
    for meter in meters:
        key = meter.id if meter.place.transport == "wrapper" else meter.place
        shared.setdefault(key, []).append(meter)
    return list(shared.values())


@dataclass(slots=True, eq=False, kw_only=True)
class _Turn:
    """One meter, and when it is read next: all of it at `slow_s`."""

    reader: DlmsReader
    watched: Watched
    pause: Pause
    begin_s: float
    due_s: float = field(init=False)
    slow_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.due_s = self.slow_s = self.begin_s

    def read(self, now_s: float, *, full: bool) -> None:
        """Go on at the next due times; those that were missed are left out."""
        meter = self.reader.meter
        self.due_s = _next(self.begin_s, meter.poll_s, now_s)
        if full:
            self.slow_s = _next(self.begin_s, meter.poll_slow_s, now_s)

    def lost(self, now_s: float, least_s: float = 0.0) -> None:
        """Wait longer from time to time, `least_s` at least, and then begin with all quantities."""
        self.due_s = now_s + max(least_s, self.pause.next_s())
        self.slow_s = min(self.slow_s, now_s)


async def read_line(
    meters: Sequence[DlmsMeter], publish: Publish, clock: Clock = boottime_s, *, share: float = 0.0
) -> None:
    """Poll the meters of one line and publish a Sample a poll, a Loss when there is none. Never returns; cancel it to stop.

    `share`: 0 to below 1, where in their periods the polls of this line lie.
    """
    line = Line(meters[0].place, max(meter.timeout_s for meter in meters))
    turns, in_vain = [], 0
    for meter in meters:
        pause = Pause()
        begin_s = clock() + share * meter.poll_s
        turns.append(
            _Turn(reader=DlmsReader(meter, line), watched=Watched(publish, pause), pause=pause, begin_s=begin_s)
        )
    try:
        while True:
            turn = min(turns, key=lambda each: each.due_s)
            await asyncio.sleep(max(0.0, turn.due_s - clock()))
            in_vain = 0 if await _take(turn, clock) else in_vain + 1
            if in_vain >= len(turns):  # the other end may be gone without having said so
                in_vain = 0
                line.close()
    finally:
        for turn in turns:
            turn.reader.drop()
        line.close()


async def _take(turn: _Turn, clock: Clock) -> bool:
    """Read one meter, and return whether it was; a loss is published, and never ends the line."""
    meter, full, least_s = turn.reader.meter, turn.slow_s <= turn.due_s, 0.0
    try:
        seen = await turn.reader.read(clock, full=full)
    except WrongSecret as refusal:
        least_s = _AFTER_A_WRONG_SECRET_S
        seen = Loss(meter=meter.id, reason=str(refusal), at_s=clock())
    except DriverLoss as loss:
        seen = Loss(meter=meter.id, reason=str(loss), at_s=clock())
    except Exception as error:  # a fault with one meter must not end the line: it is lost until it works again
        if not turn.watched.lost:
            log.exception("meter %s: the driver failed", meter.id, extra={"event": "driver_failed", "meter": meter.id})
        turn.reader.drop()
        seen = Loss(meter=meter.id, reason=f"the driver failed: {error!r}", at_s=clock())
    if isinstance(seen, Loss):
        turn.lost(clock(), least_s)
    else:
        turn.read(clock(), full=full)
    turn.watched(seen)
    return isinstance(seen, Sample)


def _next(begin_s: float, period_s: float, now_s: float) -> float:
    """Return the first time of the grid after `now_s`."""
    return begin_s + (math.floor((now_s - begin_s) / period_s) + 1) * period_s
