"""Reads all meters of the site: a worker for each bus, which asks its units in turn over one connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from drivers.clock import Clock, boottime_s
from drivers.errors import DriverLoss
from drivers.meters.modbus.meter import ModbusMeter
from drivers.meters.modbus.reader import Reader
from drivers.meters.modbus.turns import MeterTurns, QueuedMeter
from drivers.meters.sessions import Pause, Watched, run_sessions
from drivers.modbus.connection import Connection, connected
from drivers.modbus.line import NoAnswer, framing_of
from drivers.modbus.place import Place
from drivers.readings import Loss, Publish, Sample

log = logging.getLogger(__name__)

#: A poll that is due sooner than this is made at once: timers are no finer.
_SOON_S = 1e-3


def buses(meters: Iterable[ModbusMeter]) -> dict[Place, list[ModbusMeter]]:
    """Return the meters by the bus that they share, in the order given."""
    found: dict[Place, list[ModbusMeter]] = {}
    for meter in meters:
        found.setdefault(meter.place, []).append(meter)
    return found


async def read_forever(meter: ModbusMeter, publish: Publish, clock: Clock = boottime_s) -> None:
    """Poll a meter that is alone at its place: see `read_bus`."""
    await read_bus([meter], publish, clock)


async def read_bus(
    meters: Sequence[ModbusMeter], publish: Publish, clock: Clock = boottime_s, *, share: float = 0.0
) -> None:
    """Poll the meters of one bus and publish a Sample a poll, a Loss when there is none. Never returns; cancel it to stop.

    `share`: 0 to below 1, where in their periods the polls of this bus lie, so that not all buses of a site begin at once.
    """
    pause = Pause()
    begin_s = clock()
    units = []
    for index, meter in enumerate(meters):
        own = Pause()
        slow_share = (share + index / len(meters)) % 1.0
        unit = QueuedMeter(
            reader=Reader(meter),
            watched=Watched(publish, pause, own),
            pause=own,
            begin_s=begin_s + share * meter.poll_s,
            share=slow_share,
        )
        units.append(unit)
    worker = _Worker(MeterTurns(units), meters[0].place, clock)
    await run_sessions({unit.meter.id: unit.watched for unit in units}, worker.session, pause, clock)


class _Worker:
    """One bus: its queue, its frames, and how long it has been asking in vain."""

    def __init__(self, turns: MeterTurns, place: Place, clock: Clock) -> None:
        self._turns = turns
        self._place = place
        self._framing = framing_of(place)
        self._clock = clock

    async def session(self) -> None:
        """Ask the units in turn until the connection is lost, or nobody on it answers."""
        timeout_s = max(unit.meter.timeout_s for unit in self._turns.units)
        async with connected(self._place, self._framing, timeout_s) as line:
            await self._ask_in_turn(line)

    async def _ask_in_turn(self, line: Connection) -> None:
        units = self._turns.units
        for unit in units:
            unit.begin_anew(self._clock())
        patience_s, in_vain = 0.0, 0
        while True:
            unit, due_s = self._turns.next(self._clock())
            if (wait_s := due_s - self._clock()) > _SOON_S:
                await asyncio.sleep(wait_s)
                continue
            within_s = self._turns.begin(unit, self._clock()) + patience_s
            full = unit.slow_s <= due_s
            try:
                seen = await self._read(unit, line, full=full, within_s=within_s)
            except NoAnswer as silence:
                unit.unanswered(self._clock())
                hopeful = unit.reader.hopeful
                in_vain = 0 if silence.told or hopeful else in_vain + 1
                if in_vain == len(units):
                    raise
                if not (hopeful and unit.reader.spoken):
                    unit.watched(Loss(meter=unit.meter.id, reason=str(silence), at_s=self._clock(), trying=hopeful))
                # Its gateway may go on waiting for it, and keep the next one waiting.
                patience_s = 0.0 if silence.told else unit.meter.timeout_s
            else:
                unit.answered(self._clock(), full=full and unit.reader.settled)
                unit.watched(seen)
                patience_s, in_vain = 0.0, 0

    async def _read(self, unit: QueuedMeter, line: Connection, *, full: bool, within_s: float) -> Sample | Loss:
        try:
            return await unit.reader.read(line, self._clock, full=full, within_s=within_s)
        except DriverLoss:
            raise
        except Exception as error:  # a fault with one meter must not end the bus: it is lost until it works again
            if not unit.watched.lost:
                fields = {"event": "driver_failed", "meter": unit.meter.id}
                log.exception("meter %s: the driver failed", unit.meter.id, extra=fields)
            raise NoAnswer(f"the driver failed: {error!r}", told=True) from error
