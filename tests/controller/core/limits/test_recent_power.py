"""What an order to reduce is worked out from."""

import math
from dataclasses import replace

import numpy as np
import pytest

from controller.core.limits.envelope import follow_orders
from controller.core.limits.recent_power import MINUTES, no_recent_power, remember
from controller.core.snapshot import OrderLimit
from tests.controller.core.world import World, order, settled
from tests.controller.core.world import site as make_site

SITE = make_site()
NODES = len(SITE.tree.ids)
NOWHERE = np.full(NODES, np.inf)


def seen(watts: float) -> np.ndarray:
    return np.where(np.arange(NODES) == 0, watts, np.inf)


def lately_w(recent, least_w: np.ndarray) -> np.ndarray:
    """Return what counts after an hour in which nobody has looked."""
    return remember(recent, least_w, 3600.0).cut_from_w


def after(*minutes: float | None):
    """Return what is remembered after so many minutes, with the root's least power in each; None: nothing trusted."""
    recent = no_recent_power(SITE)
    for minute, watts in enumerate(minutes):
        recent = remember(recent, NOWHERE if watts is None else seen(watts), 60.0 * minute + 1.0)
    return recent


def test_the_smallest_trusted_power_of_now_counts():
    assert lately_w(after(50e3, 40e3), seen(90e3))[0] == 90e3
    assert math.isinf(lately_w(after(50e3), seen(90e3))[1])


def test_with_nothing_trusted_the_smallest_of_the_last_fifteen_trusted_minutes_counts():
    course = [10e3, *(50e3 + k for k in range(MINUTES - 1))]
    assert lately_w(after(*course), NOWHERE)[0] == 10e3
    assert lately_w(after(*course, 90e3), NOWHERE)[0] == 50e3
    gaps = [each for watts in course for each in (watts, None, None)]
    assert lately_w(after(*gaps), NOWHERE)[0] == 10e3, "minutes without trusted power do not count"


def test_within_a_minute_the_smallest_counts():
    recent = no_recent_power(SITE)
    for second, watts in enumerate((50e3, 30e3, 60e3)):
        recent = remember(recent, seen(watts), 600.0 + second)
    assert lately_w(recent, NOWHERE)[0] == 30e3


def test_a_controller_that_has_just_started_remembers_nothing():
    assert np.isinf(lately_w(no_recent_power(SITE), NOWHERE)).all()


def cut(watts: float, world: World, **more) -> OrderLimit:
    return replace(order(math.inf, world, **more), reduce_by_w=watts)


def test_a_cut_is_worked_out_when_it_comes_into_force_and_stays():
    world = settled(20.0, make_site(), surplus_w=150e3)
    world.orders = (cut(30e3, world),)
    decision = world.cycle()
    (now,) = decision.orders
    assert now.final_w == pytest.approx(decision.cut_from_w[0] - 30e3)
    assert now.final_w < decision.power_w[0]
    later = world.run(20.0)
    assert later.orders[0].final_w == now.final_w, "it is not worked out again from what is left"
    assert later.power_w[0] <= now.final_w * 1.01
    assert later.envelope_w[0] == now.final_w


def test_of_two_meters_that_disagree_the_smaller_counts():
    world = settled(20.0, make_site(), surplus_w=150e3)
    world.scale = {"check": 0.99}
    world.orders = (cut(30e3, world),)
    decision = world.run(2.0)
    assert decision.cut_from_w[0] < decision.power_w[0]


def test_a_cut_of_a_node_that_nobody_has_seen_counts_from_the_least_that_its_devices_draw():
    ramps, limits = follow_orders(
        (), _snapshot(), np.full(NODES, 120e3), (np.full(NODES, np.inf), np.full(NODES, 50e3))
    )
    assert (ramps[0].limit_w, limits[0].limit_w) == (20e3, 20e3)


def _snapshot():
    world = World(make_site(), surplus_w=0.0)
    return replace(world.snapshot(), orders=(cut(30e3, world),))
