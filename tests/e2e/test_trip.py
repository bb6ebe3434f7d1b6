"""Nodes whose devices do not come down are cut off by their contactors, and come back when a person has looked after them.

The hall's contactor hangs on a coil that the daemon writes, the rack's is a device of an agent. World, substation, agents, daemon
and mosquitto are real processes, and the world says what is really drawn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest

from controller.cli import main
from controller.daemon.journal.chain import read
from controller.daemon.journal.journal import RecordKind
from drivers.clock import boottime_s
from simulators.world.vices import Vice
from tests.brokers import mosquitto_broker
from tests.e2e.yard import PLENTY, RESTED_S, SITE, Yard, options, until

TRIP_AFTER_S: Final = 20.0
_METER: Final = (
    "rating: 120 kW, class: 0.5 %, fed_from: elsewhere, modbus: {{unit: 1, profile: {}, poll: 250 ms, timeout: 1 s}}"
)
#: The yard with a contactor at either node, which have meters of their own.
_CHANGES: Final = {
    "{id: hall, parent: pcc, limit: 60 kW}": "{id: hall, parent: pcc, limit: 60 kW, contactor: {trip_after: 20 s, modbus: "
    "{coil: 12, closed: on, position: {input: 3}, fed_from: elsewhere}}}",
    "{id: rack, parent: pcc, limit: 15 kW, house_load: 500 W}": "{id: rack, parent: pcc, limit: 15 kW, house_load: 500 W, "
    "contactor: {trip_after: 20 s, relay: {agent: rack-2, device: rack-contactor}}}",
    "surplus:\n": f"  - {{id: hall-meter, node: hall, {_METER.format('schneider_pm5xxx')}}}\n"
    f"  - {{id: rack-meter, node: rack, {_METER.format('carlo_gavazzi_em24')}}}\n\n"
    "supply: {controller: elsewhere, broker: elsewhere, agents: {rack-2: elsewhere}}\n\nsurplus:\n",
}


def site_text() -> str:
    text = SITE.read_text(encoding="utf-8")
    for old, new in _CHANGES.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


class Cut:
    """One node of the yard, and what is done to it."""

    def __init__(self, yard: Yard, node: str) -> None:
        self.yard, self.node, site = yard, node, yard.site
        mine = site.devices.node == site.tree.ids.index(node)
        #: Its devices, with what each draws while it is off.
        self.devices = dict(
            zip(np.array(site.devices.ids)[mine].tolist(), site.devices.off_w[mine].tolist(), strict=True)
        )
        self.most_w = float(site.devices.max_w[mine].sum())

    @property
    def truly_closed(self) -> bool:
        return self.yard.world.truth().contactors[self.node]

    @property
    def draws_w(self) -> float:
        return self.yard.world.truth().node_w[self.node]

    @property
    def contactor(self) -> Any:
        return self.yard.status()["nodes"][self.node]["contactor"]

    @property
    def is_led(self) -> bool:
        """Whether any device is told to run, and the node draws what that one needs."""
        told_w = self.yard.applied_w()
        return self.draws_w > 1e3 and any(told_w[id_] > off_w for id_, off_w in self.devices.items())

    def defy(self, limit_w: float) -> float:
        """Have the devices do nothing of what they are told, and order the node to a limit; return when."""
        self.yard.world.set_vice(tuple(self.devices), Vice.DEAF, on=True)
        answer = self.yard.ask("/api/v1/orders", {"id": f"cut-{self.node}", "node": self.node, "limit_w": limit_w})
        assert answer.code == 200, answer
        return boottime_s()

    def until_cut(self) -> None:
        """Wait until the contactor is open, and until the daemon can prove it."""
        until(lambda: not self.truly_closed, f"{self.node} is cut off", tell=self.yard.tell)
        until(lambda: self.contactor["proven_open"], f"{self.node} is proven to be open", tell=self.yard.tell)

    def stays_open(self) -> None:
        """Wait until the daemon shows the trip in NORMAL; nothing has closed the contactor meanwhile."""
        until(self._is_settled, f"{self.node} is tripped, and the site is in NORMAL", tell=self.yard.tell)
        assert not self.truly_closed

    def _is_settled(self) -> bool:
        assert not self.truly_closed
        status = self.yard.status()
        contactor = status["nodes"][self.node]["contactor"]
        return status["mode"] == "normal" and contactor["state"] == "tripped" and contactor["proven_open"]

    def mend(self) -> None:
        """Have the devices obey, release the order, and reset the node by the command of an operator."""
        self.yard.world.set_vice(tuple(self.devices), Vice.DEAF, on=False)
        self.yard.release(f"cut-{self.node}")
        site = ["--site", str(self.yard.setup.daemon_file)]
        assert main(["trip", "reset", self.node, "--reason", "the miners were restarted", *site]) == 0


def records(yard: Yard, kind: RecordKind, node: str) -> list[dict[str, Any]]:
    bodies = [record.body for record in read(yard.folder / "state" / "journal.db") if record.kind == kind]
    return [body for body in bodies if body["node"] == node]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("trip")
    with mosquitto_broker(folder) as broker, contextlib.ExitStack() as ends:
        yard = Yard(folder, broker, options(PLENTY), site_text())
        ends.callback(yard.close)
        yard.processes.open()
        yield yard


def cut_off_and_reset(cut: Cut, share: float, part: str) -> None:
    """Have a node defy until it is cut off; `part`: what is killed and started again then, and does not close it."""
    site, limit_w = cut.yard, round(share * cut.most_w)
    others = {node: closed for node, closed in site.world.truth().contactors.items() if node != cut.node}
    ordered_s = cut.defy(limit_w)
    cut.until_cut()
    assert boottime_s() - ordered_s >= TRIP_AFTER_S
    assert cut.draws_w == 0.0
    trip, cause = cut.contactor["trip"], f"order:grid-authority/cut-{cut.node}"
    assert (trip["cause"], trip["limit_w"]) == (cause, limit_w)
    assert trip["power_w"] > limit_w
    assert trip["for_s"] >= TRIP_AFTER_S
    assert site.world.truth().contactors == others | {cut.node: False}
    assert [body["cause"] for body in records(site, RecordKind.TRIP, cut.node)] == [cause]

    cut.stays_open()
    site.restart(part)
    cut.stays_open()
    truth = site.world.truth()
    assert truth.site_w <= truth.envelope_w

    cut.mend()
    until(lambda: cut.truly_closed, f"{cut.node} is closed again", tell=site.tell)
    reset = records(site, RecordKind.TRIP_RESET, cut.node)
    assert [(body["by"], body["reason"]) for body in reset] == [("operator", "the miners were restarted")]


@pytest.mark.timeout(900)
def test_nodes_that_defy_are_cut_off_and_come_back_by_a_reset_alone(
    site: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    """What had to be brought down rests for minutes before it is asked again: meanwhile it is the other node's turn."""
    site.calm(drawing=True)
    hall, rack = Cut(site, "hall"), Cut(site, "rack")
    assert site.world.truth().contactors == {"hall": True, "rack": True}
    cut_off_and_reset(hall, 0.5, "surplusd")
    until(lambda: site.mode() == "normal", "normal mode", tell=site.tell)
    cut_off_and_reset(rack, 0.4, "fleet")
    said = capsys.readouterr().out
    for cut in (hall, rack):
        assert f"{cut.node} is reset; this is on record" in said
        until(lambda cut=cut: cut.is_led, f"{cut.node} is led again, and draws", RESTED_S, tell=site.tell)
