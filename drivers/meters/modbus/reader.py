"""Reads one meter over its line: power and frequency at every poll, the rest at every slow one."""

from __future__ import annotations

import asyncio

from drivers.clock import Clock
from drivers.meters.blocks import Block, Plan
from drivers.meters.modbus.meter import ModbusMeter, judged
from drivers.meters.profiles import FAST, REQUIRED
from drivers.meters.sunspec import NoModel, Read, find_model
from drivers.modbus.answers import Answer, Refusal
from drivers.modbus.line import ModbusLine, NoAnswer
from drivers.modbus.requests import ReadRequest
from drivers.readings import Loss, Sample


class Reader:
    """What is known of one meter's registers; `forget` it when the meter was away, for it may come back as another."""

    def __init__(self, meter: ModbusMeter) -> None:
        self.meter = meter
        self.forget()

    def forget(self) -> None:
        """Know what the profile says, and nothing of what the meter answered."""
        profile = self.meter.profile
        self._base = None if profile.sunspec_models else 0
        self.fast = Plan(profile, [name for name in FAST if name in profile.registers])
        # A surplus source carries its power alone.
        self.full = self.fast if self.meter.quantity != REQUIRED else Plan(profile, tuple(profile.registers))

    async def read(self, line: ModbusLine[ReadRequest], clock: Clock, *, full: bool, within_s: float) -> Sample | Loss:
        """Return what one poll saw.

        `full`: of all quantities. `within_s`: for all requests together that bring power and frequency, and for each other
        request. Raises NoAnswer where the meter is silent about power or frequency or is no meter of its
        profile, DriverLoss where the connection is gone.
        """
        if self._base is None:
            ask = reading(line, self.meter.unit, within_s)
            try:
                self._base = await find_model(ask, self.meter.profile.sunspec_models)
            except NoModel as lack:
                raise NoAnswer(str(lack), told=True) from lack
        plan = self.full if full else self.fast
        started_s, begun_s = clock(), asyncio.get_running_loop().time()
        answers: dict[Block, Answer] = {}
        taken_s, todo = started_s, list(reversed(plan.blocks(started_s)))
        while todo:
            block = todo.pop()
            urgent = plan.urgent(block)
            request = ReadRequest(self.meter.unit, block.fc, self._base + block.address, block.count)
            try:
                answer = await line.ask(request, within_s, since_s=begun_s if urgent else None)
            except NoAnswer as silence:
                if urgent:
                    raise
                answers |= dict.fromkeys([block, *todo], str(silence))
                break
            if isinstance(answer, Refusal) and (parts := plan.narrow(block, answer)):
                todo.extend(reversed(parts))
                continue
            answers[block] = answer
            if urgent:
                taken_s = (started_s + clock()) / 2
        return judged(self.meter, plan, plan.refused | answers, taken_s, clock())


def reading(line: ModbusLine[ReadRequest], unit: int, timeout_s: float) -> Read:
    """Return how to read single blocks of one unit; it raises NoAnswer and DriverLoss."""

    async def read(fc: int, address: int, count: int) -> Answer:
        return await line.ask(ReadRequest(unit, fc, address, count), timeout_s)

    return read
