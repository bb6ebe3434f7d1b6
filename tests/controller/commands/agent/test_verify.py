"""`surplusd agent verify` against an agent in JavaScript that was written from the contract alone, over a real broker."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.cli import main
from controller.commands.agent.bench import Bench
from controller.daemon.fleet.broker import make_link
from controller.site.load import load
from drivers.fleet.keys import CONTROLLER, load_private, load_public, make_keys
from tests.brokers import mosquitto_broker

NODE = shutil.which("node")
AGENT = "hall-js"
SCRIPT = Path("tests/drivers/fleet/js_agent/agent.mjs")
SITE = """version: 1
site: bench
grid: {{contract: 20 kW, firm: 1 kW, failsafe: 2 kW, ramp_up: 1 kW/s, ramp_down: 2 kW/s, emergency_ramp: 2 kW/s}}
nodes:
  - {{id: pcc, house_load: 1 kW}}
meters:
  - {{id: main, node: pcc, rating: 40 kW, class: 0.5 %, modbus: {{host: 127.0.0.1, profile: siemens_pac3200_4200}}}}
surplus: {{model: direct, modbus: {{host: 127.0.0.1, unit: 2, profile: siemens_pac3200_4200}}}}
economics: {{hashprice: 0.05 USD/TH/day, tariff: 0.04 USD/kWh}}
fleet:
  groups:
    - {{id: g, model: antminer-s21, count: 3, agent: {agent}, node: pcc}}
mqtt: {{host: 127.0.0.1, port: {port}, tls: none, keys: {keys}}}
"""
DEVICES = [
    {
        "id": f"g-00{k}", "model": "antminer-s21", "max_w": 3500, "off_w": 25,
        "ranges": [{"from_w": 1400, "to_w": 3500}], "up_ms": 1000, "down_ms": 1000, "failsafe_w": failsafe_w,
        "proof": "b", "measured_by": "d", "dead_man": None,
    }
    for k, failsafe_w in ((1, 25), (2, 1400), (3, 25))
]  # fmt: skip

needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


@contextmanager
def running(
    folder: Path, port: int, vice: str | None = None, *, failsafe_w: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    devices = DEVICES if failsafe_w is None else [{**device, "failsafe_w": failsafe_w} for device in DEVICES]
    asked = {
        "port": port, "site": "bench", "agent": AGENT, "key": str(folder / f"keys/{AGENT}.key"),
        "controller": str(folder / f"keys/{CONTROLLER}.pub"), "store": str(folder / "state.json"),
        "settle_ms": 15_000, "devices": devices, "vice": vice,
    }  # fmt: skip
    assert NODE
    process = subprocess.Popen([NODE, str(SCRIPT), json.dumps(asked)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A broker, a site file and keys."""
    make_keys(tmp_path / "keys", (CONTROLLER, AGENT))
    with mosquitto_broker(tmp_path) as broker:
        (tmp_path / "site.yaml").write_text(SITE.format(port=broker.port, keys=tmp_path / "keys", agent=AGENT))
        yield tmp_path, broker.port


def verify(folder: Path, *more: str) -> int:
    return main(["agent", "verify", str(folder / "site.yaml"), AGENT, *more])


@needs_node
def test_an_agent_in_another_language_passes(bench, capsys):
    folder, port = bench
    with running(folder, port) as process:
        status = verify(folder, "--kill", str(process.pid))
    said = capsys.readouterr()
    told = said.out.splitlines()
    assert not said.err
    assert (status, told[-1]) == (0, "all checks passed"), told
    assert len(told) == 21
    assert all(line.startswith("passed  ") for line in told[:-1])


@needs_node
@pytest.mark.parametrize(
    ("vice", "words"),
    [
        ("believes everybody", "it refuses a foreign signature"),
        ("takes retained sets", "it refuses a retained set"),
        ("takes anything twice", "it refuses the same bytes again"),
        ("takes echoes of the future", "it refuses an echo that is ahead of its clock"),
        ("raises without an echo", "a set without an echo"),
        ("forgets the head", "the head of a set"),
        ("forgets its leases", "at the end of a lease"),
        ("measures by nothing", "its reports have the columns"),
        ("rests while it runs", "its reports have the columns"),
    ],
)
def test_each_vice_is_found(bench, capsys, vice, words):
    folder, port = bench
    with running(folder, port, vice):
        assert verify(folder, "--only", words) == 1
    introduced, found, counted = capsys.readouterr().out.splitlines()
    assert introduced.startswith("passed")
    assert found.startswith(f"FAILED  {words}")
    assert "expected" in found
    assert "seen" in found
    assert counted == "1 of the checks failed"


@needs_node
def test_devices_that_stay_as_they_are_at_the_end_of_a_lease_pass(bench, capsys):
    """As a contactor does, which nothing but a set moves."""
    folder, port = bench
    with running(folder, port, failsafe_w=3500):
        assert verify(folder, "--only", "at the end of a lease") == 0, capsys.readouterr().out


@needs_node
def test_the_end_of_a_lease_that_runs_is_waited_for(bench, capsys):
    folder, port = bench
    with running(folder, port):
        lead(folder, lease_ms=5_000)
        assert verify(folder, "--only", "a set without an echo") == 0, capsys.readouterr().out


def lead(folder: Path, *, lease_ms: int) -> None:
    """Be a controller that gives one lease and goes."""
    site_file = load(folder / "site.yaml")
    controller = Bench(
        site=site_file.site,
        agent=AGENT,
        make_link=make_link(site_file.mqtt, "surplusd.bench"),
        key=load_private(folder / f"keys/{CONTROLLER}.key"),
        agent_key=load_public(folder / f"keys/{AGENT}.pub"),
    )
    with controller:
        controller.wait(lambda: controller.inventory and controller.report, 5.0, "the agent")
        controller.epoch = 1
        controller.accepted(controller.state(ttl_ms=lease_ms))
        controller.accepted(controller.state(ttl_ms=lease_ms))
        controller.until(lambda report: report.lease_left_ms > 0, "a lease")


def test_an_agent_that_the_site_file_does_not_name_is_refused_with_those_that_it_does(bench, capsys):
    folder, _ = bench
    assert main(["agent", "verify", str(folder / "site.yaml"), "hall-of-mirrors"]) == 1
    assert f"agent: found 'hall-of-mirrors'; allowed are {AGENT}" in capsys.readouterr().err


def test_an_agent_that_is_not_there_fails_the_first_check_and_no_more_are_tried(bench, capsys):
    folder, _ = bench
    assert verify(folder) == 1
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2
    assert "a signed inventory within 5 s, seen no report" in told[0]
