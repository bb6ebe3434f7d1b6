"""An agent that has a contactor, over a real broker: what moves it, and what never does."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path

import pytest

from drivers.errors import DriverLoss
from drivers.fleet import wire
from drivers.fleet.agent import contactor
from drivers.fleet.agent.agent import Agent
from drivers.fleet.agent.contactor import ContactorDevice, contactor_of
from drivers.fleet.agent.device import CommandOutcome, Ports
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.agent.store import Store
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import CONTROLLER, PrivateKey
from drivers.fleet.link import MqttLink
from drivers.fleet.wire import Follow, MeasuredBy, Proof
from tests.brokers import BrokerProcess
from tests.drivers.fleet.fakes import SITE, FakeController, FakeDevice
from tests.waiting import DEADLINE_S, until

AGENT = "hall-a"
S21 = load_catalogue()["antminer-s21"]
MAIN = contactor_of(40_000.0)
CLOSED_W = 40_000
DEVICES = {
    "m-1": LeasedDevice(model=S21, failsafe_w=0, proof=Proof.BOTH, measured_by=MeasuredBy.PSU),
    "z-main": MAIN,
}
OPEN, CLOSED = {"m-1": 3000, "z-main": 0}, {"m-1": 3000, "z-main": CLOSED_W}


class FakeContactor:
    """Does what it is told; `told` is what that was."""

    def __init__(self) -> None:
        self.closed = True
        self.silent = False
        self.told: list[bool] = []

    async def switch(self, *, closed: bool, hold_s: float | None) -> CommandOutcome:
        assert hold_s is None
        self.told.append(closed)
        self.closed = closed
        return CommandOutcome.ACCEPTED

    async def read(self) -> bool:
        if self.silent:
            raise DriverLoss("no answer")
        return self.closed


class Bench:
    """One agent with a miner and a contactor, and a controller, on one broker."""

    def __init__(self, broker: BrokerProcess, folder: Path) -> None:
        self.broker, self.path = broker, folder / "agent.json"
        self.controller_key, self.agent_key = PrivateKey.generate(), PrivateKey.generate()
        self.main, self.miner = FakeContactor(), FakeDevice(S21.off_w)
        self.controller = FakeController(
            broker.port, broker.protocol, self.controller_key, {AGENT: self.agent_key.public_key()}
        )
        self.started: list[tuple[Agent, threading.Thread]] = []

    def start(self) -> None:
        connect = partial(
            MqttLink, host="127.0.0.1", port=self.broker.port, protocol=self.broker.protocol, retry_s=(0.05, 0.3)
        )
        agent = Agent(
            site=SITE,
            agent=AGENT,
            devices=DEVICES,
            ports={"m-1": Ports(device=self.miner), "z-main": Ports(device=ContactorDevice(self.main, MAIN))},
            connect=connect,
            key=self.agent_key,
            controller_keys={CONTROLLER: self.controller_key.public_key()},
            store=Store(self.path),
            settle_s=15.0,
            report_s=0.2,
        )
        thread = threading.Thread(target=lambda: asyncio.run(agent.run()), name="agent")
        self.started.append((agent, thread))
        thread.start()

    def stop(self) -> None:
        for agent, thread in self.started:
            agent.stop()
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
        self.started.clear()

    def shows(self, follow: Follow, watts: int) -> wire.Report:
        """Wait for a report of the agent's present start that shows the contactor so."""
        return self.controller.report(
            lambda r: (r.state[1], r.applied_w[1]) == (follow, watts), f"the contactor to be {follow.name} at {watts} W"
        )

    def restart(self) -> wire.Report:
        """End the agent and start it again; return the first report of the new start."""
        boot = self.controller.reports[-1].echo.boot
        self.stop()
        self.start()
        return self.controller.report(lambda r: r.echo.boot != boot, "a report of the new start")


@pytest.fixture
def bench(broker: BrokerProcess, tmp_path: Path):
    bench = Bench(broker, tmp_path)
    with bench.controller:
        bench.start()
        yield bench
        bench.stop()


def test_it_is_opened_and_closed_by_sets_and_proven_by_what_it_says(bench: Bench) -> None:
    assert bench.shows(Follow.PROVEN, CLOSED_W).proof[1] == Proof.READ_BACK
    sent = bench.controller.send(AGENT, setpoints=OPEN)
    bench.shows(Follow.PROVEN, 0)
    assert bench.main.told[0] is False
    assert bench.main.closed is False
    bench.controller.report(lambda r: r.applied_seq == sent.seq, "the set to be applied")
    bench.controller.send(AGENT, setpoints=CLOSED)
    bench.shows(Follow.PROVEN, CLOSED_W)
    assert bench.main.closed is True


def test_an_end_and_a_restart_leave_it_as_it_is_until_a_set_echoes_this_start(bench: Bench) -> None:
    bench.controller.report(lambda r: True, "first report")
    bench.controller.send(AGENT, setpoints=OPEN)
    before = bench.shows(Follow.PROVEN, 0)
    bench.restart()
    bench.shows(Follow.PROVEN, 0)
    stale = bench.controller.send(AGENT, setpoints=CLOSED, echo=before.echo)
    bench.controller.report(lambda r: r.accepted_seq == stale.seq, "the set to be taken")
    unechoed = bench.controller.send(AGENT, setpoints=CLOSED, echo=None)
    bench.controller.report(lambda r: r.accepted_seq == unechoed.seq, "the set to be taken")
    bench.shows(Follow.PROVEN, 0)
    assert True not in bench.main.told
    bench.controller.send(AGENT, setpoints=CLOSED)
    bench.shows(Follow.PROVEN, CLOSED_W)
    told = list(bench.main.told)
    bench.restart()
    bench.shows(Follow.PROVEN, CLOSED_W)
    assert bench.main.told == told, "closed stays closed, and is told nothing"


def test_the_end_of_its_lease_takes_the_miner_down_and_leaves_the_contactor(bench: Bench) -> None:
    bench.shows(Follow.PROVEN, CLOSED_W)
    bench.controller.send(AGENT, setpoints=CLOSED, ttl_ms=1000)
    bench.controller.report(
        lambda r: r.lapsed and r.applied_w[0] == S21.off_w and not r.lease_left_ms, "the lease's end"
    )
    bench.shows(Follow.PROVEN, CLOSED_W)
    assert bench.main.told == []


def test_what_somebody_opens_is_not_closed_by_the_sets_that_go_on(bench: Bench) -> None:
    bench.shows(Follow.PROVEN, CLOSED_W)
    bench.controller.send(AGENT, setpoints=CLOSED)
    bench.main.closed = False
    bench.shows(Follow.PROVEN, 0)
    for _ in range(3):
        sent = bench.controller.send(AGENT, setpoints=CLOSED)
        bench.controller.report(lambda r, sent=sent: r.applied_seq == sent.seq, "the set to be applied")
    assert bench.main.told == []
    bench.restart()
    bench.controller.send(AGENT, setpoints=CLOSED)
    bench.shows(Follow.PROVEN, 0)
    assert bench.main.told == [], "not even by a new start"


def _taken(path: Path) -> bool:
    """Put a folder where the store writes, unless it is writing just now."""
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def test_an_unusable_store_opens_but_never_closes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contactor, "CLOSES_S", float("inf"))
    bench.shows(Follow.PROVEN, CLOSED_W)
    until(
        lambda: _taken(bench.path.with_name(bench.path.name + ".new")), "the store to have written what it was writing"
    )
    bench.controller.send(AGENT, setpoints=OPEN)
    bench.shows(Follow.PROVEN, 0)
    bench.controller.report(lambda r: "store is unusable" in (r.refused or ""), "the store to be told")
    sent = bench.controller.send(AGENT, setpoints=CLOSED)
    bench.controller.report(lambda r: r.accepted_seq == sent.seq, "the set to be taken")
    bench.controller.report(lambda r: r.state[1] == Follow.GRANTED, "the contactor to wait")
    assert True not in bench.main.told
    bench.path.with_name(bench.path.name + ".new").rmdir()
    until(lambda: bench.main.closed, "the contactor to be closed once the store works")


def test_one_that_is_silent_is_lost_and_told_to_open_all_the_same(bench: Bench) -> None:
    bench.shows(Follow.PROVEN, CLOSED_W)
    bench.main.silent = True
    bench.shows(Follow.LOST, CLOSED_W)
    bench.controller.send(AGENT, setpoints=OPEN)
    until(lambda: bench.main.closed is False, "the contactor to be opened")
