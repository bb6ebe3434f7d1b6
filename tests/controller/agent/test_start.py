"""``surplusd agent run`` as a process: it says that it is there, kicks the watchdog, and leaves its devices down."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.cli import main
from tests.controller.agent.halls import FULL_W, OFF_W, Hall, hall_of
from tests.waiting import DEADLINE_S, until


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    with hall_of(tmp_path, 2) as hall:
        yield hall


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd would listen on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(DEADLINE_S)
        yield listening


@contextmanager
def running(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "controller.cli", "agent", "run", str(path)],
        env={"NOTIFY_SOCKET": str(path.parent / "notify"), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def heard(notified: socket.socket, word: bytes) -> bool:
    return any(notified.recv(1000) == word for _ in range(10_000))


def test_it_says_that_it_is_there_kicks_the_watchdog_and_brings_its_devices_to_failsafe(
    hall: Hall, notified: socket.socket
) -> None:
    with running(hall.write()) as process:
        assert heard(notified, b"READY=1")
        assert heard(notified, b"WATCHDOG=1")
        until(lambda: {unit.told_w for unit in hall.units.values()} == {OFF_W}, "every miner sleeps")
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    assert heard(notified, b"STOPPING=1")
    assert (hall.folder / "agents" / "hall.json").exists()


def test_while_it_runs_nobody_else_has_its_devices(
    hall: Hall, notified: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    path = hall.write()
    with running(path):
        assert heard(notified, b"READY=1")
        for verb in (["run", str(path)], ["release", str(path)], ["drill", str(path), "s19k-001", "--yes"]):
            assert main(["agent", *verb]) == 1
            assert "another process leads the devices of hall; stop it first" in capsys.readouterr().err
        assert main(["agent", "check", str(path)]) == 0


@pytest.mark.parametrize("missing", ["hall.key", "controller.pub"])
def test_without_its_keys_it_does_not_start(hall: Hall, capsys: pytest.CaptureFixture[str], missing: str) -> None:
    path = hall.write()
    (hall.folder / "keys" / missing).unlink()
    assert main(["agent", "run", str(path)]) == 1
    assert f"{missing}: No such file" in capsys.readouterr().err
    assert hall.told() == []
    assert not (hall.folder / "agent.running.json").exists()  # it never ran: its file still counts


def test_a_record_of_how_devices_were_found_that_is_no_use_keeps_nobody_from_leading_them(
    hall: Hall, notified: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    path = hall.write()
    (hall.folder / "agents").mkdir()
    (hall.folder / "agents" / "hall.found.json").write_text("{")
    with running(path):
        assert heard(notified, b"READY=1")
        until(lambda: {unit.told_w for unit in hall.units.values()} == {OFF_W}, "every miner sleeps")
    assert main(["agent", "release", str(path)]) == 1
    assert "how devices were found is not known" in capsys.readouterr().err


def test_after_a_crash_it_runs_what_it_ran_whatever_stands_in_its_file(
    hall: Hall, notified: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    path = hall.write()
    with running(path):
        assert heard(notified, b"READY=1")
    path.write_text("version: 1\nsite: yard\n")  # half edited
    for unit in hall.units.values():
        unit.tell(FULL_W)
    with running(path) as process:
        assert heard(notified, b"READY=1")
        until(lambda: {unit.told_w for unit in hall.units.values()} == {OFF_W}, "every miner sleeps")
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
        assert process.stdout is not None
        assert "event=file_not_taken" in process.stdout.read()
    assert main(["agent", "run", str(path)]) == 1  # after an orderly end the file counts
    assert "agent.yaml:1:1: agent: found nothing" in capsys.readouterr().err


def test_what_was_kept_and_is_no_use_leaves_the_file(hall: Hall, notified: socket.socket) -> None:
    path = hall.write()
    (hall.folder / "agent.running.json").write_text('{"version": 7}')
    with running(path):
        assert heard(notified, b"READY=1")
