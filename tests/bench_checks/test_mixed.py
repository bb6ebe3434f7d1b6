"""The judge of modes and ranges: what can be worked out by hand, and what it says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.mixed import options, solve_mixed
from tests.bench.small_sites import Case, Kind, small_case
from tests.controller.core.world import devices, tree
from tests.verify.allocator import walk

FLOOR = ((0.0, 0.0, False), (1000.0, 1.0, False), (3000.0, 2.0, True))


def case_of(limit_w, rows, **given):
    columns = devices([{"modes": modes, "up": 0.0} for modes in rows])
    off = columns.off_w.copy()
    asked = {"base_w": off, "upper_w": columns.max_w.copy(), "held_w": off, "mode_value": columns.mode_value} | given
    return Case(tree=tree(("n", -1, limit_w, 0.0)), devices=columns, **asked)


def test_a_range_with_a_floor_takes_the_remainder():
    assert solve_mixed(case_of(4500.0, [FLOOR] * 3), limit_s=9.0).value_per_h == pytest.approx(3.75)
    assert solve_mixed(case_of(999.0, [FLOOR] * 3), limit_s=9.0).value_per_h == pytest.approx(0.0)


def test_a_base_is_kept_and_a_limit_below_it_is_raised_to_it():
    case = case_of(500.0, [FLOOR] * 2, base_w=np.array([1000.0, 0.0]))
    assert solve_mixed(case, limit_s=9.0).value_per_h == pytest.approx(1.0)


def test_the_options_of_a_device_lie_between_its_base_and_its_upper_watts():
    found = [(one.low_w, one.high_w, one.low, one.high) for one in options(FLOOR, 1500.0, 2500.0)]
    assert found == [(1500.0, 1500.0, 1.25, 1.25), (1500.0, 2500.0, 1.25, 1.75)]
    assert [one.high_w for one in options(FLOOR, 0.0, 3000.0)] == [0.0, 1000.0, 3000.0, 3000.0]


@pytest.mark.parametrize("kind", list(Kind))
def test_the_same_seed_gives_the_same_site(kind):
    one, other = (small_case(7, kind, locks=True) for _ in range(2))
    assert np.array_equal(one.devices.mode_w, other.devices.mode_w)
    assert np.array_equal(one.tree.limit_w, other.tree.limit_w)
    assert np.array_equal(one.base_w, other.base_w)


def test_the_sites_have_all_that_they_are_said_to_have():
    cases = [small_case(seed, Kind.ANY) for seed in range(150)]
    assert any(np.any(case.tree.limit_w == 0.0) for case in cases)
    assert any(np.any(case.tree.limit_w < case.limit_w) for case in cases)
    assert any(np.any(np.isinf(case.tree.limit_w)) for case in cases)
    assert any(np.any(case.mode_value < 0.0) for case in cases)
    assert {1, 2, 5} <= {len(case.devices.ids) for case in cases}
    assert max(len(case.devices.ids) for case in cases) > 100


def test_some_trees_are_walked_without_a_limit_that_breaks():
    assert [told for seed in range(12) for told in walk(seed)] == []
