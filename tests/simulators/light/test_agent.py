"""A light agent speaks the real contract: the daemon takes what it says, and it takes what the daemon says."""

import pytest

from drivers.fleet import wire
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import CONTROLLER, PrivateKey
from simulators.light.agent import LightAgent

SITE, NAME = "north", "a0"
MODEL = load_catalogue()["antminer-s21"]


class Wired:
    """An agent of two devices, and the controller's key."""

    def __init__(self) -> None:
        self.own, self.controller, self.seq = PrivateKey.generate(), PrivateKey.generate(), 0
        devices = {f"m-{k}": LeasedDevice(model=MODEL, failsafe_w=0.0) for k in range(2)}
        keys = {CONTROLLER: self.controller.public_key()}
        self.agent = LightAgent(site=SITE, agent=NAME, devices=devices, key=self.own, controller_keys=keys)
        keys = {NAME: self.own.public_key()}
        self.inventory = wire.open_inventory(self.agent.meet(100.0), keys, site=SITE, agent=NAME)

    def report(self, now_s: float) -> wire.Report:
        keys = {NAME: self.own.public_key()}
        return wire.open_report(self.agent.report(now_s), keys, site=SITE, agent=NAME)

    def say(self, watts, now_s: float, echo_s: float | None, *, key: PrivateKey | None = None) -> bool:
        self.seq += 1
        echo = None if echo_s is None else wire.Echo(boot=self.inventory.echo.boot, boottime_ms=int(1000 * echo_s))
        body = wire.Set(
            v=2, site=SITE, agent=NAME, key=CONTROLLER, epoch=3, seq=self.seq, ttl_ms=10_000, echo=echo, head=None,
            inventory=self.inventory.inventory, setpoints_w=list(watts),
        )  # fmt: skip
        return self.agent.take(wire.sign(body, key or self.controller), now_s)


@pytest.fixture
def wired():
    return Wired()


def test_what_it_says_is_a_report_of_its_inventory(wired):
    report = wired.report(100.5)
    assert (report.inventory, len(report.applied_w)) == (wired.inventory.inventory, 2)
    assert report.lapsed
    assert report.applied_w == [MODEL.off_w] * 2


def test_it_follows_a_set_that_is_signed_and_says_so(wired):
    assert wired.say([3000, 2000], 101.0, 100.5)
    report = wired.report(101.0)
    assert (report.applied_w, report.accepted_seq, report.lapsed) == ([3000, 2000], 1, False)
    assert report.lease_left_ms == 9_500
    assert (wired.agent.led_s, wired.agent.down_s) == (101.0, None)
    assert wired.say([MODEL.off_w] * 2, 102.0, 101.0)
    assert (wired.agent.down_s, wired.agent.draw_w) == (102.0, 2 * MODEL.off_w)


def test_a_set_of_another_key_is_not_taken(wired):
    assert not wired.say([3000, 2000], 101.0, 100.5, key=PrivateKey.generate())
    assert wired.agent.draw_w == 2 * MODEL.off_w


def test_without_a_clock_nothing_is_raised(wired):
    assert wired.say([3000, 2000], 101.0, None)
    assert wired.agent.draw_w == 2 * MODEL.off_w
    assert wired.agent.led_s is None


def test_a_lease_that_ends_is_counted_and_takes_the_devices_down(wired):
    wired.say([3000, 2000], 101.0, 100.5)
    assert wired.report(110.4).lapsed is False
    report = wired.report(110.6)
    assert (report.lapsed, report.applied_w, wired.agent.lapses) == (True, [MODEL.off_w] * 2, 1)
    assert wired.say([3000, 2000], 111.0, 110.0), "taken by who does not know of the end"
    assert wired.agent.draw_w == 2 * MODEL.off_w


def test_a_raise_by_a_clock_of_before_the_connection_is_counted(wired):
    wired.say([2000, 2000], 101.0, 100.5)
    wired.agent.meet(102.0)
    assert wired.agent.led_s is None
    wired.say([2000, 2000], 102.1, 101.0)
    assert wired.agent.unsure_raises == 0
    wired.say([3000, 2000], 102.2, 101.0)
    assert wired.agent.unsure_raises == 1
    wired.say([3200, 2000], 102.3, 102.1)
    assert wired.agent.unsure_raises == 1
