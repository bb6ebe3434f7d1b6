import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from controller.core.allocation.allocator import make_allocator
from controller.core.allocation.checks import BadSite
from controller.core.allocation.merit import HELD_BONUS, START_HORIZON_S
from controller.core.kernels.hull import ROWS
from tests.bench import highs
from tests.bench.trees import random_site
from tests.controller.core.kernels import twins_allocator as twins
from tests.controller.core.kernels.sites import a_mode, fleets
from tests.controller.core.world import devices, tree
from tests.examples import examples

ON_OFF = ((10.0, 0.0, False), (1000.0, 1.0, False))


def below(site, columns, watts):
    """Return the watts below every node."""
    used = np.bincount(columns.node, weights=watts, minlength=site.parent.size)
    for n in range(site.parent.size - 1, 0, -1):
        used[site.parent[n]] += used[n]
    return used


def solved(site, columns, **given):
    """Return the allocator and its answer, with everything free and nothing running unless given."""
    off = columns.off_w.copy()
    case = {"limit_w": site.limit_w, "base_w": off, "upper_w": columns.max_w.copy(), "held_w": off} | given
    allocator = make_allocator(site, columns)
    return allocator, allocator.solve(**case)


def instant(columns):
    """Return the devices as ones that start at once, so that a start costs nothing."""
    return replace(columns, up_s=np.zeros(len(columns.ids)))


def allowed(columns, i, watts, base):
    """Return whether a device can run at `watts`: at a mode, inside a continuous range, or at its base."""
    part = slice(int(columns.mode_start[i]), int(columns.mode_start[i + 1]))
    rows, continuous = columns.mode_w[part], columns.mode_continuous[part]
    inside = any(c and low <= watts <= high for low, high, c in zip(rows, rows[1:], continuous[1:], strict=False))
    return inside or bool(np.isclose(rows, watts).any()) or np.isclose(watts, base)


@st.composite
def cases(draw, **sizes):
    """Return (tree, devices, what is given to solve)."""
    site, columns = draw(fleets(**sizes))
    modes = [[a_mode(draw, columns, i) for i in range(len(columns.ids))] for _ in range(3)]
    low, high, held = np.array(modes)
    return site, columns, {"base_w": np.minimum(low, high), "upper_w": np.maximum(low, high), "held_w": held}


@given(cases())
@settings(max_examples=examples(150))
def test_no_limit_and_no_base_is_broken(case):
    site, columns, given = case
    _, answer = solved(site, columns, **given)
    off_below = below(site, columns, columns.off_w)
    assert np.all(below(site, columns, answer.watts) <= np.maximum(site.limit_w, off_below) + 1e-3)
    kept = answer.watts >= given["base_w"] - 1e-6
    assert np.count_nonzero(~kept) <= answer.released
    assert np.all(answer.watts <= given["upper_w"] + 1e-6)
    assert all(allowed(columns, i, w, given["base_w"][i]) for i, w in enumerate(answer.watts))
    assert answer.worth_per_h <= answer.bound_per_h <= answer.program_per_h + 1e-9 * max(1.0, abs(answer.program_per_h))


@given(fleets(most_devices=5, most_nodes=4))
@settings(max_examples=examples(100))
def test_bound_is_above_the_best_of_all_choices_of_modes(fleet):
    site, columns = fleet[0], instant(fleet[1])
    best = None
    for choice in itertools.product(*itertools.starmap(range, itertools.pairwise(columns.mode_start))):
        rows = np.array(choice)
        if np.all(below(site, columns, columns.mode_w[rows]) <= site.limit_w):
            value = float(columns.mode_value[rows].sum())
            best = value if best is None else max(best, value)
    assume(best is not None)
    _, answer = solved(site, columns)
    assert answer.bound_per_h >= best - 1e-9
    assert answer.value_per_h == pytest.approx(answer.worth_per_h)
    if not columns.mode_continuous.any():
        assert answer.value_per_h == pytest.approx(best, abs=1e-9)


@given(fleets())
@settings(max_examples=examples(100))
def test_program_equals_the_twin(fleet):
    site, columns = fleet[0], instant(fleet[1])
    room = site.limit_w - below(site, columns, columns.off_w)
    assume(np.all(room >= 0.0))
    rows = []
    base = 0.0
    for i in range(len(columns.ids)):
        part = slice(int(columns.mode_start[i]), int(columns.mode_start[i + 1]))
        curve = list(zip(columns.mode_w[part], columns.mode_value[part], strict=True))
        base += curve[0][1]
        rows += [(int(columns.node[i]), curve[b][0] - curve[a][0], density) for a, b, density in twins.edges(curve)]
    _, answer = solved(site, columns)
    assert answer.program_per_h == pytest.approx(base + twins.program(list(site.parent), list(room), rows), abs=1e-7)


@pytest.mark.parametrize(("seed", "per_pdu", "continuous"), [(1, 40, 0.0), (2, 4, 0.0), (3, 4, 0.5), (4, 10, 1.0)])
def test_program_equals_highs(seed, per_pdu, continuous):
    site, columns = random_site(seed, 400, per_pdu, continuous=continuous)
    _, answer = solved(site, columns)
    assert answer.program_per_h == pytest.approx(highs.solve_lp(site, columns).value_per_h, rel=1e-9)


@pytest.mark.parametrize("per_pdu", [40, 4])
def test_gap_is_small(per_pdu):
    most = {40: 2e-5, 4: 1e-3}[per_pdu]
    for seed in range(examples(10)):
        site, columns = random_site(seed, 1000, per_pdu)
        _, answer = solved(site, columns)
        assert answer.bound_per_h - answer.worth_per_h <= most * answer.bound_per_h


def test_small_lumpy_sites_are_nearly_optimal():
    gaps = []
    for seed in range(12):
        site, columns = random_site(seed, 40, 3, onoff=True)
        best = highs.solve_milp(site, columns, limit_s=10.0).value_per_h
        gaps.append(1.0 - solved(site, columns)[1].value_per_h / best)
    assert np.median(gaps) <= 1e-3
    assert max(gaps) <= 1e-2


@given(cases(), st.lists(st.floats(0.0, 1.2), min_size=1, max_size=3))
@settings(max_examples=examples(50, times=40))
def test_new_site_limit_equals_a_new_solve(case, shares):
    site, columns, given = case
    allocator, first = solved(site, columns, **given)
    assume(first.released == 0)
    for share in shares:
        limit_w = site.limit_w.copy()
        limit_w[0] = share * columns.max_w.sum()
        quick = allocator.site_limit(float(limit_w[0])).copy()
        refined = allocator.refined()
        _, fresh = solved(replace(site, limit_w=limit_w), columns, **given)
        if fresh.released:
            continue
        assert refined.program_per_h == pytest.approx(fresh.program_per_h, abs=1e-6)
        assert np.allclose(refined.watts, fresh.watts, atol=1e-3)
        assert np.all(below(site, columns, quick) <= np.maximum(limit_w, below(site, columns, given["base_w"])) + 1e-3)
        assert all(allowed(columns, i, w, given["base_w"][i]) for i, w in enumerate(quick))


@given(cases(), st.data())
@settings(max_examples=examples(50, times=40))
def test_new_node_limit_and_new_device_equal_a_new_solve(case, data):
    site, columns, given = case
    allocator, first = solved(site, columns, **given)
    assume(first.released == 0)
    limit_w = site.limit_w.copy()
    for _ in range(2):
        node = data.draw(st.integers(0, len(site.ids) - 1))
        limit_w[node] = data.draw(st.floats(0.0, 1.2)) * columns.max_w.sum()
        allocator.node_limit(node, float(limit_w[node]))
        device = data.draw(st.integers(0, len(columns.ids) - 1))
        low, high, held = (a_mode(data.draw, columns, device) for _ in range(3))
        given = {name: column.copy() for name, column in given.items()}
        given["base_w"][device], given["upper_w"][device] = min(low, high), max(low, high)
        given["held_w"][device] = held
        allocator.device(device, base_w=min(low, high), upper_w=max(low, high), held_w=held)
    _, fresh = solved(replace(site, limit_w=limit_w), columns, **given)
    assume(fresh.released == 0)
    again = allocator.refined()
    assert again.program_per_h == pytest.approx(fresh.program_per_h, abs=1e-6)
    assert np.allclose(again.watts, fresh.watts, atol=1e-3)


@given(cases(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_site_limit_is_worth_no_less(case, a, b):
    site, columns, given = case
    allocator, _ = solved(site, columns, **given)
    programs = []
    for share in sorted((a, b)):
        allocator.site_limit(share * float(columns.max_w.sum()))
        programs.append(allocator.refined().program_per_h)
    assert programs[0] <= programs[1] + 1e-6


@given(cases())
def test_same_input_same_output(case):
    site, columns, given = case
    allocator, first = solved(site, columns, **given)
    watts = first.watts.copy()
    allocator.site_limit(0.5 * float(site.limit_w[0]))
    allocator.refined()
    again = allocator.solve(limit_w=site.limit_w, **given)
    assert np.array_equal(again.watts, watts)
    assert replace(again, watts=first.watts, price_below=first.price_below) == first


def test_new_values_are_followed():
    columns, one = instant(devices([{"modes": ON_OFF}] * 2)), tree(("n", -1, 1100.0, 0.0))
    allocator, _ = solved(one, columns)
    off = columns.off_w
    value = np.array([0.0, 1.0, 0.0, 2.0])
    answer = allocator.solve(limit_w=one.limit_w, base_w=off, upper_w=columns.max_w, held_w=off, mode_value=value)
    assert list(answer.watts) == [10.0, 1000.0]
    assert answer.value_per_h == pytest.approx(2.0)


def test_held_device_is_not_swapped_for_a_near_equal_one():
    rows = [{"modes": ((10.0, 0.0, False), (1000.0, value, False)), "up": 0.0} for value in (1.00, 1.02)]
    columns, one = devices(rows), tree(("n", -1, 1100.0, 0.0))
    assert list(solved(one, columns)[1].watts) == [10.0, 1000.0]
    kept = solved(one, columns, held_w=np.array([1000.0, 10.0]))[1]
    assert list(kept.watts) == [1000.0, 10.0]
    assert kept.worth_per_h == pytest.approx(1.0 + HELD_BONUS)
    assert kept.value_per_h == pytest.approx(1.0)


def test_a_start_costs_the_time_that_it_takes():
    rows = [{"modes": ((10.0, 0.0, False), (1000.0, 1.0, False)), "up": 0.5 * START_HORIZON_S}]
    answer = solved(tree(("n", -1, 5000.0, 0.0)), devices(rows))[1]
    assert answer.worth_per_h == pytest.approx(0.5)
    assert answer.value_per_h == pytest.approx(1.0)


def test_bases_that_do_not_fit_are_released_least_valuable_first():
    rows = [{"modes": ((10.0, 0.0, False), (1000.0, value, False))} for value in (3.0, 1.0, 2.0)]
    columns, one = devices(rows), tree(("n", -1, 2100.0, 0.0))
    answer = solved(one, columns, base_w=np.full(3, 1000.0))[1]
    assert answer.released == 1
    assert list(answer.watts) == [1000.0, 10.0, 1000.0]


def test_what_cannot_be_freed_is_not_released_below_that():
    columns, one = devices([{"modes": ON_OFF}] * 2), tree(("n", -1, 100.0, 0.0))
    answer = solved(one, columns, base_w=np.full(2, 1000.0), stuck_w=np.array([700.0, 10.0]))[1]
    assert answer.released == 2
    assert list(answer.watts) == [700.0, 10.0]


def test_continuous_devices_fill_a_limit_to_the_watt():
    rows = [{"modes": ((25.0, 0.0, False), (1400.0, 0.15, False), (3500.0, 0.30, True)), "up": 0.0}] * 5
    answer = solved(tree(("n", -1, 9000.0, 0.0)), devices(rows))[1]
    assert answer.watts.sum() == pytest.approx(9000.0)
    assert answer.bound_per_h == pytest.approx(answer.worth_per_h)


@pytest.mark.parametrize("node", [0, 1])
def test_a_limit_that_was_none_may_become_one(node):
    columns = instant(devices([{"modes": ON_OFF, "node": 1}] * 4))
    limits = tree(("pcc", -1, np.inf, 0.0), ("f1", 0, np.inf, 0.0))
    allocator, first = solved(limits, columns)
    assert first.watts.sum() == 4000.0
    for limit_w, watts in ((2100.0, 2020.0), (np.inf, 4000.0), (3030.0, 3010.0)):
        assert allocator.node_limit(node, limit_w).sum() == watts
        again = allocator.refined()
        assert again.worth_per_h == again.value_per_h == watts // 1000.0 == pytest.approx(again.bound_per_h)


def test_a_base_that_comes_back_after_a_limit_below_it_is_forgotten():
    columns = instant(devices([{"modes": ON_OFF, "node": 1}] * 2))
    limits = tree(("pcc", -1, 9e3, 0.0), ("f1", 0, 900.0, 0.0))
    allocator, _ = solved(limits, columns)
    allocator.device(0, base_w=1000.0, upper_w=1000.0, held_w=10.0)
    assert list(allocator.refined().watts) == [1000.0, 10.0]
    allocator.device(0, base_w=10.0, upper_w=1000.0, held_w=10.0)
    assert list(allocator.refined().watts) == [10.0, 10.0]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param((0.0, 0.401, 1.502, 5.103, 5.304), id="collinear"),
        pytest.param((0.0, 0.1, 1.0, 4.9, 5.304), id="wrongly bending"),
        pytest.param((0.0, 0.3 * 401, 0.3 * 1502, 0.3 * 5103, 0.3 * 5304), id="collinear but for rounding"),
    ],
)
def test_ranges_that_follow_each_other_are_used_to_the_watt(values):
    watts = (0.0, 401.0, 1502.0, 5103.0, 5304.0)
    modes = tuple(zip(watts, values, (False, True, True, True, True), strict=True))
    columns = replace(devices([{"modes": ((0.0, 0.0, False), *modes[1:])}]), up_s=np.zeros(1))
    answer = solved(tree(("n", -1, 2199.0, 0.0)), columns)[1]
    assert answer.watts.tolist() == pytest.approx([2199.0])
    assert answer.value_per_h == pytest.approx(np.interp(2199.0, watts, values))
    assert answer.bound_per_h >= answer.value_per_h - 1e-12


def test_a_straight_line_of_ranges_is_divisible_at_any_size_and_at_once():
    """The line is rounded in its last digits; a corner that goes lost in that makes one indivisible step of two ranges."""
    watts = (0.0, 401.0, 1502.0, 5103.0, 5304.0)
    modes = ((0.0, 0.0, False), *((w, 3e-4 * w, True) for w in watts[1:]))
    columns = instant(devices([{"modes": modes}] * 200))
    limit_w = 200 * 2199.0
    allocator, answer = solved(tree(("n", -1, limit_w, 0.0)), columns)
    assert answer.watts.sum() == pytest.approx(limit_w)
    assert allocator.site_limit(limit_w - 1234.5).sum() == pytest.approx(limit_w - 1234.5)


def test_the_price_of_a_limit_is_what_a_watt_more_of_it_earns():
    rows = [{"modes": ((0.0, 0.0, False), (1000.0, 1.0, False), (3000.0, 2.0, True)), "node": k} for k in (1, 2)]
    limits = tree(("pcc", -1, 9000.0, 0.0), ("b", 0, 2000.0, 0.0), ("a", 0, 5000.0, 0.0))
    allocator, answer = solved(limits, instant(devices(rows)))
    allocator.solve(limit_w=np.zeros(3), base_w=answer.watts * 0.0, upper_w=answer.watts, held_w=answer.watts)
    assert allocator.limit_prices(answer).tolist() == pytest.approx([0.0, 5e-4, 0.0], rel=1e-6)


def a_site():
    return tree(("pcc", -1, 9e3, 0.0), ("f1", 0, 5e3, 0.0)), devices([{"modes": ON_OFF, "node": 1}] * 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parent": np.array([-1, 1])}, "node f1: its parent does not stand before it"),
        ({"parent": np.array([0, 0])}, "node pcc: the first node"),
        ({"limit_w": np.array([9e3, np.nan])}, "node f1: its limit is nan"),
        ({"limit_w": np.array([-1.0, 1.0])}, "node pcc: its limit is -1"),
        ({"ids": ("pcc", "pcc")}, "node pcc is there twice"),
    ],
)
def test_bad_tree_is_named(change, message):
    site, columns = a_site()
    with pytest.raises(BadSite, match=message):
        make_allocator(replace(site, **change), columns)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode_w": np.array([10.0, 1000.0, 10.0, np.nan])}, "device d0001 has watts below 0 or no number"),
        ({"mode_w": np.array([10.0, 1000.0, -10.0, 1000.0])}, "device d0001 has watts below 0"),
        ({"mode_w": np.array([10.0, 1000.0, 10.0, 10.0])}, "device d0001 has modes that do not ascend"),
        ({"mode_value": np.array([0.0, np.inf, 0.0, 1.0])}, "device d0000 has a value that is no number"),
        ({"mode_start": np.array([0, 4, 4])}, "device d0001 has no modes"),
        ({"node": np.array([1, 2])}, "device d0001 is at no node"),
        ({"node": np.array([1])}, "a node each"),
        ({"mode_start": np.array([1, 2, 4])}, "modes from the first row"),
        ({"mode_start": np.array([0, 2, 3])}, "modes from the first row to the last"),
        ({"mode_start": np.array([0, 4])}, "modes from the first row to the last"),
        ({"ids": ("d0000", "d0000")}, "device d0000 is there twice"),
        ({"ids": ("d0000", "d0001", "d0001")}, "device d0001 is there twice"),
        ({"mode_continuous": np.array([True, False, False, False])}, "device d0000 is continuous below"),
    ],
)
def test_bad_devices_are_named(change, message):
    site, columns = a_site()
    with pytest.raises(BadSite, match=message):
        make_allocator(site, replace(columns, **change))


def test_a_device_with_more_modes_than_a_hull_can_span_is_named():
    modes = tuple((10.0 * k, 0.1 * k, False) for k in range(1, ROWS + 2))
    with pytest.raises(BadSite, match=f"device d0001 has more than {ROWS} modes"):
        make_allocator(a_site()[0], devices([{"modes": modes[:-1]}, {"modes": modes}]))


def test_bad_inputs_of_a_solve_are_named():
    site, columns = a_site()
    with pytest.raises(BadSite, match="device d0001 is given nan W"):
        solved(site, columns, upper_w=np.array([10.0, np.nan]))
    with pytest.raises(BadSite, match="device d0000 is given -1"):
        solved(site, columns, held_w=np.array([-1.0, 10.0]))
    with pytest.raises(BadSite, match="device d0001 is given -1"):
        solved(site, columns, held_w=np.array([0.0, -1.0]))
    with pytest.raises(BadSite, match="limit of node f1"):
        solved(site, columns, limit_w=np.array([10.0, np.nan]))
