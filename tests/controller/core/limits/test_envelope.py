"""Every limit counts, the smallest wins and is named."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.limits.envelope import (
    Limit,
    StandingLimits,
    envelope,
    failsafe_cap_w,
    follow_orders,
    standing_limits,
    step_limits,
    surplus_limit,
)
from controller.core.limits.orders import in_force
from controller.core.modes import Mode
from controller.core.snapshot import OrderLimit
from tests.controller.core.world import RULES, World, order, site

SITE = site()
NODES = len(SITE.tree.ids)
NO_FLOOR = np.zeros(NODES)
UNLIMITED = StandingLimits(limit_w=np.full(NODES, math.inf), binding=("unlimited",) * NODES)
watts = st.floats(-1e6, 1e9, allow_nan=False)


def test_the_contract_and_every_rating_stand():
    standing = standing_limits(SITE)
    assert standing.limit_w.tolist() == [200e3, 195e3, 150e3, math.inf]
    assert standing.binding == ("contract", "rating:tx", "rating:a", "unlimited")


def test_a_step_that_proves_a_meter_is_a_limit_where_devices_can_go_that_low_and_nowhere_else():
    house_w, off_w = np.array([8e3, 0.0, 0.0, 1e3]), np.full(NODES, 2e3)
    found = step_limits(SITE, np.array([50e3, math.inf, 1999.0, 2e3]), house_w, off_w)
    assert [(each.name, each.limit_w) for each in found] == [("step_test:pcc", 58e3), ("step_test:b", 3e3)]


@pytest.mark.parametrize(("rating_w", "name"), [(199e3, "rating:pcc"), (200e3, "contract"), (201e3, "contract")])
def test_of_contract_and_rating_of_the_site_the_smaller_stands(rating_w, name):
    tree = replace(SITE.tree, limit_w=np.array([rating_w, 195e3, 150e3, math.inf]))
    standing = standing_limits(replace(SITE, tree=tree))
    assert (standing.limit_w[0], standing.binding[0]) == (min(rating_w, 200e3), name)


def test_a_standing_limit_is_named_before_others_that_are_equal():
    bounds = envelope(standing_limits(SITE), [Limit(node=1, limit_w=195e3, name="order:o1")], NO_FLOOR, NO_FLOOR)
    assert bounds.binding[1] == "rating:tx"


@pytest.mark.parametrize(
    ("surplus_w", "limit_w"), [(5e3, 15e3), (0.0, 10e3), (-80e3, 10e3), (math.inf, math.inf), (1e-9, 10e3)]
)
def test_surplus_comes_on_top_of_the_firm_power_and_takes_nothing_from_it(surplus_w, limit_w):
    (limit,) = surplus_limit(SITE, surplus_w)
    assert (limit.node, limit.name, limit.limit_w) == (0, "surplus", pytest.approx(limit_w))


def test_an_unknown_surplus_is_no_limit_of_its_own():
    assert surplus_limit(SITE, None) == []


@given(st.lists(st.tuples(st.integers(0, NODES - 1), watts), max_size=12))
def test_the_smallest_limit_of_each_node_wins_and_the_first_of_equals_is_named(rows):
    limits = [Limit(node=n, limit_w=w, name=f"{k}") for k, (n, w) in enumerate(rows)]
    bounds = envelope(UNLIMITED, limits, NO_FLOOR, NO_FLOOR)
    for n in range(NODES):
        mine = [(w, k) for k, (m, w) in enumerate(rows) if m == n]
        expected = min(mine, default=(math.inf, "unlimited"))
        assert (bounds.limit_w[n], bounds.binding[n]) == (expected[0], str(expected[1]))


@given(st.lists(st.tuples(st.integers(0, NODES - 1), watts), max_size=8), st.integers(0, NODES - 1), watts)
def test_one_more_limit_never_relaxes(rows, node, limit_w):
    limits = [Limit(node=n, limit_w=w, name="x") for n, w in rows]
    more = envelope(UNLIMITED, [*limits, Limit(node=node, limit_w=limit_w, name="more")], NO_FLOOR, NO_FLOOR)
    assert np.all(more.limit_w <= envelope(UNLIMITED, limits, NO_FLOOR, NO_FLOOR).limit_w)


def test_an_envelope_under_what_can_be_reached_is_infeasible_there_and_nowhere_else():
    floor_w = np.array([50.0, 40.0, 10.0, 20.0])
    bounds = envelope(
        UNLIMITED,
        [Limit(node=0, limit_w=50.0, name="a"), Limit(node=3, limit_w=19.9, name="b")],
        floor_w - 5.0,
        floor_w,
    )
    assert bounds.infeasible.tolist() == [False, False, False, True]
    assert bounds.achievable_w is floor_w


def test_failsafe_limits_in_failsafe_only():
    for mode in set(Mode) - {Mode.FAILSAFE}:
        assert failsafe_cap_w(5.0, SITE, mode, 100e3, 1.0) == math.inf


def test_failsafe_comes_down_from_what_the_site_draws_by_the_emergency_ramp():
    cap_w, seen = math.inf, []
    for _ in range(12):
        cap_w = failsafe_cap_w(cap_w, SITE, Mode.FAILSAFE, 100e3, 1.0)
        seen.append(cap_w)
    assert seen[:3] == [90e3, 80e3, 70e3]
    assert seen[-1] == RULES.failsafe_w


@given(previous_w=st.floats(0, 1e6) | st.just(math.inf), site_w=st.floats(-1e5, 1e6), elapsed_s=st.floats(0, 5))
def test_the_failsafe_limit_never_rises_and_never_falls_faster_than_its_ramp(previous_w, site_w, elapsed_s):
    cap_w = failsafe_cap_w(previous_w, SITE, Mode.FAILSAFE, site_w, elapsed_s)
    assert cap_w <= max(previous_w, RULES.failsafe_w)
    assert cap_w >= RULES.failsafe_w
    assert cap_w >= min(previous_w, site_w) - RULES.emergency_ramp_w_s * elapsed_s - 1e-6


def snapshot(*orders: OrderLimit, now_s=1000.0, trusted=True):
    seen = World(SITE, surplus_w=0.0).snapshot()
    return replace(seen, now_s=now_s, utc_s=now_s + 1.7e9, utc_trusted=trusted, orders=orders)


def made(limit_w=50e3, **more) -> OrderLimit:
    return order(limit_w, World(SITE, surplus_w=0.0), **more)


def test_an_order_without_a_ramp_counts_at_once_on_its_node():
    ramps, limits = follow_orders((), snapshot(made(node=2)), np.full(NODES, 120e3))
    assert [ramp.id for ramp in ramps] == ["o1"]
    assert limits == [Limit(node=2, limit_w=50e3, name="order:o1")]


def test_a_ramp_starts_from_what_the_node_drew_and_ends_at_the_limit():
    ramps, seen = (), []
    for second in range(10):
        drawn_w = np.full(NODES, 100e3 - 10e3 * second)
        ramps, (limit,) = follow_orders(ramps, snapshot(made(ramp_w_s=10e3), now_s=1000.0 + second), drawn_w)
        seen.append(limit.limit_w)
    assert seen == [100e3, 90e3, 80e3, 70e3, 60e3, 50e3, 50e3, 50e3, 50e3, 50e3]


def test_a_ramp_never_lets_a_site_up_that_is_below_the_order():
    _, (limit,) = follow_orders((), snapshot(made(ramp_w_s=10.0)), np.full(NODES, 20e3))
    assert limit.limit_w == 50e3


def test_an_order_that_ended_is_forgotten_and_a_new_one_of_its_name_starts_anew():
    ramps, _ = follow_orders((), snapshot(made(ramp_w_s=1e3)), np.full(NODES, 100e3))
    assert follow_orders(ramps, snapshot(), np.full(NODES, 60e3)) == ((), [])
    ramps, (limit,) = follow_orders((), snapshot(made(ramp_w_s=1e3), now_s=1050.0), np.full(NODES, 60e3))
    assert (ramps[0].begun_s, limit.limit_w) == (1050.0, 60e3)


@pytest.mark.parametrize(
    ("why", "utc_s", "trusted", "begun", "binds"),
    [
        ("before its start", 99.9, True, False, False),
        ("at its start", 100.0, True, False, True),
        ("by an untrusted clock too", 100.0, False, False, True),
        ("a clock set back does not suspend it", 0.0, True, True, True),
        ("at its end", 200.0, True, True, False),
        ("its end by an untrusted clock", 200.0, False, True, True),
        ("long after its end by an untrusted clock", 1e12, False, False, True),
    ],
)
def test_i2_when_an_order_binds(why, utc_s, trusted, begun, binds):
    one = replace(made(), starts_utc_s=100.0, ends_utc_s=200.0, begun=begun)
    assert in_force(one, replace(snapshot(), utc_s=utc_s, utc_trusted=trusted)) is binds, why
    ahead = replace(snapshot(), utc_s=0.0, utc_trusted=trusted, utc_latest_s=utc_s)
    assert in_force(one, ahead) is (begun or utc_s >= 100.0), "a clock that may be ahead begins it, and never ends it"


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1.0, 1e6), st.floats(0, 1e4))
def test_an_orders_limit_is_between_it_and_what_was_drawn_and_only_falls(limit_w, drawn_w, ramp_w_s, later_s):
    one = made(limit_w, ramp_w_s=ramp_w_s)
    ramps, (first,) = follow_orders((), snapshot(one), np.full(NODES, drawn_w))
    _, (second,) = follow_orders(ramps, snapshot(one, now_s=1000.0 + later_s), np.full(NODES, drawn_w))
    assert limit_w <= second.limit_w <= first.limit_w <= max(limit_w, drawn_w)


def test_the_next_revision_goes_on_from_where_the_one_before_has_come_to():
    node_w = np.full(NODES, 120e3)
    ramps, _ = follow_orders((), snapshot(made(50e3, ramp_w_s=1e3)), node_w)
    _, limits = follow_orders(ramps, snapshot(made(50e3, ramp_w_s=1e3), now_s=1040.0), node_w)
    assert limits[0].limit_w == 80e3
    relaxed, limits = follow_orders(ramps, snapshot(made(100e3, ramp_w_s=1e3, revision=2), now_s=1040.0), node_w)
    assert limits[0].limit_w == 100e3
    _, limits = follow_orders(relaxed, snapshot(made(20e3, ramp_w_s=1e3, revision=3), now_s=1050.0), node_w)
    assert limits[0].limit_w == 100e3, "it comes down from there, and not from what is drawn still"
    _, limits = follow_orders(ramps, snapshot(made(20e3, revision=2), now_s=1001.0), node_w)
    assert limits[0].limit_w == 20e3, "without a ramp, at once"


@pytest.mark.parametrize(("ramp_w_s", "later_w"), [(1e3, 70e3), (100.0, 79e3), (2e3, 60e3)])
def test_a_revision_that_tightens_an_order_on_its_way_goes_on_from_there_by_its_own_ramp(ramp_w_s, later_w):
    node_w = np.full(NODES, 120e3)
    ramps, _ = follow_orders((), snapshot(made(50e3, ramp_w_s=1e3)), node_w)
    tighter = made(20e3, ramp_w_s=ramp_w_s, revision=2)
    ramps, limits = follow_orders(ramps, snapshot(tighter, now_s=1040.0), node_w)
    assert limits[0].limit_w == 80e3
    _, limits = follow_orders(ramps, snapshot(tighter, now_s=1050.0), node_w)
    assert limits[0].limit_w == later_w


def test_a_revision_for_another_node_begins_with_what_that_draws():
    node_w = np.where(np.arange(NODES) == 0, 120e3, 30e3)
    ramps, _ = follow_orders((), snapshot(made(10e3, node=2, ramp_w_s=1e3)), node_w)
    _, limits = follow_orders(ramps, snapshot(made(50e3, ramp_w_s=1e3, revision=2), now_s=1020.0), node_w)
    assert limits[0].limit_w == 120e3


def test_a_ramp_that_begins_unseen_begins_with_the_most_that_may_be_drawn_and_goes_on_with_what_is_seen():
    one, node_w, unheard_w = made(50e3, ramp_w_s=1e3), np.full(NODES, 20e3), np.full(NODES, 100e3)
    ramps, (limit,) = follow_orders((), snapshot(one), node_w, None, unheard_w)
    assert limit.limit_w == 120e3
    _, (limit,) = follow_orders(ramps, snapshot(one, now_s=1002.0), node_w, None, unheard_w)
    assert limit.limit_w == 118e3
    seen_w = np.full(NODES, 90e3)
    ramps, (limit,) = follow_orders(ramps, snapshot(one, now_s=1002.0), seen_w, None, np.zeros(NODES))
    assert limit.limit_w == 90e3
    _, (limit,) = follow_orders(ramps, snapshot(one, now_s=1012.0), seen_w, None, np.zeros(NODES))
    assert limit.limit_w == 80e3
