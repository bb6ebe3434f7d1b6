"""What one reader remembers of a meter, and when it forgets it."""

from __future__ import annotations

import asyncio

import pytest

from drivers.clock import boottime_s
from drivers.meters.modbus import ModbusMeter, NoAnswer, Reader
from drivers.meters.profiles import load_profile
from drivers.modbus.answers import Answer
from drivers.modbus.requests import ReadRequest
from simulators.substation.encoder import SunspecChain, encode, read_data
from tests.controller.commands.substation import SOUND

PROFILE = "sunspec_203"


class Registers:
    """A meter without a wire; `silent`: registers of which a request that touches one brings nothing."""

    def __init__(self, base: int) -> None:
        self.image = encode(read_data(PROFILE), SOUND, sunspec=SunspecChain(base=base))
        self.silent: set[int] = set()

    async def ask(self, request: ReadRequest, within_s: float, *, since_s: float | None = None) -> Answer:
        wanted = range(request.address, request.address + request.count)
        words = [self.image.get((request.fc, each)) for each in wanted]
        if None in words or self.silent & set(wanted):
            raise NoAnswer("not a byte")
        return words


def reader() -> Reader:
    return Reader(ModbusMeter(id="m", profile=load_profile(PROFILE), poll_s=1.0, timeout_s=1.0))


async def power_w(one: Reader, meter: Registers, *, full: bool = True) -> float:
    sample = await one.read(meter, boottime_s, full=full, within_s=1.0)
    return sample.values["active_power_w"]


def test_after_a_poll_in_which_it_learned_a_meter_is_forgotten_like_any_other():
    """Another one may stand at its place, whose chain begins elsewhere: the old address would be read for its power."""

    async def scenario() -> None:
        one, old, new = reader(), Registers(40000), Registers(0)
        old.silent = set(range(40000 + 70 + 46, 40000 + 70 + 48))  # its import counter
        with pytest.raises(NoAnswer):
            await power_w(one, old)
        assert one.hopeful
        while True:
            assert await power_w(one, old) == SOUND["active_power_w"]
            assert not one.hopeful, "it brought its power"
            if one.settled:
                break
        one.forget()
        for _ in range(3):
            try:
                assert await power_w(one, new) == SOUND["active_power_w"]
            except NoAnswer:
                assert one.hopeful
            else:
                return
        raise AssertionError("the new meter was not read")

    asyncio.run(scenario())


def test_what_a_meter_was_silent_about_before_it_ever_spoke_is_not_forgotten():
    async def scenario() -> None:
        one, meter = reader(), Registers(40000)
        meter.silent = set(range(40072, 40177))
        attempts = 0
        while True:
            with pytest.raises(NoAnswer):
                await power_w(one, meter)
            attempts += 1
            hopeful = one.hopeful
            one.forget()
            if not hopeful:
                break
        assert attempts > 1
        with pytest.raises(NoAnswer):
            await power_w(one, meter)
        assert not one.hopeful, "a dead meter costs one time-out from now on"

    asyncio.run(scenario())
