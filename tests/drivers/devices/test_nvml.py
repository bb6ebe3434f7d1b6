"""NVML by nvidia-ml-py over a simulated library: what it is told, what it names, and every trap, cell by cell."""

from __future__ import annotations

import asyncio
import sys

import pytest

from drivers.devices import nvml
from drivers.devices.driver import Target
from drivers.devices.families import Wakes
from drivers.devices.job_hook import JobCommands
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.wire import Activity, MeasuredBy
from simulators.devices.cells import play, restart
from simulators.devices.nvml_library import COMPILER
from simulators.devices.traps import Trap
from tests.drivers.devices.gpu_bench import CARD, FAMILY, NODE, SERVED_NVML, GpuBench, library, run_with_nvml, with_gpus
from tests.simulators.devices.judging import judge, judge_restart

pytestmark = pytest.mark.skipif(COMPILER is None, reason="cc is not installed")


def test_a_setpoint_is_the_limit_of_a_card_and_what_is_enforced_is_what_it_runs_on() -> None:
    async def scene(bench: GpuBench) -> None:
        assert await bench.driver.command(333) is CommandOutcome.ACCEPTED
        await asyncio.sleep(3)
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.watts, reading.measured_by) == (333, 333.0, MeasuredBy.PSU)
        assert bench.server.limits_mw == [333_000]

    with_gpus(scene)


def test_the_gpus_of_a_node_share_what_is_left_of_a_setpoint_and_its_watts_are_an_estimate() -> None:
    async def scene(bench: GpuBench) -> None:
        assert await bench.driver.command(5_001) is CommandOutcome.ACCEPTED
        await asyncio.sleep(3)
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.measured_by) == (5_001, MeasuredBy.ESTIMATE)
        assert bench.server.limits_mw == [376_000] + [375_000] * 7
        assert bench.unit.draw_w == 5_001

    with_gpus(scene, model=NODE, gpus=8)


def test_what_a_bmc_caps_is_what_it_runs_on() -> None:
    async def scene(bench: GpuBench) -> None:
        bench.server.bmc_w = 300
        bench.server.settle()
        assert await bench.driver.command(500) is CommandOutcome.ACCEPTED
        assert (await bench.driver.read()).setpoint_w == 300
        bench.server.bmc_w = None
        assert (await bench.driver.read()).setpoint_w == 500

    with_gpus(scene)


def test_a_limit_that_somebody_raises_is_seen() -> None:
    async def scene(bench: GpuBench) -> None:
        await bench.driver.command(300)
        bench.server.limits_mw = [700_000]
        bench.server.settle()
        assert (await bench.driver.read()).setpoint_w == 700

    with_gpus(scene)


def test_limits_are_lost_with_the_driver_and_that_is_seen() -> None:
    async def scene(bench: GpuBench) -> None:
        await bench.driver.command(300)
        bench.unit.reboot()
        with pytest.raises(DriverLoss):
            await bench.driver.read()
        assert await bench.driver.command(300) is CommandOutcome.UNKNOWN
        await asyncio.sleep(FAMILY.boot_s + 1)
        assert (await bench.driver.read()).setpoint_w == 700

    with_gpus(scene)


@pytest.mark.parametrize(
    ("habit", "outcome"),
    [
        ({"not_permitted": True}, CommandOutcome.REFUSED),
        ({"not_supported": True}, CommandOutcome.REFUSED),
        ({"lost": {0}}, CommandOutcome.UNKNOWN),
    ],
)
def test_what_nvml_says_no_to_is_refused_and_what_it_cannot_reach_is_unknown(
    habit: dict[str, object], outcome: CommandOutcome
) -> None:
    async def scene(bench: GpuBench) -> None:
        await bench.driver.read()
        for name, value in habit.items():
            setattr(bench.server, name, value)
        assert await bench.driver.command(333) is outcome
        assert bench.unit.told_w == 700

    with_gpus(scene)


def test_a_limit_below_the_lowest_is_never_asked_for() -> None:
    async def scene(bench: GpuBench) -> None:
        assert await bench.driver.command(199) is CommandOutcome.REFUSED
        assert bench.server.limits_mw == [200_000]

    with_gpus(scene)


def test_with_one_gpu_lost_the_others_come_down_and_it_counts_with_its_highest_limit() -> None:
    async def scene(bench: GpuBench) -> None:
        await bench.driver.read()
        bench.server.lost = {3}
        assert await bench.driver.command(3_600) is CommandOutcome.UNKNOWN
        assert bench.server.limits_mw == [200_000] * 3 + [700_000] + [200_000] * 4
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.watts, reading.measured_by) == (4_100, None, MeasuredBy.NOTHING)
        assert (await bench.driver.identity()).is_named(bench.server.uuids[0])
        assert await bench.driver.command(3_700) is CommandOutcome.UNKNOWN
        assert bench.server.limits_mw[0] == 200_000

    with_gpus(scene, model=NODE, gpus=8)


def test_other_gpus_are_another_device() -> None:
    async def scene(bench: GpuBench) -> None:
        bench.unit.trap = Trap.WRONG_SERIAL
        assert not (await bench.driver.identity()).is_named("GPU-BENCH0UNIT000001-0")
        with pytest.raises(DriverLoss):
            await bench.driver.read()

    with_gpus(scene)


def test_off_without_a_command_is_refused_at_the_lowest_limit() -> None:
    async def scene(bench: GpuBench) -> None:
        assert await bench.driver.command(CARD.off_w) is CommandOutcome.REFUSED
        assert await bench.driver.stop() is CommandOutcome.REFUSED
        assert (await bench.driver.read()).setpoint_w == 200
        assert "cannot be switched off" in " ".join(await bench.driver.findings())

    with_gpus(scene)


def test_it_is_handed_back_as_it_was_found() -> None:
    async def scene(bench: GpuBench) -> None:
        bench.server.limits_mw = [650_500] * 8
        bench.server.settle()
        found = await bench.driver.settings()
        await bench.driver.command(4_000)
        assert await bench.driver.settings() != found
        assert await bench.driver.restore(found) is CommandOutcome.ACCEPTED
        assert await bench.driver.settings() == found

    with_gpus(scene, model=NODE, gpus=8)


def test_looking_at_it_writes_nothing_and_says_what_looks_wrong() -> None:
    async def scene(bench: GpuBench) -> None:
        bench.server.persistent = False
        said = " | ".join(await bench.driver.findings())
        assert "persistence mode is off" in said
        assert "off can never be proven" in said
        await bench.driver.identity()
        await bench.driver.settings()
        assert bench.told() == []

    with_gpus(scene, model=NODE, gpus=8)


def test_a_file_that_names_no_gpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="nvidia-smi -L"):
        nvml.open_device(Target(host="", port=0, model=CARD))


def jobs(*, drain_code: int = 0) -> JobCommands:
    say = (
        "import os, socket, sys; host, port = os.environ['SURPLUSD_SIMULATED_NVML'].split(':');"
        "line = socket.create_connection((host, int(port))); line.sendall(f'jobs {sys.argv[1]} 0\\n'.encode());"
        "line.recv(9); sys.exit(int(sys.argv[2]))"
    )
    return JobCommands(
        drain=(sys.executable, "-c", say, "no", str(drain_code)), resume=(sys.executable, "-c", say, "yes", "0")
    )


def in_real_time(scene: object) -> None:
    library()
    nvml.library = nvml.NvmlLibrary()
    asyncio.run(scene)  # type: ignore[arg-type]


async def told(bench: GpuBench, watts: int) -> CommandOutcome:
    """Return what comes of a command whose program may take longer than a call."""
    while (outcome := await bench.driver.command(watts)) is CommandOutcome.UNKNOWN:
        pass
    return outcome


async def seen(bench: GpuBench, *, off: bool) -> DeviceReading:
    """Return the first reading of a machine that is off, or is not."""
    while ((reading := await bench.driver.read()).activity is Activity.OFF) is not off:
        pass
    return reading


def test_a_command_of_the_site_takes_the_jobs_away_and_off_is_what_its_gpus_then_draw() -> None:
    async def scene(bench: GpuBench) -> None:
        assert await told(bench, 0) is CommandOutcome.ACCEPTED
        reading = await seen(bench, off=True)
        assert reading.setpoint_w == CARD.off_w
        assert (await bench.driver.settings()).asleep is True
        bench.server.jobs = True  # somebody else has let jobs come
        bench.server.settle()
        reading = await seen(bench, off=False)
        assert reading.setpoint_w == 200
        assert await told(bench, 300) is CommandOutcome.ACCEPTED
        assert bench.server.jobs
        assert (await bench.driver.settings()).asleep is False

    with_gpus(scene, jobs=jobs(), run=in_real_time)


def test_a_command_that_fails_is_refused_at_the_lowest_limit(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(bench: GpuBench) -> None:
        assert await told(bench, 0) is CommandOutcome.REFUSED
        assert bench.server.limits_mw == [200_000]
        assert (await bench.driver.read()).setpoint_w == 200
        assert "exit status 3" in caplog.text

    with_gpus(scene, jobs=jobs(drain_code=3), run=in_real_time)


@pytest.mark.parametrize("wakes", Wakes)
def test_its_limits_stand_again_after_a_reboot(wakes: Wakes) -> None:
    judge_restart("nvml", wakes, run_with_nvml(restart("nvml", wakes, served=SERVED_NVML)))


@pytest.mark.parametrize("trap", Trap)
def test_whatever_it_does_nothing_is_proven_that_is_not_so(trap: Trap) -> None:
    cell = run_with_nvml(play("nvml", trap, served=SERVED_NVML))
    judge("nvml", trap, cell, SERVED_NVML)
