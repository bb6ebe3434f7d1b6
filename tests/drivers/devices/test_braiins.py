from __future__ import annotations

import asyncio

import pytest

from drivers.devices.driver import DeviceSettings
from drivers.devices.login import Login
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.wire import Activity, MeasuredBy
from simulators.devices.bench_unit import POOLS
from tests.drivers.devices.bench import Bench, with_bench

BOS = "braiins"
AIM, PAUSE, RESUME = "PUT /api/v1/performance/power-target", "PUT /api/v1/actions/pause", "PUT /api/v1/actions/resume"


def test_it_says_what_it_is_and_what_it_is_set_to() -> None:
    async def scene(bench: Bench) -> None:
        identity = await bench.driver.identity()
        assert identity.model == "Antminer S21"
        assert identity.is_named(bench.unit.serial)
        assert await bench.driver.settings() == DeviceSettings(limit_w=3500, asleep=False, pools=POOLS)
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.watts, reading.measured_by) == (3500, 3500.0, MeasuredBy.ESTIMATE)
        assert bench.wrote() == []

    with_bench(BOS, scene)


def test_it_is_told_a_whole_target_and_never_a_step() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.command(2000) is CommandOutcome.ACCEPTED
        assert (await bench.driver.read()).setpoint_w == 2000
        assert bench.wrote() == [AIM]

    with_bench(BOS, scene)


def test_it_is_paused_and_resumed_with_its_target_first() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.command(25) is CommandOutcome.ACCEPTED
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.activity) == (25, Activity.OFF)
        assert await bench.driver.command(25) is CommandOutcome.ACCEPTED
        assert await bench.driver.command(1500) is CommandOutcome.ACCEPTED
        assert bench.wrote() == [PAUSE, PAUSE, AIM, RESUME]
        assert bench.unit.told_w == 1500

    with_bench(BOS, scene)


def test_what_was_stopped_is_started() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.stop() is CommandOutcome.ACCEPTED
        assert (await bench.driver.read()).setpoint_w == 25
        assert await bench.driver.command(1500) is CommandOutcome.ACCEPTED
        assert bench.wrote()[-1] == "PUT /api/v1/actions/start"
        assert bench.unit.told_w == 1500

    with_bench(BOS, scene)


def test_a_target_that_it_does_not_take_is_a_refusal() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.command(9000) is CommandOutcome.REFUSED
        assert bench.unit.told_w == 3500

    with_bench(BOS, scene)


def test_performance_scaling_is_off_while_it_is_led_and_on_again_when_it_is_handed_back() -> None:
    async def scene(bench: Bench) -> None:
        bench.sim.scales = True
        found = await bench.driver.settings()
        assert found.moves_itself == ("dps",)
        assert any("DPS" in finding for finding in await bench.driver.findings())
        await bench.driver.command(2000)
        await asyncio.sleep(3000.0)
        assert (await bench.driver.read()).setpoint_w == bench.unit.told_w == 2000
        assert await bench.driver.restore(found) is CommandOutcome.ACCEPTED
        assert await bench.driver.settings() == found

    with_bench(BOS, scene)


def test_a_miner_with_a_hashrate_target_names_no_watts() -> None:
    async def scene(bench: Bench) -> None:
        bench.sim._tuner = lambda: {"mode_state": {"hashratetargetmodestate": {}}, "overall_tuner_state": 5}
        assert (await bench.driver.read()).setpoint_w is None
        assert "it has no power target" in await bench.driver.findings()

    with_bench(BOS, scene)


def test_a_token_that_has_ended_is_renewed() -> None:
    async def scene(bench: Bench) -> None:
        await bench.driver.read()
        await asyncio.sleep(4000.0)
        assert await bench.driver.command(2000) is CommandOutcome.ACCEPTED
        assert len(bench.sim.tokens) == 2

    with_bench(BOS, scene)


def test_a_wrong_password_changes_nothing_and_is_not_shown() -> None:
    async def scene(bench: Bench) -> None:
        with pytest.raises(DriverLoss) as lost:
            await bench.driver.read()
        assert await bench.driver.command(2000) is CommandOutcome.REFUSED
        assert bench.wrote() == []
        assert "wrong-word" not in str(lost.value)

    with_bench(BOS, scene, login=Login(username="root", password="wrong-word"))
