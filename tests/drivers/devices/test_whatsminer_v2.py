from __future__ import annotations

import asyncio

from drivers.devices.driver import DeviceSettings
from drivers.devices.login import Login
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.wire import Activity, MeasuredBy
from simulators.devices.bench_unit import POOLS
from simulators.devices.whatsminer_v2 import MOST_TOKENS
from tests.drivers.devices.bench import Bench, with_bench

V2 = "whatsminer-v2"


def test_it_says_what_it_is_and_what_it_is_set_to() -> None:
    async def scene(bench: Bench) -> None:
        identity = await bench.driver.identity()
        assert (identity.model, identity.firmware) == ("M60S_VK40", "20230803.11.REL")
        assert identity.is_named(bench.unit.mac)
        assert identity.is_named(bench.unit.serial)
        bench.sim.tells_serial = False
        assert (await bench.driver.identity()).serial is None
        assert await bench.driver.settings() == DeviceSettings(limit_w=3441, asleep=False, pools=POOLS)
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.watts, reading.measured_by) == (3441, 3441.0, MeasuredBy.PSU)
        assert bench.wrote() == []

    with_bench(V2, scene)


def test_it_is_told_watts_and_names_them() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.command(2500) is CommandOutcome.ACCEPTED
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.activity) == (2500, Activity.STARTING)
        assert bench.wrote() == ["adjust_power_limit"]

    with_bench(V2, scene)


def test_it_is_switched_off_and_on_and_watts_that_it_does_not_know_are_none() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.command(13) is CommandOutcome.ACCEPTED
        await asyncio.sleep(10.0)
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.watts, reading.activity) == (13, None, Activity.OFF)
        assert await bench.driver.stop() is CommandOutcome.ACCEPTED
        assert await bench.driver.command(2100) is CommandOutcome.ACCEPTED
        assert bench.wrote() == ["power_off", "power_off", "adjust_power_limit", "power_on"]
        assert bench.unit.told_w == 2100

    with_bench(V2, scene)


def test_one_that_closes_when_it_is_switched_off_is_unknown_and_then_read() -> None:
    async def scene(bench: Bench) -> None:
        bench.sim.closes_on_off = True
        assert await bench.driver.command(13) is CommandOutcome.UNKNOWN
        assert (await bench.driver.read()).setpoint_w == 13

    with_bench(V2, scene)


def test_a_token_is_kept_and_made_anew_where_the_device_takes_it_no_more() -> None:
    async def scene(bench: Bench) -> None:
        for watts in (2500, 2600, 2700):
            assert await bench.driver.command(watts) is CommandOutcome.ACCEPTED
        assert len(bench.sim.tokens) == 1
        await asyncio.sleep(2000.0)
        assert await bench.driver.command(2800) is CommandOutcome.ACCEPTED
        assert bench.unit.told_w == 2800

    with_bench(V2, scene)


def test_a_device_whose_tokens_are_all_taken_is_not_told() -> None:
    async def scene(bench: Bench) -> None:
        for _ in range(MOST_TOKENS):
            bench.sim._token()
        assert await bench.driver.command(2500) is CommandOutcome.REFUSED
        assert bench.wrote() == []

    with_bench(V2, scene)


def test_a_write_api_that_is_off_is_a_refusal() -> None:
    async def scene(bench: Bench) -> None:
        bench.sim.writable = False
        assert await bench.driver.command(2500) is CommandOutcome.REFUSED
        assert bench.unit.told_w == 3441

    with_bench(V2, scene)


def test_a_wrong_password_is_a_refusal_and_stays_unsaid() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.command(2500) is CommandOutcome.REFUSED
        assert bench.unit.told_w == 3441
        assert "wrong-word" not in repr(vars(bench.driver))

    with_bench(V2, scene, login=Login(password="wrong-word"))


def test_one_with_a_firmware_of_api_3_is_told_so() -> None:
    async def scene(bench: Bench) -> None:
        unasked = "no reading asks for its password: a wrong one shows when it is first told"
        assert await bench.driver.findings() == [unasked]
        bench.sim.firmware = "20251209.16.Rel2"
        assert any("whatsminer-v3" in finding for finding in await bench.driver.findings())

    with_bench(V2, scene)
