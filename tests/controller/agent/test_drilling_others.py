"""A drill of what is no miner: GPUs, whose off is a matter of jobs, and loads that an outlet switches."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.agent.drilling import Drill, DrillEvidence
from drivers.devices.driver import DeviceDriver, Target
from drivers.devices.families import load_families
from drivers.devices.found import FoundSettings
from drivers.devices.guard import Guard
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.agent.lease import LeasedDevice
from simulators.devices import timeless
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.cells import model_of
from simulators.devices.nvml_library import COMPILER
from simulators.devices.served import EVERY_SERVED
from tests.drivers.devices.gpu_bench import CARD, GpuBench, with_gpus


async def drill_of(driver: DeviceDriver, family: str, unit: BenchUnit, expected: str, folder: Path) -> DrillEvidence:
    guard = Guard(driver, device="one", expected=expected, found=FoundSettings(folder / "found.json"))
    clock = asyncio.get_running_loop().time
    leased = LeasedDevice(model=unit.model, failsafe_w=unit.model.off_w)
    return await Drill(guard=guard, relay=None, leased=leased, family=load_families()[family], clock=clock).run()


def drilled(family: str, folder: Path, *, told_w: int) -> tuple[DrillEvidence, BenchUnit]:
    async def play() -> tuple[DrillEvidence, BenchUnit]:
        clock, facts, served = asyncio.get_running_loop().time, load_families()[family], EVERY_SERVED[family]
        unit = BenchUnit(model=model_of(family, served), pace=Pace.of(facts), clock=clock, told_w=told_w)
        async with served.serve(unit, clock) as server:
            target = Target(host="127.0.0.1", port=server.port, model=unit.model, login=served.login)
            driver = facts.driver()(target)
            try:
                return await drill_of(driver, family, unit, unit.serial if served.by_serial else unit.mac, folder), unit
            finally:
                await driver.close()

    return timeless.run(play())


@pytest.mark.parametrize("family", ["shelly", "tasmota"])
@pytest.mark.parametrize("found_w", [2, 2000])
def test_an_outlet_is_drilled_on_and_off_and_left_as_it_was(family: str, found_w: int, tmp_path: Path) -> None:
    evidence, unit = drilled(family, tmp_path, told_w=found_w)
    assert evidence.wrong == []
    assert evidence.measured_by == "pdu"
    assert [(move.told_w, move.named_w, move.drawn_w) for move in evidence.modes] == [(2000, 2000, 2000)]
    assert evidence.off is not None
    assert (evidence.off.outcome, evidence.off.named_w, evidence.off.drawn_w) == (CommandOutcome.ACCEPTED, 2, 2)
    assert unit.told_w == found_w


def test_gpus_behind_a_bmc_are_drilled_within_their_limits_and_refuse_off_without_a_way_to_their_jobs(
    tmp_path: Path,
) -> None:
    evidence, unit = drilled("redfish", tmp_path, told_w=450)
    assert evidence.wrong == []
    assert [(move.told_w, move.named_w, move.drawn_w) for move in evidence.modes] == [(700, 700, 700), (200, 200, 200)]
    assert evidence.off is not None
    assert (evidence.off.outcome, evidence.off.named_w) == (CommandOutcome.REFUSED, 200), "as far down as a limit goes"
    assert unit.told_w == 450


@pytest.mark.skipif(COMPILER is None, reason="cc is not installed")
def test_gpus_by_nvml_are_drilled_and_handed_back_with_the_limits_they_had(tmp_path: Path) -> None:
    async def scene(bench: GpuBench) -> None:
        bench.server.limits_mw = [333_500]
        bench.server.settle()
        evidence = await drill_of(bench.driver, "nvml", bench.unit, bench.server.uuids[0], tmp_path)
        assert evidence.wrong == []
        assert evidence.measured_by == "psu"
        assert [(move.told_w, move.named_w) for move in evidence.modes] == [(700, 700), (200, 200)]
        assert evidence.off is not None
        assert evidence.off.outcome is CommandOutcome.REFUSED
        assert bench.server.limits_mw == [333_500]

    with_gpus(scene, model=CARD)
