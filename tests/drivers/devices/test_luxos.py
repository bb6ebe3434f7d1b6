"""LuxOS over real sockets: what it is told, what it names, how it is handed back; its traps are in the table of all families."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from drivers.devices.driver import DeviceSettings, Target
from drivers.devices.families import load_families
from drivers.devices.luxos import LuxOs, open_device
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import Activity, MeasuredBy
from simulators.devices import timeless
from simulators.devices.bench_unit import POOLS, BenchUnit, Pace
from simulators.devices.luxos import FIRMWARE, LuxOsServer, LuxProfile

FAMILY = load_families()["luxos"]
MODEL = load_catalogue()["antminer-s19k-pro"]
FULL_W, OFF_W = MODEL.max_w, MODEL.off_w
LOWER_W = 1414


class Bench:
    """A miner at full power, its server, and the driver before it."""

    def __init__(self, unit: BenchUnit, server: LuxOsServer, *, untuned: bool = False) -> None:
        self.unit, self.server = unit, server
        self.lux = LuxOs(Target(host="127.0.0.1", port=server.port, model=MODEL, untuned=untuned))

    def told(self) -> list[str]:
        return [asked.verb for asked in self.unit.log if asked.writes]


def played(scene: Callable[[Bench], Awaitable[None]], *, untuned: bool = False, **how: object) -> None:
    async def play() -> None:
        clock = asyncio.get_running_loop().time
        unit = BenchUnit(model=MODEL, pace=Pace.of(FAMILY), clock=clock, told_w=FULL_W)
        async with LuxOsServer(unit, clock=clock, **how) as server:  # type: ignore[arg-type]
            await scene(Bench(unit, server, untuned=untuned))

    timeless.run(play())


def test_a_setpoint_is_the_profile_of_the_most_watts_that_fit() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.lux.command(1500) is CommandOutcome.ACCEPTED
        await asyncio.sleep(10)
        reading = await bench.lux.read()
        assert (reading.setpoint_w, reading.activity) == (LOWER_W, Activity.RUNNING)
        assert bench.unit.draw_w == LOWER_W

    played(scene)


def test_off_is_sleep_and_a_setpoint_wakes_it_on_its_own_profile() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.lux.command(0) is CommandOutcome.ACCEPTED
        await asyncio.sleep(10)
        reading = await bench.lux.read()
        assert (reading.setpoint_w, reading.activity) == (OFF_W, Activity.OFF)
        assert await bench.lux.command(LOWER_W) is CommandOutcome.ACCEPTED
        highest_w = 0.0
        for _ in range(30):
            await asyncio.sleep(1)
            highest_w = max(highest_w, bench.unit.draw_w)
        assert highest_w == LOWER_W

    played(scene)


def test_where_no_profile_fits_it_sleeps() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.lux.command(100) is CommandOutcome.ACCEPTED
        assert bench.unit.told_w == OFF_W

    played(scene)


@pytest.mark.parametrize(("untuned", "watts"), [(False, 784), (True, LOWER_W)])
def test_an_untuned_profile_is_used_only_where_the_file_says_so(untuned: bool, watts: int) -> None:
    profiles = (LuxProfile(name="low", watts=784), LuxProfile(name="raw", watts=LOWER_W, tuned=False))

    async def scene(bench: Bench) -> None:
        await bench.lux.command(LOWER_W)
        assert bench.unit.told_w == watts

    played(scene, untuned=untuned, profiles=profiles)


def test_a_mode_that_moves_by_itself_is_off_before_a_profile_is_set() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.lux.command(LOWER_W) is CommandOutcome.ACCEPTED
        assert bench.told() == ["logon", "atmset", "profileset", "logoff"]
        await asyncio.sleep(60)
        assert (await bench.lux.read()).setpoint_w == LOWER_W
        assert bench.unit.draw_w == LOWER_W

    played(scene, atm=True)


def test_while_it_moves_by_itself_it_is_said_to_run_on_its_highest_profile() -> None:
    async def scene(bench: Bench) -> None:
        await bench.lux.command(LOWER_W)
        bench.server.atm = True
        assert (await bench.lux.read()).setpoint_w == FULL_W

    played(scene)


def test_its_session_is_closed_after_each_write() -> None:
    async def scene(bench: Bench) -> None:
        for watts in (LOWER_W, 0, FULL_W):
            await bench.lux.command(watts)
            assert bench.server.session == ""

    played(scene)


def test_the_session_of_somebody_else_is_used_and_left_open() -> None:
    async def scene(bench: Bench) -> None:
        bench.server.session = "person01"
        assert await bench.lux.command(LOWER_W) is CommandOutcome.ACCEPTED
        assert bench.server.session == "person01"
        assert bench.unit.told_w == LOWER_W

    played(scene)


def test_a_stop_takes_the_session_over() -> None:
    async def scene(bench: Bench) -> None:
        bench.server.session = "person01"
        assert await bench.lux.stop() is CommandOutcome.ACCEPTED
        assert bench.server.session == ""
        assert bench.unit.told_w == OFF_W

    played(scene)


@pytest.mark.parametrize(("psu", "source"), [(True, MeasuredBy.PSU), (False, MeasuredBy.ESTIMATE)])
def test_what_is_not_of_its_psu_is_an_estimate(psu: bool, source: MeasuredBy) -> None:
    async def scene(bench: Bench) -> None:
        assert (await bench.lux.read()).measured_by is source

    played(scene, psu=psu)


def test_it_says_what_it_is_by_reading_alone() -> None:
    async def scene(bench: Bench) -> None:
        identity = await bench.lux.identity()
        assert (identity.family, identity.firmware, identity.serial) == ("luxos", FIRMWARE, bench.unit.serial)
        assert identity.is_named(bench.unit.mac)
        await bench.lux.settings()
        await bench.lux.findings()
        await bench.lux.read()
        assert bench.told() == []

    played(scene)


def test_it_is_handed_back_as_it_was_found() -> None:
    async def scene(bench: Bench) -> None:
        found = await bench.lux.settings()
        assert found == DeviceSettings(mode="590MHz", asleep=False, moves_itself=("atm",), pools=POOLS)
        await bench.lux.command(LOWER_W)
        await bench.lux.command(0)
        assert await bench.lux.settings() != found
        assert await bench.lux.restore(found) is CommandOutcome.ACCEPTED
        assert await bench.lux.settings() == found

    played(scene, atm=True)


def test_what_looks_wrong_is_said() -> None:
    raw = (LuxProfile(name="raw", watts=FULL_W, tuned=False),)

    async def scene(bench: Bench) -> None:
        said = " | ".join(await bench.lux.findings())
        assert "(ATM) is on" in said
        assert "none of its profiles is tuned" in said
        assert "prove nothing" in said

    played(scene, profiles=raw, atm=True)


def test_a_mode_of_the_file_without_a_profile_is_named() -> None:
    async def scene(bench: Bench) -> None:
        said = " | ".join(await bench.lux.findings())
        assert "no profile for 784 W, 1080 W, 1414 W" in said

    played(scene, profiles=(LuxProfile(name="only", watts=FULL_W),))


def test_a_profile_that_it_does_not_list_has_no_watts() -> None:
    async def scene(bench: Bench) -> None:
        bench.server.profiles = bench.server.profiles[:3]
        reading = await bench.lux.read()
        assert reading.setpoint_w is None

    played(scene)


def test_a_miner_that_is_away_is_a_loss_and_no_command_is_known_to_have_arrived() -> None:
    async def scene(bench: Bench) -> None:
        bench.unit.reboot()
        with pytest.raises(DriverLoss):
            await bench.lux.read()
        assert await bench.lux.command(LOWER_W) is CommandOutcome.UNKNOWN

    played(scene)


def test_a_continuous_model_is_none_of_profiles() -> None:
    with pytest.raises(ConfigError, match="continuous"):
        open_device(Target(host="127.0.0.1", port=1, model=load_catalogue()["antminer-s21"]))
