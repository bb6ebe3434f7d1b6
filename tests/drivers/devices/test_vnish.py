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

VNISH = "vnish"
SETTINGS, STOP, START = ("POST /api/v1/settings", "POST /api/v1/mining/stop", "POST /api/v1/mining/start")


def test_it_says_what_it_is_and_what_it_is_set_to() -> None:
    async def scene(bench: Bench) -> None:
        identity = await bench.driver.identity()
        assert (identity.model, identity.firmware) == ("Antminer S19 XP", "1.2.7")
        assert identity.is_named(bench.unit.mac)
        assert await bench.driver.settings() == DeviceSettings(mode="3010", asleep=False, pools=POOLS)
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.watts, reading.measured_by) == (3010, 3010.0, MeasuredBy.PSU)
        assert bench.wrote() == []

    with_bench(VNISH, scene)


def test_it_runs_the_preset_of_the_most_watts_that_fit() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.command(2699) is CommandOutcome.ACCEPTED
        assert (await bench.driver.read()).setpoint_w == 2200
        assert bench.wrote() == [SETTINGS]

    with_bench(VNISH, scene)


def test_it_is_stopped_by_two_ways_and_started_with_its_preset_first() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.command(25) is CommandOutcome.ACCEPTED
        await asyncio.sleep(20.0)
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.activity) == (25, Activity.OFF)
        assert await bench.driver.stop() is CommandOutcome.ACCEPTED
        assert await bench.driver.command(1700) is CommandOutcome.ACCEPTED
        assert bench.wrote() == [STOP, "POST /api/v1/mining/pause", SETTINGS, START]
        assert bench.unit.told_w == 1700

    with_bench(VNISH, scene)


def test_a_preset_that_waits_for_a_restart_has_it() -> None:
    async def scene(bench: Bench) -> None:
        bench.sim.asks_restart = True
        assert await bench.driver.command(2200) is CommandOutcome.ACCEPTED
        assert bench.unit.told_w == 2200

    with_bench(VNISH, scene)


def test_the_preset_switcher_is_off_while_it_is_led_and_on_again_when_it_is_handed_back() -> None:
    async def scene(bench: Bench) -> None:
        await bench.driver.command(2200)
        bench.sim.switcher = {**bench.sim.switcher, "enabled": True}
        found = await bench.driver.settings()
        assert found.moves_itself == ("preset_switcher",)
        assert (await bench.driver.read()).setpoint_w == 3010
        assert any("preset switcher is on" in finding for finding in await bench.driver.findings())
        await bench.driver.command(1700)
        await asyncio.sleep(3600.0)
        assert (await bench.driver.read()).setpoint_w == bench.unit.told_w == 1700
        assert await bench.driver.restore(found) is CommandOutcome.ACCEPTED
        assert await bench.driver.settings() == found

    with_bench(VNISH, scene)


@pytest.mark.parametrize(("untuned", "told_w"), [(False, 25), (True, 2200)])
def test_presets_that_are_not_tuned_are_used_only_where_the_file_says_so(untuned: bool, told_w: int) -> None:
    async def scene(bench: Bench) -> None:
        bench.sim.tuned = False
        assert await bench.driver.command(2200) is CommandOutcome.ACCEPTED
        assert bench.unit.told_w == told_w

    with_bench(VNISH, scene, untuned=untuned)


def test_a_preset_without_watts_names_nothing() -> None:
    async def scene(bench: Bench) -> None:
        bench.sim._perf = lambda: {"current_preset": {"name": "disabled"}, "preset_switcher": {}}
        assert (await bench.driver.read()).setpoint_w is None

    with_bench(VNISH, scene)


def test_a_token_that_has_ended_is_renewed_and_the_session_given_back() -> None:
    async def scene(bench: Bench) -> None:
        await bench.driver.settings()
        bench.sim.tokens.clear()
        assert await bench.driver.command(2200) is CommandOutcome.ACCEPTED
        assert len(bench.sim.tokens) == 1
        await bench.driver.close()
        assert bench.sim.tokens == set()

    with_bench(VNISH, scene)


def test_a_wrong_password_changes_nothing_and_is_not_shown() -> None:
    async def scene(bench: Bench) -> None:
        assert (await bench.driver.read()).setpoint_w == 3010
        with pytest.raises(DriverLoss) as lost:
            await bench.driver.settings()
        assert await bench.driver.command(2200) is CommandOutcome.REFUSED
        assert bench.wrote() == []
        assert "wrong-word" not in str(lost.value) + repr(vars(bench.driver)["_line"]._login)

    with_bench(VNISH, scene, login=Login(password="wrong-word"))
