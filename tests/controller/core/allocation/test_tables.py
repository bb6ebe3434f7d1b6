"""What follows from the site alone."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core.allocation import tables as tables_of_a_site
from controller.core.allocation.allocator import ROUNDS
from controller.core.allocation.tables import make_tables
from controller.core.kernels.greedy import branch_of
from tests.controller.core.world import GPU, MINER, RULES, STEPS, devices, site, tree


def planned(rows, **changes):
    base = site(RULES)
    columns = devices(rows)
    nodes = tree(("pcc", -1, float("inf"), 0.0), ("a", 0, 1e5, 0.0), ("b", 0, 1e5, 0.0), ("b1", 2, 1e5, 0.0))
    return make_tables(replace(base, tree=nodes, devices=columns, agents=("agent-a",), **changes))


def test_the_lowest_running_mode_is_the_one_after_off():
    tables = planned([{"modes": MINER}, {"modes": STEPS}, {"modes": GPU}])
    assert tables.on_w.tolist() == [1400.0, 1080.0, 3600.0]


def test_devices_come_by_what_their_best_mode_earns_a_watt():
    tables = planned([{"modes": STEPS}, {"modes": GPU}, {"modes": ((40.0, 0.0, False),)}, {"modes": MINER}])
    assert tables.device_order.tolist() == [1, 3, 0, 2]


def test_a_device_that_is_only_ever_off_starts_with_no_step():
    tables = planned([{"modes": ((40.0, 0.0, False),)}])
    assert tables.on_w.tolist() == [40.0]
    assert tables.largest_start_w == 0.0


def test_the_largest_start_counts_with_its_tolerance():
    tables = planned([{"modes": MINER, "tolerance": 0.05}, {"modes": GPU, "tolerance": 0.10}])
    assert tables.largest_start_w == pytest.approx((3600.0 - 150.0) * 1.10)


def test_tolerance_is_the_largest_below_each_node():
    tables = planned(
        [
            {"modes": MINER, "node": 1, "tolerance": 0.02},
            {"modes": MINER, "node": 3, "tolerance": 0.07},
            {"modes": MINER, "node": 2, "tolerance": 0.04},
        ]
    )
    assert tables.tolerance.tolist() == [0.07, 0.02, 0.07, 0.07]


def test_residual_watts_add_up_along_the_tree():
    tables = planned([{"modes": MINER, "node": 1}, {"modes": GPU, "node": 3}, {"modes": GPU, "node": 2}])
    assert tables.off_below_w.tolist() == [325.0, 25.0, 300.0, 150.0]


def test_metered_are_the_nodes_with_a_meter():
    meters = replace(site().meters, node=np.array([0, 3]))
    assert planned([{"modes": MINER}], meters=meters).metered.tolist() == [True, False, False, True]


def test_no_step_is_worth_it_under_one_percent():
    assert planned([{"modes": MINER}, {"modes": GPU}]).least_step_w.tolist() == [35.0, 102.0]


def test_a_site_without_devices_has_a_plan():
    tables = planned([])
    assert tables.largest_start_w == 0.0
    assert tables.tolerance.tolist() == [0.0] * 4


def test_the_allocation_of_many_devices_is_improved_once_only(monkeypatch):
    asked = []
    monkeypatch.setattr(tables_of_a_site, "_MANY", 2)
    monkeypatch.setattr(tables_of_a_site, "make_allocator", lambda *_, rounds: asked.append(rounds))
    for count in (2, 3):
        planned([{"modes": MINER}] * count)
    assert asked == [ROUNDS, 1]


@pytest.mark.parametrize(
    ("costs", "any_cost"), [({}, False), ({"start_cost": 0.01}, True), ({"change_cost": 0.01}, True)]
)
def test_where_nothing_costs_a_change_none_is_reckoned_with(costs, any_cost):
    assert planned([{"modes": MINER}, {"modes": STEPS} | costs]).changes_cost is any_cost


def test_a_branch_is_what_hangs_right_below_the_site():
    parent = planned([{"modes": MINER, "node": node} for node in (1, 3)]).allocator._program.branches.parent
    branches = [branch_of(parent, node) for node in range(parent.size)]
    assert set(branches) == {0, *np.flatnonzero(parent == 0).tolist()}
    assert 0 not in branches[1:]


def test_what_has_more_than_one_level_to_run_on_cannot_be_changed_in_place():
    assert make_tables(site(miners=1, stepped=1, gpus=1)).in_place.tolist() == [True, False, True]
