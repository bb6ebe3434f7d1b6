"""A drill over real sockets: what it measures, and that the device is as it was found."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import yaml

from controller.agent import drilling
from controller.agent.drilling import Drill, DrillEvidence
from controller.cli import main
from drivers.devices.driver import Target
from drivers.devices.families import Wakes, load_families
from drivers.devices.found import FoundSettings
from drivers.devices.guard import Guard
from drivers.devices.luxos import LuxOs
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.agent.lease import LeasedDevice
from simulators.devices import timeless
from simulators.devices.bench_unit import POOLS, BenchUnit, Pace
from simulators.devices.luxos import LuxOsServer
from simulators.devices.traps import Trap
from tests.controller.agent.halls import FULL_W, MODEL, OFF_W, Hall, hall_of
from tests.waiting import DEADLINE_S, until

FAMILY = load_families()["luxos"]
MODES_W = [int(mode.watts) for mode in reversed(MODEL.modes[1:])]


class CuttingRelay:
    def __init__(self, unit: BenchUnit) -> None:
        self.unit, self.closed = unit, True

    async def switch(self, *, closed: bool, hold_s: float | None) -> CommandOutcome:
        assert hold_s is None
        (self.unit.feed if closed else self.unit.cut)()
        self.closed = closed
        return CommandOutcome.ACCEPTED

    async def read(self) -> bool:
        return self.closed


def drilled(
    folder: Path,
    *,
    relay: bool = False,
    trap: Trap = Trap.OK,
    wakes: Wakes = Wakes.AS_SET,
    max_w: float = float("inf"),
    meanwhile: Callable[[BenchUnit], Awaitable[None]] | None = None,
) -> tuple[DrillEvidence, BenchUnit, LuxOsServer]:
    async def play() -> tuple[DrillEvidence, BenchUnit, LuxOsServer]:
        clock = asyncio.get_running_loop().time
        unit = BenchUnit(model=MODEL, pace=Pace.of(FAMILY), clock=clock, told_w=1414, wakes=wakes)
        unit.trap = trap
        async with LuxOsServer(unit, clock=clock, psu=True) as server:
            driver = LuxOs(Target(host="127.0.0.1", port=server.port, model=MODEL))
            guard = Guard(driver, device="one", expected=unit.serial, found=FoundSettings(folder / "found.json"))
            drill = Drill(
                guard=guard,
                relay=CuttingRelay(unit) if relay else None,
                leased=LeasedDevice(model=MODEL, failsafe_w=0, max_w=max_w),
                family=FAMILY,
                clock=clock,
            )
            running = asyncio.ensure_future(drill.run())
            if meanwhile is not None:
                await meanwhile(unit)
                running.cancel()
                await asyncio.wait([running])
                return drill.evidence, unit, server
            return await running, unit, server

    return timeless.run(play())


def test_it_measures_every_mode_and_the_way_to_off_and_up(tmp_path: Path) -> None:
    evidence, unit, server = drilled(tmp_path)
    assert evidence.wrong == []
    assert evidence.measured_by == "psu"
    assert [(move.told_w, move.named_w, round(move.drawn_w or 0)) for move in evidence.modes] == [
        (int(mode.watts), int(mode.watts), int(mode.watts)) for mode in reversed(MODEL.modes[1:])
    ]
    assert evidence.off is not None
    assert evidence.up is not None
    assert evidence.off.drawn_w == OFF_W
    assert evidence.off.took_s == pytest.approx(FAMILY.down_s, abs=2 * drilling.LOOK_S)
    assert evidence.up.took_s == pytest.approx(FAMILY.up_s, abs=2 * drilling.LOOK_S)
    assert evidence.power_loss is None
    assert unit.told_w == 1414
    assert unit.pools == POOLS
    assert server.session == ""


@pytest.mark.parametrize(("wakes", "watts"), [(Wakes.AS_SET, FULL_W), (Wakes.ASLEEP, OFF_W)])
def test_with_a_relay_it_tells_what_the_device_comes_up_with(tmp_path: Path, wakes: Wakes, watts: int) -> None:
    evidence, unit, _ = drilled(tmp_path, relay=True, wakes=wakes)
    loss = evidence.power_loss
    assert loss is not None
    assert loss.move is not None
    assert loss.answers_s == pytest.approx(FAMILY.boot_s, abs=2.0)
    assert (loss.move.named_w, round(loss.move.drawn_w or 0)) == (watts, watts)
    assert unit.answers
    assert unit.told_w == 1414


def test_it_never_goes_above_what_the_file_allows(tmp_path: Path) -> None:
    evidence, _, _ = drilled(tmp_path, max_w=1500)
    assert [move.told_w for move in evidence.modes] == [1414, 1080, 784]


def test_a_device_that_does_not_follow_is_said_not_to(tmp_path: Path) -> None:
    evidence, unit, _ = drilled(tmp_path, trap=Trap.SAYS_OK)
    assert {move.named_w for move in evidence.modes} == {1414}
    assert evidence.off is not None
    assert evidence.off.drawn_w == 1414
    assert unit.told_w == 1414


def test_one_that_is_broken_off_hands_the_device_back(tmp_path: Path) -> None:
    async def a_while(unit: BenchUnit) -> None:
        await asyncio.sleep(30)
        assert unit.told_w != 1414

    evidence, unit, _ = drilled(tmp_path, meanwhile=a_while)
    assert evidence.wrong == []
    assert unit.told_w == 1414


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    with hall_of(tmp_path, 1) as hall:
        yield hall


def test_the_verb_writes_the_evidence(
    hall: Hall, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(drilling, "LOOK_S", 0.05)
    monkeypatch.setattr(Drill, "_own_s", lambda _drill, _watts: 1.0)
    out = hall.folder / "evidence.yaml"
    assert main(["agent", "drill", str(hall.write()), "s19k-001", "--yes", "--out", str(out)]) == 0
    said = yaml.safe_load(out.read_text())
    assert said["modes"]["784 W"]["named"] == "784 W"
    assert said["after_a_power_loss"] == "not tried: it has no relay"
    assert said["wrong"] == []
    printed = capsys.readouterr()
    assert "written to" in printed.out
    assert yaml.safe_load(printed.out) == said, "a program that reads it is not told of the steps"
    steps = [line.partition(" ")[2] for line in printed.err.splitlines()]
    begun = [line for line in steps if line.startswith("to ")]
    assert begun == [f"to {watts} W, for at most 61 s" for watts in (2794, *MODES_W, OFF_W, 2794)]
    assert "  answered accepted, named 784 W, drew 784 W, took" in printed.err
    assert steps[-2:] == ["handed back as it was found", "  it is as it was found"]
    assert hall.units["s19k-001"].told_w == FULL_W
    assert main(["agent", "release", str(hall.folder / "agent.yaml")]) == 0
    assert "no device was led" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_one_that_is_ended_by_a_signal_hands_the_device_back(hall: Hall, number: signal.Signals) -> None:
    unit = hall.units["s19k-001"]
    unit.tell(784)
    argv = [sys.executable, "-m", "controller.cli", "agent", "drill", str(hall.write()), "s19k-001", "--yes"]
    drill = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    until(lambda: unit.told_w == FULL_W, "the drill at its most")
    drill.send_signal(number)
    drill.send_signal(number)
    _, said = drill.communicate(timeout=DEADLINE_S)
    assert unit.told_w == 784, said
    assert drill.returncode == 1
    assert "ended before it was done" in said


def test_without_a_yes_nothing_is_done(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "drill", str(hall.write()), "s19k-001"]) == 1
    assert "found no --yes" in capsys.readouterr().err
    assert hall.told() == []


def test_a_device_that_is_not_in_the_file_is_named(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "drill", str(hall.write()), "s19k-009", "--yes"]) == 1
    assert "found 's19k-009'; allowed are s19k-001" in capsys.readouterr().err
