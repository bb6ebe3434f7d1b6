from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from drivers.devices.driver import DeviceSettings
from drivers.devices.login import Login
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.wire import Activity, MeasuredBy
from simulators.devices.bench_unit import POOLS
from simulators.devices.whatsminer_v3 import WhatsminerV3Server
from tests.drivers.devices.bench import Bench, with_bench

V3 = "whatsminer-v3"


def test_it_says_what_it_is_and_what_it_is_set_to() -> None:
    async def scene(bench: Bench) -> None:
        identity = await bench.driver.identity()
        assert (identity.model, identity.firmware) == ("M60S_VK40", "20251209.16.Rel2")
        assert identity.is_named("02:00:00:00:00:01")
        assert await bench.driver.settings() == DeviceSettings(limit_w=3441, asleep=False, pools=POOLS)
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.watts, reading.measured_by) == (3441, 3441.0, MeasuredBy.PSU)
        assert reading.serial == bench.unit.serial
        assert bench.wrote() == []

    with_bench(V3, scene)


def test_it_is_told_watts_and_names_them() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.command(2500) is CommandOutcome.ACCEPTED
        assert bench.wrote() == ["set.miner.power_limit 2500"]
        assert (await bench.driver.read()).setpoint_w == 2500

    with_bench(V3, scene)


def test_watts_that_it_does_not_know_are_none_and_not_minus_one() -> None:
    async def scene(bench: Bench) -> None:
        await bench.driver.command(0)
        await asyncio.sleep(10.0)
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.watts, reading.activity) == (13, None, Activity.OFF)

    with_bench(V3, scene)


def test_what_was_stopped_and_disabled_is_enabled_and_started_with_its_limit_first() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.stop() is CommandOutcome.ACCEPTED
        assert bench.unit.told_w == 13
        assert await bench.driver.command(2100) is CommandOutcome.ACCEPTED
        assert bench.wrote() == [
            "set.miner.service disable",
            "set.miner.service stop",
            "set.miner.power_limit 2100",
            "set.miner.service enable",
            "set.miner.service start",
        ]
        assert bench.unit.told_w == 2100

    with_bench(V3, scene)


def test_while_it_tunes_it_is_starting() -> None:
    async def scene(bench: Bench) -> None:
        await bench.driver.command(2500)
        assert (await bench.driver.read()).activity is Activity.STARTING
        assert "it is tuning its boards" in await bench.driver.findings()

    with_bench(V3, scene)


def test_without_a_login_it_is_read_and_never_written_to() -> None:
    async def scene(bench: Bench) -> None:
        bench.driver._target = replace(bench.driver._target, login=None)
        assert (await bench.driver.read()).setpoint_w == 3441
        assert await bench.driver.command(2500) is CommandOutcome.REFUSED
        assert bench.wrote() == []

    with_bench(V3, scene)


def test_a_wrong_password_is_a_refusal_and_stays_unsaid() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.command(2500) is CommandOutcome.REFUSED
        assert bench.unit.told_w == 3441
        assert "wrong-word" not in repr(vars(bench.driver))
        assert (
            "no reading asks for its password: a wrong one shows when it is first told" in await bench.driver.findings()
        )

    with_bench(V3, scene, login=Login(password="wrong-word"))


def test_a_clock_that_is_wrong_is_found_before_it_makes_refusals() -> None:
    async def scene(bench: Bench) -> None:
        assert any("clock differs" in finding for finding in await bench.driver.findings())
        assert await bench.driver.command(2500) is CommandOutcome.REFUSED

    with_bench(V3, scene, serve=lambda unit, _: WhatsminerV3Server(unit, wall=lambda: time.time() + 3600))
