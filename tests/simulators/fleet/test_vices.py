"""Real agents, a real broker and the world as processes: devices with every vice are brought down, or it is said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from drivers.clock import boottime_s
from drivers.fleet.keys import CONTROLLER, load_private, load_public, make_keys
from drivers.fleet.wire import Follow, Report
from simulators.world.vices import Vice
from simulators.worldlink import WorldClient
from tests.brokers import mosquitto_broker
from tests.drivers.fleet.fakes import SITE, FakeController
from tests.ports import free_port
from tests.waiting import DEADLINE_S, until

#: What a device with the vice is when it has been told to go off: with a relay, and without one.
WITH_RELAY = dict.fromkeys(Vice, Follow.STOPPED) | {
    Vice.SLOW: Follow.PROVEN,
    Vice.UNDERSTATES: Follow.PROVEN,
    Vice.FORGETS: Follow.PROVEN,
    Vice.DENIES: Follow.PROVEN,
    Vice.HALF_ANSWER: Follow.PROVEN,
}
WITHOUT = WITH_RELAY | {Vice.SILENT: Follow.LOST, Vice.DEAF: Follow.DEFIANT, Vice.REFUSES: Follow.DEFIANT}
COUNT = 2 * len(Vice) + 1
IDS = [f"s21-{k:03d}" for k in range(1, COUNT + 1)]
CASES = dict(zip(IDS, [*WITH_RELAY.items(), *WITHOUT.items(), (None, Follow.PROVEN)], strict=True))
RELAYED = IDS[: len(Vice)]
SITE_FILE = f"""\
version: 1
site: {SITE}
grid: {{contract: 1 MW, firm: 1 MW, ramp_up: 1 MW/s, settle: 15 s}}
nodes: [{{id: pcc}}]
meters: []
surplus: {{}}
fleet:
  lease: 60 s
  groups: [{{id: s21, model: antminer-s21, count: {COUNT}, agent: hall-a, node: pcc, failsafe: off}}]
mqtt: {{}}
"""


def started(module: str, *options: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-m", module, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready")
    return process


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[FakeController]:
    site, world = tmp_path / "site.yaml", f"127.0.0.1:{free_port()}"
    site.write_text(SITE_FILE)
    keys = tmp_path / "keys"
    make_keys(keys, [CONTROLLER, "hall-a"])
    options = ["--site-file", str(site), f"--relays={','.join(RELAYED)}"]
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto_broker(tmp_path))
        private = load_private(keys / f"{CONTROLLER}.key")
        controller = FakeController(broker.port, "5", private, {"hall-a": load_public(keys / "hall-a.pub")})
        stack.enter_context(controller)
        folders = ["--keys", str(keys), "--state", str(tmp_path / "state")]
        reach = ["--world", world, "--broker", f"127.0.0.1:{broker.port}"]
        for module, more in (("world", ["--listen", world]), ("fleet", [*reach, *folders])):
            process = started(f"simulators.{module}", *options, *more)
            stack.callback(process.communicate, timeout=DEADLINE_S)
            stack.callback(process.kill)
        controller.world = WorldClient(*_split(world))
        stack.callback(controller.world.close)
        yield controller


def _split(address: str) -> tuple[str, int]:
    host, port = address.split(":")
    return host, int(port)


def states(report: Report) -> dict[str, Follow]:
    return {id_: Follow(letter) for id_, letter in zip(IDS, report.state, strict=True)}


@pytest.mark.alone
def test_every_vice_is_brought_down_or_named(controller: FakeController) -> None:
    controller.report(lambda r: set(r.state) == {Follow.PROVEN})
    controller.send("hall-a", setpoints=dict.fromkeys(IDS, 3500), ttl_ms=120_000)
    controller.report(lambda r: r.accepted_seq == 1 and set(r.state) == {Follow.PROVEN})
    until(lambda: controller.world.truth().site_w > 3300 * COUNT, "full power")
    for id_, (vice, _) in CASES.items():
        if vice is not None:
            controller.world.set_vice([id_], vice, on=True)
    began_s = boottime_s()
    controller.send("hall-a", setpoints=dict.fromkeys(IDS, 0), ttl_ms=120_000)
    wanted = {id_: state for id_, (_, state) in CASES.items()}
    report = controller.report(lambda r: r.accepted_seq == 2 and states(r) == wanted, "every one as expected")
    assert boottime_s() - began_s < 2 * 2.0 + 5.0 + 5.0, "with the time that a silent one takes to be lost"
    defiant = [id_ for id_, state in wanted.items() if state in {Follow.DEFIANT, Follow.LOST}]
    left_w = controller.world.truth().site_w
    assert 3300 * len(defiant) < left_w < 3800 * len(defiant)
    known = {id_: watts for id_, watts in zip(IDS, report.applied_w, strict=True) if id_ not in defiant}
    assert set(known.values()) == {25}
    for id_, (vice, _) in CASES.items():
        if vice is not None:
            controller.world.set_vice([id_], vice, on=False)
    report = controller.report(lambda r: set(r.state) <= {Follow.PROVEN, Follow.STOPPED}, "all are down")
    until(lambda: controller.world.truth().site_w < 30 * COUNT, "all are off")
