from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controller.demo.children import Child
from drivers.clock import boottime_s
from drivers.errors import DriverLoss
from tests.waiting import DEADLINE_S

READY = "print('starting'); print('ready at last', flush=True); import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


def child(folder: Path, code: str) -> Child:
    return Child("part", [sys.executable, "-c", code], folder / "part.log")


def soon() -> float:
    return boottime_s() + DEADLINE_S


def test_a_child_is_ready_when_it_says_so_and_ends_when_told(tmp_path: Path) -> None:
    part = child(tmp_path, READY)
    part.start()
    part.wait_ready(soon())
    assert part.ended() is None
    part.stop()
    assert part.ended() == -signal.SIGTERM
    assert part.tail(1) == "ready at last"


def test_a_child_that_ends_at_once_shows_its_last_words(tmp_path: Path) -> None:
    part = child(tmp_path, "raise SystemExit('no such meter')")
    part.start()
    with pytest.raises(DriverLoss, match=r"part ended with status 1\nno such meter"):
        part.wait_ready(soon())


def test_a_child_that_is_never_ready_costs_its_deadline(tmp_path: Path) -> None:
    part = child(tmp_path, "import time; time.sleep(60)")
    part.start()
    with pytest.raises(DriverLoss, match="did not become ready in time"):
        part.wait_ready(boottime_s() + 0.1)
    part.stop()


def test_a_child_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    part = child(tmp_path, STUBBORN)
    part.start()
    part.wait_ready(soon())
    part.stop(patience_s=0.1)
    assert part.ended() == -signal.SIGKILL


def test_readiness_of_an_earlier_life_does_not_count(tmp_path: Path) -> None:
    part = child(tmp_path, READY)
    part.start()
    part.wait_ready(soon())
    assert part.pid is not None
    os.kill(part.pid, signal.SIGKILL)
    part.stop()
    assert part.ended() == -signal.SIGKILL
    part.start()
    part.wait_ready(soon())
    assert part.log.read_text().count("ready") == 2
    part.stop()


def test_no_child_outlives_the_launcher(tmp_path: Path) -> None:
    """The launcher itself is killed, so that nothing of it can tidy up."""
    code = (
        "import sys, time; from pathlib import Path; from controller.demo.children import Child\n"
        f"part = Child('part', [sys.executable, '-c', {READY!r}], Path({str(tmp_path / 'part.log')!r}))\n"
        "part.start(); print(part.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        pid = int(launcher.stdout.readline())
        handle = os.pidfd_open(pid)
        launcher.kill()

    assert select.select([handle], [], [], 10.0)[0] == [handle]
    os.close(handle)
