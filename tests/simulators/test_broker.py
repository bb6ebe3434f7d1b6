import logging
import signal
import subprocess
import sys
import threading

import pytest

from drivers.fleet.link import MqttLink
from tests.brokers import amqtt_broker
from tests.ports import free_port
from tests.waiting import DEADLINE_S, until


def test_it_says_ready_and_ends_orderly() -> None:
    command = [sys.executable, "-m", "simulators.broker", "--listen", f"127.0.0.1:{free_port()}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, errors) == (0, "")


def test_many_that_connect_and_subscribe_at_once_all_stay(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    count = 20
    arrived = threading.Semaphore(0)
    links: dict[int, MqttLink] = {}

    def hello(k: int, up: bool) -> None:
        if up:
            assert links[k].publish(f"s/{k}/status", b"on", retain=True)

    def link(k: int, subscription: str) -> MqttLink:
        return MqttLink(
            host="127.0.0.1",
            port=broker.port,
            protocol="3.1.1",
            client_id=f"client-{k}",
            subscriptions=[subscription],
            on_message=lambda *_: arrived.release(),
            on_connection=lambda up: hello(k, up),
        )

    with amqtt_broker() as broker:
        links |= {k: link(k, f"s/{k}/set") for k in range(count)}
        links[count] = link(count, "s/+/status")
        for one in links.values():
            one.start()
        until(lambda: all(one.connected for one in links.values()))
        for _ in range(count):
            assert arrived.acquire(timeout=DEADLINE_S)
        for one in links.values():
            one.stop()
    events = [record.event for record in caplog.records if record.name == "drivers.fleet.link"]
    assert events == ["broker_back"] * (count + 1)
