import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.kernels.allocate import allocate, release_bases, upper_bound
from controller.core.kernels.tree import device_watts_below
from controller.core.merit import HELD_BONUS, merit_order
from tests.controller.core.kernels import twins
from tests.controller.core.kernels.sites import a_mode, fleets


def solve(tree, columns, *, upper=None, held=None, base=None):
    merit = merit_order(columns)
    upper = columns.max_w if upper is None else upper
    held = columns.off_w if held is None else held
    base = columns.off_w.copy() if base is None else base.copy()
    room = tree.limit_w.copy()
    released = release_bases(tree.parent, columns.node, merit.device_order, columns.off_w, base, room)
    segments = (merit.device, merit.from_w, merit.to_w, merit.density)
    bound = upper_bound(tree.parent, columns.node, merit.order, *segments, base, upper, room.copy())
    watts = base.copy()
    orders = (merit.held_order, merit.held_density, merit.new_order, merit.new_density)
    value = allocate(
        tree.parent, columns.node, *orders, *segments, merit.divisible, upper, held, room.copy(), watts
    )  # fmt: skip
    return watts, value, bound, released, room


@given(fleets(), st.data())
@settings(max_examples=300)
def test_allocation_equals_the_twin(fleet, data):
    tree, columns = fleet
    held = np.array([a_mode(data.draw, columns, i) for i in range(len(columns.ids))])
    upper = np.array([a_mode(data.draw, columns, i) for i in range(len(columns.ids))])
    watts, *_, room = solve(tree, columns, held=held, upper=upper)
    merit = merit_order(columns)
    starts = np.empty(len(merit.device))
    starts[merit.new_order] = merit.new_density
    segments = list(zip(merit.device, merit.from_w, merit.to_w, merit.density, merit.divisible, starts, strict=True))
    expected = twins.allocate(
        list(tree.parent), list(columns.node), segments, upper, held, list(room), list(columns.off_w), HELD_BONUS
    )
    assert np.allclose(watts, expected, atol=1e-6)


@given(fleets())
def test_no_node_is_above_its_limit_but_by_residual_power(fleet):
    tree, columns = fleet
    watts, *_ = solve(tree, columns)
    floor = device_watts_below(tree.parent, columns.node, columns.off_w)
    used = device_watts_below(tree.parent, columns.node, watts)
    assert np.all(used <= np.maximum(tree.limit_w, floor) + 1e-3)


@given(fleets(most_devices=4, most_nodes=3))
@settings(max_examples=150)
def test_bound_is_above_brute_force_and_value_below(fleet):
    tree, columns = fleet
    _watts, value, bound, _, _ = solve(tree, columns)
    best = brute_force(tree, columns)
    if best is None:
        return
    assert bound >= best - 1e-6
    assert value <= bound + 1e-6


def brute_force(tree, columns):
    """Return the best value over all choices of modes, None where not even everything off fits."""
    rows = [range(columns.mode_start[i], columns.mode_start[i + 1]) for i in range(len(columns.ids))]
    best = None
    for choice in itertools.product(*rows):
        chosen = np.array(choice)
        used = device_watts_below(tree.parent, columns.node, columns.mode_w[chosen])
        if np.all(used <= tree.limit_w):
            value = float(columns.mode_value[chosen].sum())
            best = value if best is None else max(best, value)
    return best


@given(fleets())
def test_gap_is_at_most_one_segment_per_saturated_node(fleet):
    tree, columns = fleet
    _, value, bound, _, _ = solve(tree, columns)
    merit = merit_order(columns)
    largest = float(np.max((merit.to_w - merit.from_w) * np.maximum(merit.density, 0.0), initial=0.0))
    # The cost of a start and the bonus of running reorder devices; without either the proof holds as it stands.
    if np.all(merit.new_density == merit.density[merit.new_order]):
        assert bound - value <= largest * len(tree.ids) + 1e-6


def test_held_device_is_not_swapped_for_a_near_equal_one():
    from tests.controller.core.world import devices, tree

    rows = [{"modes": ((10.0, 0.0, False), (1000.0, value, False))} for value in (1.00, 1.02)]
    columns, one = devices(rows), tree(("n", -1, 1100.0, 0.0))
    fresh, *_ = solve(one, columns)
    kept, *_ = solve(one, columns, held=np.array([1000.0, 10.0]))
    assert list(fresh) == [10.0, 1000.0]
    assert list(kept) == [1000.0, 10.0]


def test_bases_that_do_not_fit_are_given_up_least_valuable_first():
    from tests.controller.core.world import devices, tree

    rows = [{"modes": ((10.0, 0.0, False), (1000.0, value, False))} for value in (3.0, 1.0, 2.0)]
    columns, one = devices(rows), tree(("n", -1, 2100.0, 0.0))
    watts, _, _, released, _ = solve(one, columns, base=np.array([1000.0, 1000.0, 1000.0]))
    assert released == 1
    assert list(watts) == [1000.0, 10.0, 1000.0]


def test_unprofitable_devices_stay_off():
    from tests.controller.core.world import devices, tree

    columns = devices([{"modes": ((10.0, 0.0, False), (1000.0, -0.1, False))}])
    watts, *_ = solve(tree(("n", -1, 9000.0, 0.0)), columns, held=np.array([1000.0]))
    assert list(watts) == [10.0]
