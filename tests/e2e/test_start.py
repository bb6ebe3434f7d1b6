"""The daemon as a process: how fast it leads, how it speaks to systemd, and what it refuses to start on."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from drivers.clock import boottime_s
from drivers.fleet.keys import CONTROLLER, load_public
from drivers.fleet.wire import Leaf, open_set, parse_topic, topic
from tests.e2e.yard import SITE, Yard, until
from tests.waiting import DEADLINE_S


def surplusd(verb: str, file: Path) -> list[str]:
    return [sys.executable, "-m", "controller.cli", verb, str(file)]


@contextlib.contextmanager
def daemon(yard: Yard, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The yard's daemon as a child of the test, in place of the demo's."""
    if yard.processes.children["surplusd"].ended() is None:
        yard.kill("surplusd", signal.SIGTERM)
    with (
        (yard.folder / "daemon.log").open("ab") as log,
        subprocess.Popen(
            surplusd("run", yard.setup.daemon_file), env=os.environ | environment, stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def first_sets(yard: Yard) -> Iterator[dict[str, tuple[float, bytes]]]:
    """When the first set of each agent arrives at an independent subscriber, and what it is."""
    heard: dict[str, tuple[float, bytes]] = {}
    subscribed = threading.Event()
    sets = topic(yard.site.id, "+", Leaf.SET)
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="listener")
    client.on_connect = lambda *_: client.subscribe(sets, qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    # By topic: amqtt hands a new client the retained messages of other clients' subscriptions too.
    client.message_callback_add(
        sets,
        lambda _client, _data, message: heard.setdefault(
            parse_topic(message.topic, yard.site.id)[0], (boottime_s(), message.payload)
        ),
    )
    client.connect(*yard.setup.broker)
    client.loop_start()
    try:
        assert subscribed.wait(DEADLINE_S)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def work_of(process: subprocess.Popen[bytes]) -> float:
    """Return the seconds of CPU time that a process has used so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_first_safe_leases_are_out_within_a_second(yard: Yard) -> None:
    yard.kill("surplusd", signal.SIGTERM)
    with first_sets(yard) as heard:
        began_s = boottime_s()
        with daemon(yard) as process:
            until(lambda: heard.keys() == set(yard.site.agents), "a set for every agent")
            worked_s = work_of(process)
    took_s = max(at_s for at_s, _ in heard.values()) - began_s
    print(f"first safe leases {took_s:.2f} s after exec")  # noqa: T201  a figure that the design has a budget for
    assert worked_s < 2.0  # 1 s of work, which is all that it waits for on a machine that does nothing else
    assert took_s < 30.0  # however busy the machine is, nothing waits for a period of its own
    keys = {CONTROLLER: load_public(yard.folder / "keys" / f"{CONTROLLER}.pub")}
    for agent, (_, payload) in heard.items():
        first = open_set(payload, keys, site=yard.site.id, agent=agent)
        assert first.echo is None  # without the agent's clock it can raise nothing
        devices = yard.site.devices
        mine = [id_ for id_, a in zip(devices.ids, devices.agent, strict=True) if yard.site.agents[a] == agent]
        assert first.setpoints_w is not None
        assert all(watts <= yard.failsafe_w[id_] for id_, watts in zip(mine, first.setpoints_w, strict=True))


def test_systemd_is_told_of_readiness_every_tick_and_the_end(yard: Yard, tmp_path: Path) -> None:
    """At an address of the one kind; those of both kinds are in `tests/drivers/test_notify.py`."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(DEADLINE_S)
        with daemon(yard, NOTIFY_SOCKET=address) as process:
            said: list[str] = []

            def hear_until(wanted: str, times: int) -> None:
                while said.count(wanted) < times:
                    said.append(listener.recv(4096).decode())

            hear_until("READY=1", 1)
            hear_until("WATCHDOG=1", 8)
            assert any(re.match(r"STATUS=(init|normal)", line) for line in said)
            process.terminate()
            hear_until("STOPPING=1", 1)
            assert process.wait(DEADLINE_S) == 0
        assert said.count("READY=1") == 1


def listens(address: tuple[str, int]) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
        return True
    return False


def test_an_end_that_meets_the_first_readings_is_an_end(yard: Yard) -> None:
    with daemon(yard) as process:
        until(lambda: listens(yard.setup.http), "HTTP")
        process.terminate()
        assert process.wait(DEADLINE_S) == 0


def broken_site(folder: Path) -> Path:
    text = SITE.read_text().replace("firm: 4 kW", "firm: 4 kWh").replace("node: hall, failsafe: off}", "node: hal}", 1)
    file = folder / "broken.yaml"
    file.write_text(text.replace("\nstate: state", "\nstatus: state").replace("limit: 60 kW", "limit: -1 kW"))
    return file


@pytest.mark.parametrize("verb", ["check", "run"])
def test_a_broken_file_is_refused_with_every_error_and_its_place(tmp_path: Path, verb: str) -> None:
    file = broken_site(tmp_path)
    done = subprocess.run(
        surplusd(verb, file), capture_output=True, text=True, timeout=DEADLINE_S, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    places = [re.match(rf"{re.escape(str(file))}:(\d+):(\d+): (\S+):", line) for line in done.stderr.splitlines()]
    assert all(places), done.stderr
    found = {
        place[3]: file.read_text().splitlines()[int(place[1]) - 1][int(place[2]) - 1 :] for place in places if place
    }
    assert found["grid.firm"].startswith("4 kWh")
    assert any(text.startswith("-1 kW") for text in found.values())
    assert any(text.startswith("hal}") for text in found.values())
    assert found["status"].startswith("status")
    assert not (tmp_path / "state").exists()


def test_a_file_that_is_no_yaml_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("version: 1\nsite: [unclosed\n")
    done = subprocess.run(surplusd("run", file), capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 1
    assert re.match(rf"{re.escape(str(file))}:\d+:\d+: ", done.stderr)
    assert "Traceback" not in done.stderr
