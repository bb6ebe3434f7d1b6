"""The agent's loop, and nothing else, kicks the watchdog: against a real notification socket, as systemd holds it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from drivers.fleet.agent.agent import Agent
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.agent.store import Store
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import PrivateKey
from drivers.fleet.link import MqttLink
from drivers.notify import Notifier
from tests.drivers.fleet.fakes import SITE, FakeHall
from tests.ports import free_port
from tests.waiting import DEADLINE_S


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(DEADLINE_S)
        listener.bind(str(tmp_path / "notify"))
        yield listener


@contextlib.contextmanager
def running(hall: FakeHall, folder: Path) -> Iterator[None]:
    """Run an agent whose broker is not there."""
    notifier = Notifier({"NOTIFY_SOCKET": str(folder / "notify")})
    agent = Agent(
        site=SITE,
        agent="hall",
        devices=dict.fromkeys(hall.devices, LeasedDevice(model=load_catalogue()["antminer-s21"], failsafe_w=0)),
        ports=hall.ports,
        connect=partial(MqttLink, host="127.0.0.1", port=free_port()),
        key=PrivateKey.generate(),
        controller_keys={},
        store=Store(folder / "state.json"),
        settle_s=15.0,
        notifier=notifier,
    )
    thread = threading.Thread(target=lambda: asyncio.run(agent.run()))
    thread.start()
    try:
        yield
    finally:
        agent.stop()
        thread.join(DEADLINE_S)
        notifier.close()
    assert not thread.is_alive()


def drain(systemd: socket.socket) -> list[bytes]:
    """Return what comes until nothing has come for ten turns."""
    said: list[bytes] = []
    systemd.settimeout(1.0)
    with contextlib.suppress(TimeoutError):
        while True:
            said.append(systemd.recv(100))
    systemd.settimeout(DEADLINE_S)
    return said


def test_a_loop_that_turns_kicks_and_one_that_hangs_does_not(systemd: socket.socket, tmp_path: Path) -> None:
    hall = FakeHall({"a": 25, "b": 25})
    hall.devices["b"].silent, hall.devices["b"].timeout_s = True, DEADLINE_S
    go_on = threading.Event()
    hangs = threading.Event()

    async def blocks() -> None:
        hangs.set()
        assert go_on.wait(DEADLINE_S)

    with running(hall, tmp_path):
        said = [systemd.recv(100) for _ in range(10)]
        assert said.count(b"READY=1") == 1
        assert said.count(b"WATCHDOG=1") == 9, "a device that hangs stops no loop"
        hall.devices["a"].read = blocks  # type: ignore[method-assign]  a driver that waits where it may not
        assert hangs.wait(DEADLINE_S)
        drain(systemd)
        go_on.set()
        assert systemd.recv(100) == b"WATCHDOG=1"
    assert b"STOPPING=1" in drain(systemd)
