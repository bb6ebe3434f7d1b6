from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.demo.children import Child
from controller.demo.processes import Stage, cast
from controller.demo.setup import Ground
from drivers.clock import boottime_s
from drivers.errors import DriverLoss

SLEEP = "print('ready', flush=True); import time; time.sleep(60)"


Options = Callable[..., argparse.Namespace]


class World:
    def __init__(self) -> None:
        self.told: list[bool] = []

    def note_contact(self, *, lost: bool) -> None:
        self.told.append(lost)


def stage_of(folder: Path, ground: Ground, world: World, now: list[float], /, **codes: str) -> Stage:
    children = [Child(name, [sys.executable, "-c", code], folder / f"{name}.log") for name, code in codes.items()]
    return Stage(ground, world, children, restart_s=20.0, clock=lambda: now[0])  # type: ignore[arg-type]


def kill(stage: Stage, name: str) -> None:
    child = stage.children[name]
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: child.ended() is not None)


def until(good: Callable[[], bool]) -> None:
    deadline_s, pause = boottime_s() + 10.0, threading.Event()
    while not good():
        assert boottime_s() < deadline_s
        pause.wait(0.02)


def test_a_fallen_part_is_reported_and_started_again(tmp_path: Path, ground: Ground) -> None:
    world, now = World(), [100.0]
    stage = stage_of(tmp_path, ground, world, now, meters=SLEEP, broker=SLEEP)
    stage.open()
    stage.tend()
    assert (stage.events, stage.fallen(), world.told) == ([], (), [])
    kill(stage, "broker")
    stage.tend()
    stage.tend()
    assert stage.events == ["broker ended with status -9"]
    assert (stage.fallen(), world.told) == (("broker",), [True])
    now[0] += 20.0
    stage.tend()
    assert stage.events[1:] == ["broker started again"]
    assert (stage.fallen(), world.told) == ((), [True, False])
    assert stage.children["broker"].ended() is None
    stage.close()
    assert all(child.ended() == -signal.SIGTERM for child in stage.children.values())


def test_a_lost_meter_is_no_lost_contact_with_the_agents(tmp_path: Path, ground: Ground) -> None:
    world = World()
    stage = stage_of(tmp_path, ground, world, [100.0], meters=SLEEP)
    stage.open()
    kill(stage, "meters")
    stage.tend()
    assert stage.fallen() == ("meters",)
    assert world.told == []
    stage.close()


def test_an_authority_that_is_done_is_no_loss(tmp_path: Path, ground: Ground) -> None:
    stage = stage_of(tmp_path, ground, World(), [100.0], authority="print('done')")
    stage.children["authority"].start()
    until(lambda: stage.children["authority"].ended() == 0)
    stage.tend()
    assert (stage.events, stage.fallen()) == ([], ())


def test_a_part_that_does_not_start_fails_the_stage(tmp_path: Path, ground: Ground) -> None:
    stage = stage_of(tmp_path, ground, World(), [100.0], meters=SLEEP, fleet="raise SystemExit('no keys')")
    with pytest.raises(DriverLoss, match="fleet ended with status 1\nno keys"):
        stage.open()
    stage.close()
    assert stage.children["meters"].ended() == -signal.SIGTERM


def test_every_part_is_a_process_of_its_own(ground: Ground, options: Options) -> None:
    parts = cast(ground, options("--seed=5", "--scale=500 kW"), duration_s=60.0, orders=1, broker=True)
    assert [part.name for part in parts] == ["world", "meters", "scada", "broker", "fleet", "surplusd", "authority"]
    without = cast(ground, options(), duration_s=60.0, orders=1, broker=False)
    assert "broker" not in [part.name for part in without]


@pytest.mark.parametrize("name", ["world", "authority"])
def test_what_cannot_come_back_in_the_middle_of_a_run_stays_down(tmp_path: Path, ground: Ground, name: str) -> None:
    now = [100.0]
    stage = stage_of(tmp_path, ground, World(), now, **{name: SLEEP})
    stage.open()
    kill(stage, name)
    stage.tend()
    now[0] += 1000.0
    stage.tend()
    assert stage.events == [f"{name} ended with status -9"]
    assert stage.fallen() == (name,)
    stage.close()
