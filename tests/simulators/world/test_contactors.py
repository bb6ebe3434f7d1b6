"""Contactors of nodes: what an open one takes from below it, and how a bad one misleads."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest

from drivers.errors import Refused
from drivers.fleet.catalogue import load_catalogue
from simulators import messages
from simulators import worldlink as link
from simulators.curve import Curve
from simulators.world.physics import Physics
from simulators.world.referee import Thresholds
from simulators.world.site import WorldDevice, WorldSite, read_site
from simulators.world.vices import WHAT_OF_CONTACTORS, ContactorVice, Vice
from simulators.world.world import World
from tests.e2e.yard import SITE

CURVE = Curve(t_s=np.array([0.0]), surplus_w=np.array([1e6]), label="level")
S21 = load_catalogue()["antminer-s21"]
FULL_W = 3500


class Bench:
    """pcc over tx over hall: a miner at each, house load at each, and contactors at tx and hall; all at full power."""

    def __init__(self) -> None:
        self.site = WorldSite(
            id="bench",
            node_ids=("pcc", "tx", "hall"),
            parent=np.array([-1, 0, 1]),
            limit_w=np.full(3, np.inf),
            house_w=np.array([1000.0, 2000.0, 4000.0]),
            accuracy=np.zeros(3),
            devices=tuple(WorldDevice(id=name, model=S21, node=k) for k, name in enumerate(("a", "b", "c"))),
            contract_w=1e9,
            firm_w=0.0,
            ramp_up_w_s=1e9,
            settle_s=15.0,
            lease_s=30.0,
            feeder_rating_w=1e9,
            contactors=("tx", "hall"),
        )
        self.physics = Physics(self.site, seed=1)
        self.world = World(self.physics, CURVE, Thresholds(), relays=["c"])
        for device in "abc":
            self.ask(messages.CommandDevice(id=1, device=device, watts=FULL_W))
        self.run(S21.up_s + 10.0)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / self.physics.step_s)):
            self.world.step()

    def ask(self, request: link.AnyRequest) -> link.AnyReply | None:
        reply = self.world.answer(request)
        if isinstance(reply, Future):
            return reply.result() if reply.done() else None
        return reply

    def switch(self, node: str, *, closed: bool) -> link.AnyReply | None:
        return self.ask(messages.SwitchContactor(id=1, node=node, closed=closed))

    def says(self, node: str) -> bool | None:
        reply = self.ask(messages.ReadContactor(id=1, node=node))
        return reply.closed if isinstance(reply, messages.ContactorAnswer) else None

    def vice(self, node: str, vice: ContactorVice, *, on: bool = True) -> None:
        self.ask(messages.SetContactorVice(nodes=[node], vice=vice, on=on))

    @property
    def truth(self) -> link.Truth:
        reply = self.ask(link.GetTruth())
        assert isinstance(reply, link.Truth)
        return reply

    @property
    def devices_w(self) -> list[float]:
        return [float(watts) for watts in self.physics.draw_w]


FULL = pytest.approx(FULL_W, rel=0.07)


def test_closed_at_first():
    bench = Bench()
    assert bench.truth.contactors == {"tx": True, "hall": True}
    assert bench.says("hall") is True
    assert bench.devices_w == [FULL] * 3


def test_open_all_that_hangs_below_draws_nothing_and_is_silent():
    bench = Bench()
    assert bench.switch("hall", closed=False) == link.Ok()
    bench.run(0.2)
    assert bench.truth.node_w["hall"] == 0.0, "its house load too"
    assert bench.devices_w == [FULL, FULL, 0.0]
    assert bench.ask(messages.ReadDevice(id=1, device="c")) is None
    assert bench.ask(messages.ReadDevice(id=1, device="b")) is not None
    assert (bench.says("hall"), bench.truth.contactors) == (False, {"tx": True, "hall": False})
    bench.switch("tx", closed=False)
    bench.run(0.2)
    assert bench.truth.node_w["tx"] == 0.0
    assert bench.truth.site_w == pytest.approx(FULL_W + 1000.0, rel=0.2)


def test_closed_again_the_devices_boot_at_what_they_have_stored():
    bench = Bench()
    bench.ask(messages.CommandDevice(id=1, device="c", watts=2000))
    bench.run(10.0)
    bench.switch("hall", closed=False)
    bench.run(5.0)
    bench.switch("hall", closed=True)
    bench.run(0.2)
    reply = bench.ask(messages.ReadDevice(id=1, device="c"))
    assert isinstance(reply, messages.DeviceAnswer)
    assert (reply.state, reply.setpoint_w, reply.uptime_s < 1.0) == ("starting", 2000, True)
    bench.run(S21.up_s + 10.0)
    assert bench.devices_w[2] == pytest.approx(2000, rel=0.07)
    assert bench.devices_w[:2] == [FULL, FULL], "the others have not noticed"


def test_a_device_that_forgets_comes_up_at_full_power():
    bench = Bench()
    bench.ask(messages.CommandDevice(id=1, device="c", watts=0))
    bench.ask(messages.SetVice(devices=["c"], vice=Vice.FORGETS, on=True))
    bench.switch("hall", closed=False)
    bench.run(1.0)
    bench.switch("hall", closed=True)
    bench.run(S21.up_s + 10.0)
    assert bench.devices_w[2] == FULL


def test_below_two_open_ones_the_power_comes_back_with_the_second():
    bench = Bench()
    for node in ("tx", "hall"):
        bench.switch(node, closed=False)
    bench.switch("hall", closed=True)
    bench.run(1.0)
    assert bench.devices_w[1:] == [0.0, 0.0]
    bench.switch("tx", closed=True)
    bench.run(S21.up_s + 10.0)
    assert bench.devices_w[1:] == [FULL, FULL]


def test_a_relay_below_keeps_its_own_contact():
    bench = Bench()
    bench.ask(messages.SwitchRelay(id=1, device="c", closed=False))
    bench.switch("hall", closed=False)
    bench.switch("hall", closed=True)
    bench.run(S21.up_s + 10.0)
    assert bench.devices_w[2] == 0.0, "the relay is open"
    bench.switch("hall", closed=False)
    bench.ask(messages.SwitchRelay(id=1, device="c", closed=True))
    assert bench.ask(messages.ReadRelay(id=1, device="c")) == messages.RelayAnswer(closed=True)
    bench.run(1.0)
    assert bench.devices_w[2] == 0.0, "the contactor is open"
    bench.switch("hall", closed=True)
    bench.run(S21.up_s + 10.0)
    assert bench.devices_w[2] == FULL


def test_told_again_what_it_is_nothing_boots():
    bench = Bench()
    bench.switch("hall", closed=True)
    bench.run(0.2)
    assert bench.devices_w == [FULL] * 3


def test_a_welded_one_says_that_it_is_open_and_stays_closed_until_it_is_well_again():
    bench = Bench()
    bench.vice("hall", ContactorVice.WELDED)
    assert bench.switch("hall", closed=False) == link.Ok()
    bench.run(1.0)
    assert (bench.says("hall"), bench.truth.contactors["hall"], bench.devices_w[2]) == (False, True, FULL)
    bench.vice("hall", ContactorVice.WELDED, on=False)
    bench.run(1.0)
    assert (bench.truth.contactors["hall"], bench.devices_w[2]) == (False, 0.0)
    bench.vice("hall", ContactorVice.WELDED)
    assert bench.truth.contactors["hall"] is False, "what is open does not weld shut"
    bench.switch("hall", closed=True)
    bench.switch("hall", closed=False)
    assert bench.truth.contactors["hall"] is True


def test_a_silent_one_does_nothing_and_never_answers():
    bench = Bench()
    bench.vice("hall", ContactorVice.SILENT)
    assert bench.switch("hall", closed=False) is None
    assert bench.says("hall") is None
    bench.run(1.0)
    assert bench.devices_w[2] == FULL
    bench.vice("hall", ContactorVice.SILENT, on=False)
    assert bench.says("hall") is True


def test_a_node_without_one_is_refused_and_nothing_changes():
    bench = Bench()
    for act in (
        lambda: bench.switch("pcc", closed=False),
        lambda: bench.says("nowhere"),
        lambda: bench.ask(messages.SetContactorVice(nodes=["hall", "pcc"], vice=ContactorVice.WELDED, on=True)),
    ):
        with pytest.raises(Refused, match=r"no contactor: (pcc|nowhere)"):
            act()
    bench.switch("hall", closed=False)
    bench.run(0.2)
    assert bench.devices_w[2] == 0.0


def test_the_referee_offers_nothing_to_what_has_no_power():
    """What a tripped node could have drawn is not held against the site, and its floor is none."""
    bench = Bench()
    bench.ask(link.Ready())
    bench.run(5.0)
    before = bench.world.trace()
    bench.switch("tx", closed=False)
    bench.run(5.0)
    after = bench.world.trace()
    assert before.able_w[-1, 1:] == pytest.approx([FULL_W + 1700, FULL_W + 3400], rel=0.2)
    assert after.able_w[-1, 1:].tolist() == [0.0, 0.0]
    assert before.floor_w[-1, 1] > 0.0
    assert after.floor_w[-1, 1:].tolist() == [0.0, 0.0]


def test_every_vice_is_said_in_words():
    assert WHAT_OF_CONTACTORS.keys() == set(ContactorVice)


def test_the_site_file_names_them(tmp_path):
    text = SITE.read_text().replace("{id: hall, parent: pcc,", "{id: hall, parent: pcc, contactor: {trip_after: 60 s},")
    (tmp_path / "site.yaml").write_text(text)
    assert read_site(tmp_path / "site.yaml").contactors == ("hall",)
    assert read_site(SITE).contactors == ()
