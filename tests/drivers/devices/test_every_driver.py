"""What holds of every driver of a miner, over sockets; `drivers/devices/driver.py` says it in words."""

from __future__ import annotations

import asyncio

import pytest

from drivers.devices.driver import CALL_S
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from simulators.devices.bench_unit import POOLS
from simulators.devices.served import SERVED
from simulators.devices.traps import Trap
from tests.drivers.devices.bench import Bench, with_bench

NO_ANSWERS = (Trap.HALF_ANSWER, Trap.HTML, Trap.HTTP_500, Trap.CLOSES, Trap.HANGS)


def least_w(bench: Bench) -> int:
    """The least that a device may be told beside off."""
    watts = int(bench.unit.model.modes[1].watts)
    return watts if watts < bench.unit.model.max_w else bench.unit.model.off_w


@pytest.mark.parametrize("family", SERVED)
def test_what_reads_writes_nothing(family: str) -> None:
    async def scene(bench: Bench) -> None:
        identity = await bench.driver.identity()
        assert identity.family == family
        assert identity.is_named(bench.unit.serial)
        assert identity.is_named(bench.unit.mac)
        assert (await bench.driver.settings()).pools == POOLS
        assert (await bench.driver.read()).setpoint_w == bench.unit.model.max_w
        await bench.driver.findings()
        assert bench.wrote() == []

    with_bench(family, scene)


@pytest.mark.parametrize("trap", NO_ANSWERS)
@pytest.mark.parametrize("family", SERVED)
def test_an_answer_that_is_none_is_unknown_and_comes_in_time(family: str, trap: Trap) -> None:
    async def scene(bench: Bench) -> None:
        await bench.driver.settings()
        bench.unit.trap = trap
        clock = asyncio.get_running_loop().time
        for told in (bench.driver.command(least_w(bench)), bench.driver.command(0), bench.driver.stop()):
            began_s = clock()
            assert await told is CommandOutcome.UNKNOWN
            assert clock() <= began_s + CALL_S
        assert bench.unit.pools == POOLS

    with_bench(family, scene)


@pytest.mark.parametrize("family", SERVED)
def test_its_own_no_is_a_refusal(family: str) -> None:
    async def scene(bench: Bench) -> None:
        bench.unit.trap = Trap.REFUSES
        for told in (bench.driver.command(least_w(bench)), bench.driver.command(0), bench.driver.stop()):
            assert await told is CommandOutcome.REFUSED
        assert bench.unit.told_w == bench.unit.model.max_w

    with_bench(family, scene)


@pytest.mark.parametrize("family", SERVED)
def test_a_device_that_is_away_is_lost_and_what_it_was_told_unknown(family: str) -> None:
    async def scene(bench: Bench) -> None:
        bench.unit.reboot()
        for read in (bench.driver.read, bench.driver.identity, bench.driver.settings, bench.driver.findings):
            with pytest.raises(DriverLoss):
                await read()
        for told in (bench.driver.command(least_w(bench)), bench.driver.stop()):
            assert await told is CommandOutcome.UNKNOWN
        assert bench.wrote() == []

    with_bench(family, scene)


@pytest.mark.parametrize("asleep", [False, True])
@pytest.mark.parametrize("family", SERVED)
def test_it_is_handed_back_as_it_was_found(family: str, asleep: bool) -> None:
    async def scene(bench: Bench) -> None:
        if asleep:
            await bench.driver.command(0)
        found = await bench.driver.settings()
        assert found.asleep is asleep
        await bench.driver.command(bench.unit.model.max_w if asleep else least_w(bench))
        assert await bench.driver.restore(found) is CommandOutcome.ACCEPTED
        assert await bench.driver.settings() == found

    with_bench(family, scene)
