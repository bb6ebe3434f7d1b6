from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.demo.children import Child
from controller.demo.processes import DemoProcesses, processes_of
from controller.demo.setup import DemoSetup
from drivers.errors import DriverLoss
from tests.waiting import until

SLEEP = "print('ready', flush=True); import time; time.sleep(60)"


Options = Callable[..., argparse.Namespace]


class World:
    def __init__(self) -> None:
        self.told: list[bool] = []

    def note_contact(self, *, lost: bool) -> None:
        self.told.append(lost)


def made_of(folder: Path, setup: DemoSetup, world: World, now: list[float], /, **codes: str) -> DemoProcesses:
    children = [Child(name, [sys.executable, "-c", code], folder / f"{name}.log") for name, code in codes.items()]
    return DemoProcesses(setup, world, children, restart_s=20.0, clock=lambda: now[0])  # type: ignore[arg-type]


def kill(processes: DemoProcesses, name: str) -> None:
    child = processes.children[name]
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: child.ended() is not None)


def test_a_fallen_part_is_reported_and_started_again(tmp_path: Path, setup: DemoSetup) -> None:
    world, now = World(), [100.0]
    processes = made_of(tmp_path, setup, world, now, meters=SLEEP, broker=SLEEP)
    processes.open()
    processes.tend()
    assert (processes.events, processes.fallen(), world.told) == ([], (), [])
    kill(processes, "broker")
    processes.tend()
    processes.tend()
    assert processes.events == ["broker ended with status -9"]
    assert (processes.fallen(), world.told) == (("broker",), [True])
    now[0] += 20.0
    processes.tend()
    assert processes.events[1:] == ["broker started again"]
    assert (processes.fallen(), world.told) == ((), [True, False])
    assert processes.children["broker"].ended() is None
    processes.close()
    assert all(child.ended() == -signal.SIGTERM for child in processes.children.values())


def test_a_lost_meter_is_no_lost_contact_with_the_agents(tmp_path: Path, setup: DemoSetup) -> None:
    world = World()
    processes = made_of(tmp_path, setup, world, [100.0], meters=SLEEP)
    processes.open()
    kill(processes, "meters")
    processes.tend()
    assert processes.fallen() == ("meters",)
    assert world.told == []
    processes.close()


def test_an_authority_that_is_done_is_no_loss(tmp_path: Path, setup: DemoSetup) -> None:
    processes = made_of(tmp_path, setup, World(), [100.0], authority="print('done')")
    processes.children["authority"].start()
    until(lambda: processes.children["authority"].ended() == 0)
    processes.tend()
    assert (processes.events, processes.fallen()) == ([], ())


def test_a_part_that_does_not_start_fails_the_stage(tmp_path: Path, setup: DemoSetup) -> None:
    processes = made_of(tmp_path, setup, World(), [100.0], meters=SLEEP, fleet="raise SystemExit('no keys')")
    with pytest.raises(DriverLoss, match="fleet ended with status 1\nno keys"):
        processes.open()
    processes.close()
    assert processes.children["meters"].ended() == -signal.SIGTERM


def test_every_part_is_a_process_of_its_own(setup: DemoSetup, options: Options) -> None:
    parts = processes_of(setup, options("--seed=5", "--scale=500 kW"), duration_s=60.0, orders=1, broker=True)
    assert [part.name for part in parts] == ["world", "meters", "scada", "broker", "fleet", "surplusd", "authority"]
    without = processes_of(setup, options(), duration_s=60.0, orders=1, broker=False)
    assert "broker" not in [part.name for part in without]


def test_agents_may_have_processes_of_their_own(setup: DemoSetup, options: Options) -> None:
    def agents_of(part: Child) -> set[str]:
        return {word.removeprefix("--agent=") for word in part._argv if word.startswith("--agent=")}

    def parts(*apart: str) -> dict[str, Child]:
        made = processes_of(setup, options(), duration_s=60.0, orders=1, broker=True, apart=frozenset(apart))
        return {part.name: part for part in made}

    two = parts("hall-a1", "rack-b3")
    assert list(two)[3:8] == ["broker", "fleet", "agent-hall-a1", "agent-rack-b3", "surplusd"]
    assert agents_of(two["fleet"]) == set(setup.agents) - {"hall-a1", "rack-b3"}
    assert agents_of(two["agent-hall-a1"]) == {"hall-a1"}
    assert "fleet" not in parts(*setup.agents)


def test_an_agent_that_hangs_is_out_of_contact_until_it_goes_on(tmp_path: Path, setup: DemoSetup) -> None:
    world = World()
    processes = made_of(tmp_path, setup, world, [100.0], **{"agent-a": SLEEP})
    processes.open()
    pid = processes.children["agent-a"].pid
    stat = Path(f"/proc/{pid}/stat")
    processes.hang("a", on=True)
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "stopped")
    processes.tend()
    assert (processes.fallen(), processes.events, world.told) == ((), [], [True])
    processes.hang("a", on=False)
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] != "T", "goes on")
    processes.tend()
    assert world.told == [True, False]
    processes.hang("a", on=True)
    processes.close()
    assert processes.children["agent-a"].ended() == -signal.SIGTERM


def test_an_agent_that_is_kept_dead_comes_back_when_it_may(tmp_path: Path, setup: DemoSetup) -> None:
    world, now = World(), [100.0]
    processes = made_of(tmp_path, setup, world, now, **{"agent-a": SLEEP})
    processes.open()
    processes.keep_dead("a", on=True)
    until(lambda: processes.children["agent-a"].ended() is not None)
    processes.tend()
    now[0] += 1000.0
    processes.tend()
    assert (processes.fallen(), world.told) == (("agent-a",), [True])
    processes.keep_dead("a", on=False)
    assert processes.children["agent-a"].ended() is None
    processes.tend()
    assert (processes.fallen(), world.told) == ((), [True, False])
    assert processes.events == ["agent-a ended with status -9", "agent-a started again"]
    processes.close()


def test_the_clock_of_an_agent_jumps_by_a_signal_and_back_by_another(tmp_path: Path, setup: DemoSetup) -> None:
    says = "signal.signal(signal.{}, lambda *_: print('{}', flush=True)); "
    code = "import signal; " + says.format("SIGUSR1", "jumped") + says.format("SIGUSR2", "back") + SLEEP
    processes = made_of(tmp_path, setup, World(), [100.0], **{"agent-a": code})
    processes.open()
    for on, told in ((True, "jumped"), (False, "back")):
        processes.jump_clock("a", on=on)
        until(lambda told=told: processes.children["agent-a"].tail(1) == told, told)
    processes.close()


@pytest.mark.parametrize("name", ["world", "authority"])
def test_what_cannot_come_back_in_the_middle_of_a_run_stays_down(tmp_path: Path, setup: DemoSetup, name: str) -> None:
    now = [100.0]
    processes = made_of(tmp_path, setup, World(), now, **{name: SLEEP})
    processes.open()
    kill(processes, name)
    processes.tend()
    now[0] += 1000.0
    processes.tend()
    assert processes.events == [f"{name} ended with status -9"]
    assert processes.fallen() == (name,)
    processes.close()
