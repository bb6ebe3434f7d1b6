"""`surplusd agent run` in a whole site: miners that speak LuxOS over real sockets, a real broker, the daemon, meters."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.cli import main
from controller.demo.children import Child
from drivers.clock import boottime_s
from drivers.fleet.catalogue import load_catalogue
from drivers.transports.line_json import ask
from tests.brokers import MOSQUITTO, mosquitto_broker
from tests.e2e.yard import MET_S, PLENTY, SITE, SLACK_S, Yard, options, until
from tests.ports import free_port
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")

MODEL = load_catalogue()["antminer-s19k-pro"]
MINERS = [f"s19k-{k:03d}" for k in range(1, 5)]
AGENT = "agent-hall-1"


def site_text() -> str:
    raw = yaml.safe_load(SITE.read_text(encoding="utf-8"))
    raw["fleet"]["groups"] = [
        {"id": "s19k", "model": MODEL.id, "count": len(MINERS), "agent": "hall-1", "node": "hall", "failsafe": "off"}
    ]
    return yaml.safe_dump(raw, sort_keys=False)


class _AgentChild(Child):
    """`surplusd agent run`, which says that it is there by its log."""

    def says_ready(self) -> bool:
        return "event=broker_back" in self._output()


class RealYard(Yard):
    """A yard whose miners speak their own protocol, and whose hall has the agent of real devices."""

    def __init__(self, folder: Path, broker: Any) -> None:
        super().__init__(folder, broker, options(PLENTY, "--agents-apart"), site_text())
        self.ports = {id_: free_port() for id_ in MINERS}
        serve = [f"--serve={id_}=luxos:{port}" for id_, port in self.ports.items()]
        self._argv["world"] += serve
        self.processes.children["world"] = Child("world", self._argv["world"], folder / "world.log")
        self.agent_file = folder / "agent.yaml"
        run = [sys.executable, "-m", "controller.cli", "agent", "run", str(self.agent_file)]
        self.processes.children[AGENT] = _AgentChild(AGENT, run, folder / f"{AGENT}.log")
        del self._argv[AGENT]

    def write_agent_file(self) -> None:
        """Write the file of the agent with the serials that `surplusd agent scan` would print."""
        raw = {
            "version": 1,
            "site": "yard",
            "agent": "hall-1",
            "settle": "6 s",
            "mqtt": {
                "host": "127.0.0.1", "port": self.broker.port, "protocol": self.broker.protocol,
                "keys": str(self.folder / "keys"), "tls": "none",
            },
            "state": str(self.folder / "agents"),
            "devices": [
                {"id": id_, "family": "luxos", "host": "127.0.0.1", "port": port, "model": MODEL.id,
                 "serial": self.config(id_)["SerialNumber"]}
                for id_, port in self.ports.items()
            ],
        }  # fmt: skip
        self.agent_file.write_text(yaml.safe_dump(raw, sort_keys=False))

    def config(self, device: str) -> Any:
        """Return what a miner says of its settings."""
        import asyncio

        return asyncio.run(ask("127.0.0.1", self.ports[device], {"command": "config"}, timeout_s=5.0))["CONFIG"][0]

    def modes(self) -> set[str]:
        return {self.config(id_)["CurtailMode"] for id_ in MINERS}

    def told_w(self) -> dict[str, int]:
        return {id_: self.applied_w()[id_] for id_ in MINERS}

    def open(self) -> None:
        children = self.processes.children
        children["world"].start()
        children["world"].wait_ready(boottime_s() + DEADLINE_S)
        self.write_agent_file()
        self.processes.children = {name: child for name, child in children.items() if name != "world"}
        self.processes.open()
        self.processes.children = children


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealYard]:
    folder = tmp_path_factory.mktemp("real")
    with mosquitto_broker(folder) as broker:
        yard = RealYard(folder, broker)
        try:
            yard.open()
            yield yard
        finally:
            yard.close()


FULL = dict.fromkeys(MINERS, MODEL.max_w)
OFF = dict.fromkeys(MINERS, MODEL.off_w)


def test_an_order_brings_the_miners_down_proven_and_its_release_restores_them(yard: RealYard) -> None:
    yard.calm(drawing=True)
    assert yard.told_w() == FULL
    assert {yard.config(id_)["IsAtmEnabled"] for id_ in MINERS} == {False}
    yard.order("down", 8_000.0)
    until(lambda: yard.world.truth().site_w <= 8_000.0, "the order is kept", MET_S, yard.tell)
    until(lambda: yard.orders()[-1]["compliance"] == "met", "it is said to be met", MET_S, yard.tell)
    assert sum(yard.told_w().values()) < 8_000
    yard.release("down")
    until(lambda: yard.told_w() == FULL, "the miners are restored", tell=yard.tell)
    until(lambda: yard.modes() == {"None"}, "they are awake", tell=yard.tell)


def test_after_a_kill_every_miner_is_at_the_smaller_of_stored_and_failsafe(yard: RealYard) -> None:
    yard.calm()
    yard.kill("surplusd")
    yard.kill(AGENT)
    assert yard.modes() == {"None"}
    assert yard.told_w() == FULL
    began_s = boottime_s()
    yard.start(AGENT)
    until(lambda: yard.modes() == {"Sleep"}, "every miner sleeps", tell=yard.tell)
    assert boottime_s() - began_s < yard.site.rules.lease_s + SLACK_S + 10
    until(lambda: yard.told_w() == OFF, "that is stored", tell=yard.tell)


def test_released_miners_are_as_they_were_found(yard: RealYard) -> None:
    import subprocess

    yard.kill(AGENT, signal.SIGTERM)
    found = json.loads((yard.folder / "agents" / "hall-1.found.json").read_text())["found"]
    assert set(found) == set(MINERS)
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "agent", "release", str(yard.agent_file)],
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": as it was found") == len(MINERS)
    for id_ in MINERS:
        assert yard.config(id_)["Profile"] == found[id_]["mode"]


def test_it_does_all_that_the_contract_asks_of_any_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with mosquitto_broker(tmp_path) as broker:
        yard = RealYard(tmp_path, broker)
        world, agent = (yard.processes.children[name] for name in ("world", AGENT))
        try:
            world.start()
            world.wait_ready(boottime_s() + DEADLINE_S)
            yard.write_agent_file()
            agent.start()
            agent.wait_ready(boottime_s() + DEADLINE_S)
            status = main(["agent", "verify", str(yard.setup.daemon_file), "hall-1", "--kill", str(agent.pid)])
        finally:
            yard.close()
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if not line.startswith("passed")] == ["all checks passed"]
    assert status == 0
