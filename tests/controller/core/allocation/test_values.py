"""What changes cost as part of each mode's value, and the certificate that counts it."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.allocation.merit import HELD_BONUS, START_HORIZON_S
from controller.core.allocation.tables import PAYS_WITHIN_H, make_tables
from controller.core.allocation.values import changes_per_h, earned_per_h, values_now
from controller.demo.device_values import run_at, worth_per_h
from tests.controller.core.world import GPU, MINER, STEPS, World, devices, settled, site, tree
from tests.examples import examples

INF = float("inf")
COSTS = {"start_cost": 0.01, "change_cost": 0.002, "up": 0.0}
START, CHANGE = 0.01 / PAYS_WITHIN_H, 0.002 / PAYS_WITHIN_H
#: Off, two levels of which the upper one is a range.
MIXED = ((25.0, 0.0, False), (500.0, 0.05, False), (1000.0, 0.10, False), (2000.0, 0.18, True))
#: Everything from off to the maximum is one range: there is no start.
SMOOTH = ((25.0, 0.0, False), (2000.0, 0.2, True))


def tables_of(*rows, limit_w=INF):
    base = site(miners=1, stepped=0, gpus=0)
    return make_tables(replace(base, devices=devices(list(rows)), tree=tree(("pcc", -1, limit_w, 0.0))))


@pytest.mark.parametrize(
    ("modes", "current_w", "cost"),
    [
        (MINER, 25.0, [0, START, START]),
        (MINER, 1400.0, [START, 0, 0]),
        (MINER, 2000.0, [START, 0, 0]),
        (STEPS, 25.0, [0, START, START, START]),
        (STEPS, 1916.0, [START, CHANGE, 0, CHANGE]),
        (STEPS, 1500.0, [START, 0, CHANGE, CHANGE]),  # found between two modes: the lower one
        (MIXED, 500.0, [START, 0, CHANGE, CHANGE]),
        (MIXED, 1000.0, [START, CHANGE, 0, 0]),
        (MIXED, 1500.0, [START, CHANGE, 0, 0]),
        (SMOOTH, 25.0, [0, 0]),
        (SMOOTH, 900.0, [0, 0]),
    ],
)
def test_what_it_costs_to_go_from_mode_to_mode(modes, current_w, cost):
    tables = tables_of({"modes": modes} | COSTS)
    earned = np.array([mode[1] for mode in modes])
    assert values_now(tables, np.array([current_w])) == pytest.approx(earned - np.array(cost))


def test_a_start_that_takes_time_still_costs_all_of_its_wear():
    """The allocator counts a share of what a starting device earns, and that share would be taken of the cost too."""
    tables = tables_of({"modes": STEPS} | COSTS | {"up": 0.5 * START_HORIZON_S})
    assert values_now(tables, np.array([25.0]))[1] == pytest.approx(STEPS[1][1] - 2.0 * START)
    too_slow = tables_of({"modes": STEPS} | COSTS | {"up": START_HORIZON_S})
    assert np.isfinite(values_now(too_slow, np.array([25.0]))).all()


def test_without_costs_the_values_are_those_of_the_site():
    tables = tables_of({"modes": STEPS}, {"modes": GPU})
    assert values_now(tables, tables.site.devices.off_w) is tables.site.devices.mode_value


def test_other_values_than_the_sites_are_taken_as_given():
    tables = tables_of({"modes": STEPS} | COSTS)
    assert values_now(tables, np.array([25.0]), np.array([0.0, 1.0, 2.0, 3.0]))[2] == pytest.approx(2.0 - START)


@pytest.mark.parametrize(("before", "after"), list(product([25.0, 500.0, 1000.0, 1500.0], repeat=2)))
def test_what_changes_cost_is_what_the_values_leave_out(before, after):
    tables = tables_of({"modes": MIXED} | COSTS | {"up": 60.0})
    values = replace(tables.site.devices, mode_value=values_now(tables, np.array([before])))
    left_out = worth_per_h(tables.site.devices, np.array([after])) - worth_per_h(values, np.array([after]))
    assert changes_per_h(tables, np.array([before]), np.array([after])) == pytest.approx(left_out[0])


def decide(tables, current_w, limit_w):
    columns = tables.site.devices
    current_w = np.asarray(current_w, dtype=float)
    return tables.allocator.solve(
        limit_w=np.array([limit_w]), base_w=columns.off_w, upper_w=columns.max_w, held_w=current_w,
        mode_value=values_now(tables, current_w),
    )  # fmt: skip


def test_near_equal_devices_do_not_swap_until_the_start_pays():
    rows = [{"modes": ((10.0, 0.0, False), (1000.0, value, False))} | COSTS for value in (1.00, 1.08)]
    assert decide(tables_of(*rows), [1000.0, 10.0], 1100.0).watts.tolist() == [1000.0, 10.0]
    rows[1]["modes"] = ((10.0, 0.0, False), (1000.0, 1.0 + HELD_BONUS + 2.0 * START + 1e-6, False))
    assert decide(tables_of(*rows), [1000.0, 10.0], 1100.0).watts.tolist() == [10.0, 1000.0]


def test_a_start_that_will_not_pay_is_not_made_and_what_runs_is_not_stopped_for_a_small_loss():
    poor, small_loss, loss = (
        ((10.0, 0.0, False), (1000.0, value, False)) for value in (START - 1e-6, 1e-6 - START, -START - 1e-6)
    )
    rows = [{"modes": modes} | COSTS for modes in (poor, small_loss, loss)]
    assert decide(tables_of(*rows), [10.0, 1000.0, 1000.0], 9e3).watts.tolist() == [10.0, 1000.0, 10.0]


def objective(tables, current_w, watts):
    """What the allocator maximises, written apart: device by device, from the meaning of the columns."""
    columns, total = tables.site.devices, 0.0
    for i, (at_w, to_w) in enumerate(zip(current_w, watts, strict=True)):
        rows = slice(columns.mode_start[i], columns.mode_start[i + 1])
        modes = dict(zip(columns.mode_w[rows], columns.mode_value[rows], strict=True))
        off_w, value, kept = columns.off_w[i], modes[to_w], max(modes[at_w], 0.0)
        start, change = columns.start_cost[i] / PAYS_WITHIN_H, columns.change_cost[i] / PAYS_WITHIN_H
        cost = 0.0 if to_w == at_w else start if off_w in (to_w, at_w) else change
        if at_w > off_w and kept > 0.0:
            total += value - cost + HELD_BONUS * min(max(value - cost, 0.0), kept)
        elif at_w > off_w:
            total += (value - cost) * max(0.0, 1.0 - columns.up_s[i] / START_HORIZON_S)
        else:
            total += value * max(0.0, 1.0 - columns.up_s[i] / START_HORIZON_S) - cost
    return total


@st.composite
def cases(draw):
    count = draw(st.integers(1, 5))
    rows = []
    for _ in range(count):
        steps = draw(st.lists(st.integers(1, 40), min_size=1, max_size=3, unique=True))
        modes = [(10.0, 0.0, False)]
        modes += [(10.0 + 50.0 * k, draw(st.integers(-4, 40)) / 8, False) for k in sorted(steps)]
        costs = {"start_cost": draw(st.integers(0, 8)) / 8, "change_cost": draw(st.integers(0, 4)) / 8}
        rows.append(
            {"modes": tuple(modes), "up": draw(st.sampled_from([0.0, 60.0])), "node": draw(st.integers(0, 1))} | costs
        )
    current = [draw(st.sampled_from(row["modes"]))[0] for row in rows]
    limits = [draw(st.integers(60, 3000)) * 1.0, draw(st.integers(60, 2000)) * 1.0]
    return rows, current, limits


@given(cases())
@settings(max_examples=examples(200), deadline=None)
def test_bound_and_worth_are_those_of_revenue_less_what_changes_cost(case):
    rows, current, limits = case
    base = site(miners=1, stepped=0, gpus=0)
    nodes = tree(("pcc", -1, limits[0], 0.0), ("pdu", 0, limits[1], 0.0))
    tables = make_tables(replace(base, devices=devices(rows), tree=nodes))
    columns = tables.site.devices
    current_w = np.array(current)
    found = tables.allocator.solve(
        limit_w=nodes.limit_w, base_w=columns.off_w, upper_w=columns.max_w, held_w=current_w,
        mode_value=values_now(tables, current_w),
    )  # fmt: skip
    at_pdu = columns.node == 1
    best = max(
        objective(tables, current, watts)
        for watts in product(*([mode[0] for mode in row["modes"]] for row in rows))
        if sum(watts) <= limits[0] and np.array(watts)[at_pdu].sum() <= limits[1]
    )
    assert found.worth_per_h == pytest.approx(objective(tables, current, found.watts), abs=1e-9)
    assert found.bound_per_h >= best - 1e-9
    assert found.worth_per_h == pytest.approx(best, abs=1e-9), "so small a site is solved to the end"


def test_the_decision_says_revenue_worth_and_bound_by_their_names():
    world = World(site(), surplus_w=90e3)
    columns = world.site.devices
    cost = np.full(len(columns.ids), 0.01)
    world = World(replace(world.site, devices=replace(columns, start_cost=cost, change_cost=cost)), surplus_w=90e3)
    for _ in range(60):
        decision = world.cycle()
        assert decision.worth_per_h <= decision.bound_per_h
    earned = worth_per_h(columns, decision.setpoint_w).sum()
    assert decision.value_per_h == pytest.approx(earned, rel=0.02)
    assert decision.value_per_h < decision.worth_per_h <= 1.06 * decision.value_per_h, (
        "all runs: only the bonus is left"
    )


def test_where_nothing_costs_nothing_is_left_out():
    tables = tables_of({"modes": STEPS})
    assert changes_per_h(tables, np.array([25.0]), np.array([1080.0])) == 0.0


@pytest.mark.parametrize("cost", ["start_cost", "change_cost"])
def test_one_kind_of_cost_is_enough(cost):
    tables = tables_of({"modes": STEPS, cost: 1.0})
    assert values_now(tables, np.array([STEPS[1][0]])).tolist() != tables.site.devices.mode_value.tolist()


@given(cases(), st.lists(st.booleans(), min_size=5, max_size=5))
@settings(max_examples=examples(100), deadline=None)
def test_what_some_devices_earn_is_their_share_of_what_all_do(case, drawn):
    rows, current, _ = case
    tables = tables_of(*(row | {"node": 0} for row in rows))
    who, watts = np.array(drawn[: len(rows)]), np.array(current)
    each = worth_per_h(tables.site.devices, watts)
    assert earned_per_h(tables, who, watts) == pytest.approx(each[who].sum(), abs=1e-12)


@pytest.mark.parametrize("modes", [MIXED, SMOOTH, GPU, MINER, STEPS])
def test_what_a_device_earns_between_its_modes_is_by_its_range(modes):
    tables = tables_of({"modes": modes})
    for watts in np.linspace(modes[0][0], modes[-1][0], 50):
        at_w = run_at(tables.site.devices, np.array([watts]))
        assert earned_per_h(tables, np.array([True]), at_w) == pytest.approx(worth_per_h(tables.site.devices, at_w)[0])


@pytest.mark.parametrize("vice", ["silent", "dumb", "deaf_agents"])
def test_what_is_not_led_earns_nothing_that_is_told(vice):
    """An agent that hangs, devices that are lost, an agent that takes nothing: whatever they do, it is not known."""
    world = settled(60, site(), surplus_w=90e3)
    before = world.decided
    columns = world.site.devices
    mine = columns.agent == world.site.agents.index("agent-b")
    match vice:
        case "silent":
            world.silent = {"agent-b"}
        case "deaf_agents":
            world.deaf_agents = {"agent-b"}
        case _:
            world.dumb = mine
    decision = world.run(20)
    led = worth_per_h(columns, decision.setpoint_w)[~mine].sum()
    assert 0.0 < led < 0.98 * before.value_per_h
    assert decision.value_per_h == pytest.approx(led, rel=0.02)
