"""Against a real notification socket, as systemd holds it."""

import logging
import os
import socket

import pytest

from drivers.notify import Notifier
from tests.waiting import DEADLINE_S


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    name = str(tmp_path / "notify") if request.param == "path" else f"\0surplusd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(DEADLINE_S)
        listener.bind(name)
        yield listener, name.replace("\0", "@")


def test_every_message_arrives(manager):
    listener, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready()
    notifier.watchdog()
    notifier.status("normal,\nbinding: surplus")
    notifier.stopping()
    messages = [listener.recv(200) for _ in range(4)]
    assert messages == [b"READY=1", b"WATCHDOG=1", b"STATUS=normal, binding: surplus", b"STOPPING=1"]
    notifier.close()


def test_without_systemd_it_is_silent():
    notifier = Notifier({})
    notifier.ready()
    notifier.close()
    assert notifier.watchdog_s is None


def test_a_full_or_missing_socket_never_blocks_and_is_logged_once(manager, caplog):
    listener, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for _ in range(5000):
        notifier.watchdog()
    assert [record.event for record in caplog.records] == ["notify_lost"]
    listener.recv(200)
    notifier.ready()
    listener.close()
    notifier.watchdog()
    notifier.watchdog()
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    notifier.close()


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "5000000"}, 5.0),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": str(os.getpid())}, 5.0),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_period_is_the_one_for_this_process(environment, watchdog_s):
    assert Notifier(environment).watchdog_s == watchdog_s
