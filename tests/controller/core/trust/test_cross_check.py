import numpy as np
import pytest

from controller.core.fleet.bounds import FleetBelow, fleet_below
from controller.core.floor import NodeSums
from controller.core.reasons import Code, Reason
from controller.core.trust.columns import MeterColumns
from controller.core.trust.cross_check import contradictions, lasting
from controller.core.trust.node_power import node_power
from tests.controller.core.world import World, settled, site


@pytest.fixture
def running() -> World:
    return settled(40, site(), surplus_w=90e3)


def fleet_of(world: World, heard_ago=0.0) -> FleetBelow:
    fleet, now_s = world.snapshot().fleet, world.now_s + heard_ago
    return fleet_below(world.site, world.state.leases, fleet, now_s, NodeSums(world.site))


def found(world: World, *, power=None, taken_ago=(0.0, 0.0), heard_ago=0.0):
    watts = np.array(power or (world.site_w, world.site_w))
    columns = MeterColumns(
        power_w=watts,
        taken_s=world.now_s - np.array(taken_ago),
        sane=np.ones(2, dtype=np.bool_),
        vouched=np.ones(2, dtype=np.bool_),
    )
    power = node_power(world.site, columns, world.now_s)
    return contradictions(world.site, columns, power, fleet_of(world, heard_ago), world.now_s)


DISAGREE = Reason(Code.METERS_DISAGREE, "pcc", {"meter": "check", "other": "main"})
SHORT = Reason(Code.METERS_SHORT, "pcc")


@pytest.mark.parametrize(
    ("why", "given", "expected"),
    [
        ("agreement", {}, ()),
        ("a little apart", {"power": (92e3, 99e3)}, ()),
        ("as far apart as they may be", {"power": (84e3, 100e3)}, ()),
        ("far apart", {"power": (92e3, 130e3)}, (DISAGREE,)),
        ("one has the wrong sign", {"power": (92e3, -92e3)}, (DISAGREE,)),
        ("one has the wrong unit", {"power": (92e3, 92.0)}, (DISAGREE,)),
        ("an old reading disagrees with nothing", {"power": (92e3, 10.0), "taken_ago": (0.0, 9.0)}, ()),
        ("both have the wrong unit", {"power": (92.0, 92.0)}, (SHORT,)),
        ("both have the wrong sign", {"power": (-92e3, -92e3)}, (SHORT,)),
        ("both show half", {"power": (46e3, 46e3)}, (SHORT,)),
        ("devices that are silent contradict nothing", {"power": (92.0, 92.0), "heard_ago": 9.0}, ()),
    ],
)
def test_what_cannot_all_be_true_is_said(running, why, given, expected):
    assert found(running, **given) == expected, why


def test_dead_devices_contradict_no_meter(running):
    running.draw_w = running.site.devices.off_w.copy()
    assert found(running, power=(running.site_w, running.site_w)) == ()


def test_a_contradiction_counts_once_it_has_lasted():
    since_s, counts = lasting({}, (SHORT,), 100.0, starting=False)
    assert counts == ()
    assert lasting(since_s, (SHORT,), 104.9, starting=False)[1] == ()
    assert lasting(since_s, (SHORT,), 105.0, starting=False)[1] == (SHORT,)
    assert lasting(since_s, (), 103.0, starting=False) == ({}, ())


def test_a_contradiction_at_one_node_makes_none_at_another_count_before_it_has_lasted_too():
    """There two clocks and a ramp may differ for a moment, whatever is wrong here."""
    since_s, _ = lasting({}, (SHORT,), 100.0, starting=False)
    other = Reason(Code.METERS_SHORT, "hall")
    since_s, counts = lasting(since_s, (SHORT, other), 200.0, starting=False)
    assert counts == (SHORT,)
    assert lasting(since_s, (SHORT, other), 205.0, starting=False)[1] == (SHORT, other)


def test_while_starting_a_contradiction_counts_at_once():
    assert lasting({}, (SHORT,), 100.0, starting=True)[1] == (SHORT,)
