"""Where each watt of the envelope goes, in worlds in which that is known."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core.limits.envelope_use import MOST_NODES
from controller.core.limits.house_load import HOUSE_DRIFT
from controller.core.limits.parts import EnvelopePart
from controller.core.modes import Mode
from controller.core.snapshot import Lock
from tests.controller.core.world import MINER, World, devices, order, settled, site, tree, with_rules

FEW = site(miners=20, stepped=0, gpus=0)


def parts_of(world: World, node: int = 0) -> dict[EnvelopePart, float]:
    """Return the parts of a node's envelope now, which are the whole of it."""
    decision = world.decided
    found = decision.parts.by_node()[node]
    assert sum(found.values()) == pytest.approx(decision.envelope_w[node], abs=1e-6)
    assert all(watts >= 0.0 for part, watts in found.items() if part is not EnvelopePart.ABOVE)
    return found


def largest(found: dict[EnvelopePart, float], *beside: EnvelopePart) -> EnvelopePart:
    """Return the largest part of what is not drawn."""
    drawn = {EnvelopePart.USED, EnvelopePart.METERS_APART, EnvelopePart.COUNTED, *beside}
    return max((part for part in found if part not in drawn), key=lambda part: found[part])


def test_what_is_drawn_is_what_the_meter_shows_and_the_house_has_room_to_rise():
    world = settled(240, FEW, surplus_w=40e3)
    found = parts_of(world)
    assert found[EnvelopePart.USED] == pytest.approx(world.site_w)
    assert found[EnvelopePart.HOUSE_DRIFT] == pytest.approx(HOUSE_DRIFT * world.decided.house_w[0])
    assert found[EnvelopePart.USED] > 0.985 * world.decided.envelope_w[0]


def test_where_there_are_no_more_devices_that_is_said():
    found = parts_of(settled(60, FEW, surplus_w=150e3))
    assert largest(found) is EnvelopePart.NO_DEVICE
    assert found[EnvelopePart.NO_DEVICE] > 60e3


def test_in_doubt_devices_are_held():
    world = settled(60, FEW, surplus_w=20e3)
    world.surplus_w = 50e3
    world.silent.add("check")
    assert world.run(8).mode is Mode.HOLD
    assert largest(parts_of(world)) is EnvelopePart.HELD


def test_devices_that_people_work_on_are_held():
    world = settled(60, FEW, surplus_w=60e3)
    world.locks = tuple(Lock(id=f"l{k}", node=2, device=k) for k in range(10))
    world.run(20)
    assert largest(parts_of(world), EnvelopePart.NO_DEVICE) is EnvelopePart.HELD


def test_what_the_ramp_has_not_raised_yet_is_its():
    slow = site(with_rules(ramp_up_w_s=500.0), miners=20, stepped=0, gpus=0)
    assert largest(parts_of(settled(40, slow, surplus_w=60e3))) is EnvelopePart.RAMP


def test_a_limit_below_the_site_is_said_there_and_at_the_site():
    built = site(miners=20, stepped=0, gpus=0)
    narrow = replace(
        built, tree=tree(("pcc", -1, np.inf, 8e3), ("tx", 0, 195e3, 0.0), ("a", 1, 30e3, 0.0), ("b", 1, np.inf, 0.0))
    )
    world = settled(60, narrow, surplus_w=60e3)
    assert largest(parts_of(world), EnvelopePart.NO_DEVICE) is EnvelopePart.LIMITS_BELOW
    below = parts_of(world, 2)
    assert below[EnvelopePart.USED] == 0.0, "no meter shows it"
    assert below[EnvelopePart.COUNTED] == pytest.approx(world.decided.planned_w[2])
    assert below[EnvelopePart.TOLERANCE] == pytest.approx(30e3 - 30e3 / 1.05)
    assert set(world.decided.parts.by_node()) == {0, 2}


def test_what_would_cost_more_than_it_earns_is_not_drawn():
    losing = tuple((watts, -value, continuous) for watts, value, continuous in MINER)
    rows = [{"modes": MINER, "node": 2}] * 5 + [{"modes": losing, "node": 2}] * 15
    built = replace(FEW, devices=devices(rows))
    assert largest(parts_of(settled(60, built, surplus_w=60e3))) is EnvelopePart.NOT_WORTH_IT


def test_caps_that_jobs_do_not_use_are_told():
    built = site(miners=0, stepped=0, gpus=4)
    world = settled(60, built, surplus_w=30e3, gpu_use=0.5)
    assert largest(parts_of(world), EnvelopePart.NO_DEVICE) is EnvelopePart.CAPS


def test_what_devices_that_fall_may_still_draw_is_kept():
    """Miners that are lowered for an order on their feeder have to prove it before the others are given what they leave."""
    built = site(miners=10, stepped=10, gpus=0)
    world = settled(60, built, surplus_w=38e3)
    world.orders = (order(5e3, world, node=2),)
    world.cycle(5)
    assert largest(parts_of(world)) is EnvelopePart.UNPROVEN


def test_what_devices_need_to_come_up_is_told():
    slow = replace(FEW, devices=devices([{"modes": MINER, "node": 2, "up": 60.0}] * 20))
    assert largest(parts_of(settled(15, slow, surplus_w=20e3))) is EnvelopePart.STARTING


def test_meters_that_are_apart_are_told():
    world = settled(60, FEW, surplus_w=40e3, scale={"main": 1.004})
    assert parts_of(world)[EnvelopePart.METERS_APART] == pytest.approx(0.004 * world.site_w)


def test_above_the_envelope_is_told_and_nothing_is_left_over():
    world = settled(60, FEW, surplus_w=50e3)
    world.surplus_w = 10e3
    world.until(lambda decision: decision.envelope_w[0] < 30e3, 5)
    found = parts_of(world)
    assert found[EnvelopePart.ABOVE] == pytest.approx(world.decided.envelope_w[0] - world.site_w)
    assert sum(found.values()) - found[EnvelopePart.ABOVE] == pytest.approx(world.site_w)


def test_of_very_many_nodes_the_site_is_told_and_those_where_a_watt_is_worth_the_most():
    many = 3 * MOST_NODES
    limit_w = np.where(np.arange(many) == many - 1, np.inf, 1e5)
    settled_use = settled(60, FEW, surplus_w=40e3).decided.parts.use()
    use = replace(settled_use, price_per_h=np.arange(many) * 1.0, limit_w=limit_w)
    assert use.told_of().tolist() == [0, *range(many - MOST_NODES, many - 1)]
