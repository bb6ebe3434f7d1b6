"""The two proofs of a bound, beside what they say in words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.kernels.bound import dual_bound, prices, unused_worth
from controller.core.kernels.columns import OPEN, FixedLeaves
from controller.core.kernels.hull import density_of, worth_at
from tests.controller.core.kernels.admitted import LOW, Admitted
from tests.controller.core.kernels.sites import a_mode, fleets, points
from tests.controller.core.world import devices, tree
from tests.examples import examples


@st.composite
def certified(draw):
    """Return (devices, an admitted order, prices of nodes that rise on the way down, fixed leaves)."""
    tree, columns = draw(fleets())
    low, high = (np.array([a_mode(draw, columns, i) for i in range(len(columns.ids))]) for _ in range(2))
    case = Admitted(tree, columns, np.minimum(low, high), np.maximum(low, high))
    price = np.zeros(case.parent.size)
    for n, above in enumerate(case.parent):
        own_price = draw(st.just(0.0) | st.floats(0.0, 2e-3))
        price[n] = own_price + (price[above] if n else 0.0)
    is_fixed = np.array([n > 0 and size == 1 and draw(st.booleans()) for n, size in enumerate(case.size)])
    some_w = np.array([draw(st.floats(0.0, 900.0)) for _ in price])
    fixed = FixedLeaves(np.where(is_fixed, draw(st.floats(0.0, 2e-3)), -1.0), some_w, 1e-3 * some_w)
    return columns, case, price, fixed


@given(certified())
@settings(max_examples=examples(40))
def test_no_more_is_earned_than_what_limits_cost_and_what_devices_earn_beyond_the_prices(given_):
    columns, case, price, fixed = given_
    base, upper = case.choices.base_w, case.choices.upper_w
    expected = 0.0
    for n, above in enumerate(case.parent):
        own_price = price[n] - (price[above] if n else 0.0)
        expected += fixed.unproven[n] if fixed.price_above[n] >= 0.0 else own_price * case.branches.limit_w[n]
    for i, n in enumerate(case.home):
        if fixed.price_above[n] >= 0.0:
            expected += worth_at(case.choices, i, case.watts[i]) - price[case.parent[n]] * case.watts[i]
        else:
            where = points(columns, i, base[i], upper[i], lambda value: value)
            expected += max(gain - price[n] * watts for _, watts, gain in where)
    assert np.isclose(dual_bound(case.branches, case.choices, case.order, fixed, price, case.watts), expected)


@given(certified(), st.lists(st.floats(0.0, 900.0), min_size=5, max_size=5), st.lists(st.integers(0, 6), min_size=5))
@settings(max_examples=examples(40))
def test_no_more_is_lost_than_cut_parts_and_what_fixed_leaves_could_be_worth_at_other_prices(given_, room, closed):
    _, case, _, fixed = given_
    closings, room_w = case.closings, np.array(room)
    for n in range(case.parent.size):
        closings.closed_at[n] = closed[n] if closed[n] < case.order.length else OPEN
    price = np.zeros(case.parent.size)
    prices(case.order, closings.closed_at, price)
    where = closings.closed_at
    assert price.tolist() == [0.0 if p == OPEN else density_of(case.order.items[p], LOW) for p in where]
    parts, lost = unused_worth(case.parent, case.order, closings, fixed, room_w)
    cut = np.flatnonzero(closings.cut_device >= 0)
    assert np.isclose(parts, sum(closings.cut_w[n] * price[n] for n in cut))
    expected = 0.0
    for n in np.flatnonzero(fixed.price_above >= 0.0):
        # At any price of a watt above it, its best filling leaves something between nothing and all of its rest.
        change = fixed.price_above[n] - price[case.parent[n]]
        more = max(change * (room_w[n] - left_w) for left_w in (0.0, fixed.rest_w[n], room_w[n]))
        expected += fixed.unproven[n] + more
    assert np.isclose(lost, expected)


@pytest.mark.parametrize(("filled_at", "more"), [(0.002, 0.001 * 40.0), (0.001, 0.0), (0.0005, 0.0005 * 60.0)])
def test_a_leaf_filled_at_another_price_could_be_worth_more_by_what_it_left_or_by_what_it_took(filled_at, more):
    """Its rest of 100 W has 40 W left; above it a watt is worth a thousandth."""
    columns = devices([{"modes": ((0.0, 0.0, False), (1000.0, 1.0, False)), "node": 1}])
    limits = tree(("pcc", -1, 9e3, 0.0), ("n", 0, 9e3, 0.0))
    case = Admitted(limits, columns, columns.off_w, columns.max_w)
    case.closings.closed_at[:] = 0, OPEN
    fixed = FixedLeaves(np.array([-1.0, filled_at]), np.array([0.0, 100.0]), np.array([0.0, 0.5]))
    parts, lost = unused_worth(case.parent, case.order, case.closings, fixed, np.array([0.0, 40.0]))
    assert parts == 0.0
    assert lost == pytest.approx(0.5 + more)
