"""Real brokers for the tests, each a process on a free port of loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.waiting import DEADLINE_S

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

_MOSQUITTO_CONF = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
set_tcp_nodelay true
log_type none
"""


class BrokerProcess:
    """A broker that can be stopped, killed and started again on its port."""

    def __init__(self, command: list[str], port: int, protocol: str) -> None:
        self.port = port
        self.protocol = protocol
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE_S
        while not self._listens():
            assert self._process.poll() is None, f"broker ended with {self._process.returncode}"
            assert time.monotonic() < deadline, "broker does not listen"
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(DEADLINE_S)
            self._process = None

    def pause(self) -> None:
        """Keep the connections, answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


@contextlib.contextmanager
def amqtt_broker() -> Iterator[BrokerProcess]:
    """The embedded broker of the demo (MQTT 3.1.1)."""
    port = free_port()
    command = [sys.executable, "-m", "simulators.broker", "--listen", f"127.0.0.1:{port}"]
    with running(BrokerProcess(command, port, "3.1.1")) as broker:
        yield broker


@contextlib.contextmanager
def mosquitto_broker(folder: Path) -> Iterator[BrokerProcess]:
    """A real mosquitto (MQTT 5), skipped where it is not installed."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    port = free_port()
    conf = folder / "mosquitto.conf"
    conf.write_text(_MOSQUITTO_CONF.format(port=port))
    with running(BrokerProcess([MOSQUITTO, "-c", str(conf)], port, "5")) as broker:
        yield broker


@contextlib.contextmanager
def running(broker: BrokerProcess) -> Iterator[BrokerProcess]:
    broker.start()
    try:
        yield broker
    finally:
        broker.stop(signal.SIGKILL)
