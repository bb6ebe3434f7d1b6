from dataclasses import replace

import numpy as np
import pytest

from controller.core.modes import Mode
from controller.core.trust.cross_check import contradictions, lasting
from controller.core.trust.node_power import node_power
from tests.controller.core.world import World, site


@pytest.fixture
def running() -> World:
    world = World(site(), surplus_w=90e3)
    world.run(40)
    return world


def found(world: World, *, power=None, taken_ago=(0.0, 0.0), heard_ago=0.0):
    snapshot = world.snapshot()
    watts = np.array(power) if power else snapshot.meters.power_w
    meters = replace(snapshot.meters, power_w=watts, taken_s=snapshot.now_s - np.array(taken_ago))
    fleet = replace(snapshot.fleet, heard_s=np.full(2, snapshot.now_s - heard_ago))
    snapshot = replace(snapshot, meters=meters, fleet=fleet)
    return contradictions(world.site, snapshot, node_power(world.site, meters, snapshot.now_s))


DISAGREE = "meters check and main disagree"
SHORT = "the meters of pcc show less than the devices below it draw"


@pytest.mark.parametrize(
    ("why", "given", "expected"),
    [
        ("agreement", {}, ()),
        ("a little apart", {"power": (92e3, 99e3)}, ()),
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
    doubted, counts = lasting(None, ("x",), Mode.NORMAL, 100.0)
    assert counts == ()
    assert lasting(doubted, ("x",), Mode.NORMAL, 104.9)[1] == ()
    assert lasting(doubted, ("x",), Mode.NORMAL, 105.0)[1] == ("x",)
    assert lasting(doubted, (), Mode.NORMAL, 103.0) == (None, ())


def test_in_init_a_contradiction_counts_at_once():
    assert lasting(None, ("x",), Mode.INIT, 100.0)[1] == ("x",)
