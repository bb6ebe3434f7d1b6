"""Reads one meter: power, frequency and what else is wanted as often at every poll, the rest at every slow one.

Whoever reads a meter reads it with this: the daemon, `check --live`, `meter watch`, `meter test`, `meter probe`.
"""

from __future__ import annotations

from collections.abc import Collection

from drivers.clock import Clock, boottime_s
from drivers.errors import DriverLoss
from drivers.meters.blocks import Block, Plan
from drivers.meters.modbus.meter import ModbusMeter, judged
from drivers.meters.modbus.poll import Asks, Poll
from drivers.meters.profiles import FAST, REQUIRED
from drivers.meters.sunspec import ChainSearch, NoModel, Read, pick
from drivers.modbus.answers import Answer
from drivers.modbus.connection import connected
from drivers.modbus.line import NoAnswer, framing_of
from drivers.modbus.requests import ReadRequest
from drivers.readings import Loss, Sample

#: Attempts in a row that each ask in another way; a plan learns something at each of them, so that there are never so many.
_MOST_ATTEMPTS = 50


class Reader:
    """What is known of one meter's registers; `forget` it when the meter was away, for it may come back as another."""

    def __init__(self, meter: ModbusMeter, *, start: int | None = None, only: Collection[str] | None = None) -> None:
        """Know the meter.

        `start`: where its addresses count from, where that is known already. `only`: quantities, where not all are wanted.
        """
        self.meter = meter
        self._only = only
        self._search = ChainSearch()
        self._start = start if meter.profile.sunspec_models else 0
        self._fast, self._full = self._plans()
        self._last = self._full
        self._in_vain = False

    def _plans(self) -> tuple[Plan, Plan]:
        profile = self.meter.profile
        fast = Plan(profile, [name for name in (*FAST, *self.meter.each_poll) if name in profile.registers])
        # A surplus source carries its power alone.
        if self.meter.quantity != REQUIRED:
            return fast, fast
        return fast, Plan(profile, tuple(profile.registers) if self._only is None else self._only)

    def forget(self) -> None:
        """Know what the profile says, and nothing of what the meter answered; what it has been silent about stays known."""
        if self.hopeful:
            return
        if self.meter.profile.sunspec_models:
            self._start = None
        if self.spoken:
            self._fast, self._full = self._plans()

    @property
    def hopeful(self) -> bool:
        """Whether the next attempt asks in another way than the last one, which brought nothing."""
        return self._in_vain and (self._last.learned or self._search.hopeful)

    @property
    def spoken(self) -> bool:
        """Whether the meter has answered since it was forgotten."""
        return self._fast.spoken or self._full.spoken

    @property
    def settled(self) -> bool:
        """Whether the last poll of all quantities left none of them out."""
        return self._full.settled

    async def read(self, asks: Asks, clock: Clock, *, full: bool, within_s: float) -> Sample | Loss:
        """Return what one poll saw.

        `full`: of all quantities. `within_s`: for all requests together that bring power and frequency, and for each other
        request. Raises NoAnswer where the meter is silent about its power or is no meter of its profile, DriverLoss where
        the connection is gone.
        """
        self._in_vain = True
        if self._start is None:
            self._start = await self._found(asks, within_s)
        start, meter = self._start, self.meter
        plan = self._last = self._full if full else self._fast

        def request(block: Block) -> ReadRequest:
            return ReadRequest(meter.unit, block.fc, start + block.address, block.count, meter.any_unit)

        poll = Poll(plan, request, clock)
        await poll.run(asks, within_s)
        self._in_vain = False
        return judged(meter, plan, poll.answers, poll.taken_s, clock(), power_took_s=poll.took_s)

    async def _found(self, asks: Asks, within_s: float) -> int:
        meter = self.meter
        models = (meter.model,) if meter.model else meter.profile.sunspec_models
        read = reading(asks, meter.unit, within_s, any_unit=meter.any_unit)
        chain = await self._search.chain(read, models, meter.nth)
        try:
            return pick(chain, models, meter.nth)
        except NoModel as lack:
            raise NoAnswer(str(lack), told=True) from lack


def reading(asks: Asks, unit: int, timeout_s: float, *, any_unit: bool = False) -> Read:
    """Return how to read single blocks of one unit; it raises NoAnswer and DriverLoss."""

    async def read(fc: int, address: int, count: int) -> Answer:
        return await asks.ask(ReadRequest(unit, fc, address, count, any_unit), timeout_s)

    return read


async def read_fully(reader: Reader, asks: Asks, clock: Clock = boottime_s) -> Sample | Loss:
    """Return what the meter shows of all quantities, after as many attempts as it takes to learn how it wants to be asked.

    Raises NoAnswer and DriverLoss as `Reader.read` does.
    """
    seen: Sample | Loss | None = None
    for _ in range(_MOST_ATTEMPTS):
        try:
            seen = await reader.read(asks, clock, full=True, within_s=reader.meter.timeout_s)
        except NoAnswer:
            if not reader.hopeful:
                raise
            continue
        if reader.settled:
            break
    if seen is None:
        raise NoAnswer("no answer, however it was asked")
    return seen


async def read_once(meter: ModbusMeter, clock: Clock = boottime_s) -> Sample | Loss:
    """Read all quantities of one meter once, over a connection of its own."""
    try:
        async with connected(meter.place, framing_of(meter.place), meter.timeout_s) as connection:
            return await read_fully(Reader(meter), connection, clock)
    except DriverLoss as loss:
        return Loss(meter=meter.id, reason=str(loss), at_s=clock())
