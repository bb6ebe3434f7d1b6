import copy

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from controller.core.kernels import greedy
from controller.core.kernels.columns import OPEN
from controller.core.kernels.greedy import cut, quick, tightest
from tests.controller.core.kernels import twins_allocator as twins
from tests.controller.core.kernels.admitted import Admitted, admitted
from tests.controller.core.world import devices, tree
from tests.examples import examples


@given(admitted())
@settings(max_examples=examples(40))
def test_admit_equals_the_twin(case):
    base = case.choices.base_w
    watts, taken, closed = twins.admit(list(case.parent), list(case.room), list(base), case.edges)
    assert np.allclose(case.watts, watts, atol=1e-6)
    assert np.allclose(case.order.sum_w[: len(taken)], np.cumsum(taken), atol=1e-6)
    assert [None if at == OPEN else at for at in case.closings.closed_at] == closed


def stands_at(case, i, watts):
    """Return whether a device stands at its base or at an end of one of its edges, to the bit; or inside a divisible one."""
    edges = [edge for edge in case.edges if edge[1] == i]
    ends = [case.choices.base_w[i], *(to for *_, to, _ in edges)]
    return watts in ends or any(here <= watts <= to for _, _, here, to, divisible in edges if divisible)


def ended_like_the_twin(case, shares, cut):
    """Move the end of the order to some shares of what all of it takes of the site, each as its twin does."""
    base = list(case.choices.base_w)
    most = float(case.order.sum_w[case.order.end - 1]) if case.order.end else 0.0
    for share in shares:
        case.cut_to(share * most, cut)
        end, watts = twins.cut(list(case.parent), list(case.room), base, case.edges, share * most)
        assert case.order.end == end
        assert np.allclose(case.watts, watts, atol=1e-3)
        assert all(stands_at(case, i, at) for i, at in enumerate(case.watts))


SHARES = st.lists(st.floats(-0.1, 1.2), min_size=1, max_size=4)


@given(admitted(), SHARES)
@settings(max_examples=examples(40))
def test_cut_equals_the_twin(case, shares):
    ended_like_the_twin(case, shares, cut)


@given(admitted(), SHARES)
@settings(max_examples=examples(40))
def test_a_fleet_that_is_too_large_for_the_cache_of_a_core_is_cut_alike(case, shares):
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(greedy, "CACHED", 0)
        # Compiled, a kernel would keep the constants of its module.
        ended_like_the_twin(case, shares, getattr(cut, "py_func", cut))


@given(admitted(), SHARES)
@settings(max_examples=examples(40))
def test_nothing_is_left_out_that_still_fits_into_what_whole_modes_leave_of_the_site(case, shares):
    base, watts = case.choices.base_w, case.watts.copy()
    most = float(case.order.sum_w[case.order.end - 1]) if case.order.end else 0.0
    _, taken, _ = twins.admit(list(case.parent), list(case.room), list(base), case.edges)
    for share in shares:
        order = case.order._replace(room_w=share * most)
        end = quick(case.choices, order, case.closings, case.watts, watts)
        case.order = order._replace(end=end)
        left_w = share * most - float((watts - base).sum())
        assert left_w >= min(share * most, 0.0) - 1e-3
        assert all(stands_at(case, i, at) for i, at in enumerate(watts))
        for p in range(end, len(taken)):
            _, i, here, _, _ = case.edges[p]
            waits = case.order.from_w[p] >= 0.0 and watts[i] == here and taken[p] > 0.0
            assert not waits or taken[p] > left_w - 1e-6


@given(admitted(), st.data())
@settings(max_examples=examples(40))
def test_a_branch_that_is_admitted_again_stands_as_if_all_of_the_tree_were(case, data):
    below_site = [n for n in range(1, case.parent.size) if case.parent[n] == 0]
    assume(below_site)
    branch = data.draw(st.sampled_from(below_site))
    asked_w, must_w = case.branches.limit_w.copy(), case.must_w()
    limit_w = asked_w.copy()
    for n in range(branch, branch + case.size[branch]):
        asked_w[n] *= data.draw(st.sampled_from([0.5, 0.9, 1.0, 1.2, 2.0]))
        limit_w[n] = max(asked_w[n], must_w[n])
    anew, watts = copy.deepcopy(case), case.watts.copy()
    anew.admit_all(limit_w)
    case.branches.asked_w[:] = asked_w
    order = case.decide_anew(branch, watts)
    end = order.end
    assert end == order.length
    assert np.allclose(watts, anew.watts, atol=1e-3)
    assert np.allclose(order.sum_w[:end], anew.order.sum_w[:end])
    assert np.array_equal(order.from_w[:end] >= 0.0, anew.order.from_w[:end] >= 0.0)
    # Of nodes above each other that are full at once either may be the one that is said to be.
    assert closed_at(case) == closed_at(anew)
    assert cut_devices(case) == cut_devices(anew)


def closed_at(case) -> list[int]:
    """Return by node from where on nothing of it is admitted, be it closed itself or another above it."""
    found = case.closings.closed_at.tolist()
    for n in range(1, len(found)):
        found[n] = min(found[n], found[case.parent[n]])
    return [found[home] for home in case.home]


def cut_devices(case) -> list[int]:
    return sorted(case.closings.cut_device[case.closings.cut_device >= 0].tolist())


def test_a_small_device_is_raised_where_nothing_of_a_large_one_fits():
    rows = [{"modes": ((0.0, 0.0, False), (1000.0, 10.0, False))}, {"modes": ((0.0, 0.0, False), (100.0, 0.5, False))}]
    columns = devices(rows)
    case = Admitted(tree(("pcc", -1, 5000.0, 0.0)), columns, columns.off_w, columns.max_w)
    watts = case.watts.copy()
    assert quick(case.choices, case.order._replace(room_w=100.0), case.closings, case.watts, watts) == 0
    assert watts.tolist() == [0.0, 100.0]


@pytest.mark.parametrize(
    ("room", "top", "stop", "least"),
    [
        ([50.0, 40.0, 60.0], 0, 1, 40.0),
        ([40.0, 40.0, 60.0], 0, 0, 40.0),
        ([40.0, 40.0, 40.0], 1, 1, 40.0),
        ([9.0, np.inf, np.inf], 1, 1, np.inf),
    ],
)
def test_the_tightest_node_is_the_highest_of_those_with_the_least_room(room, top, stop, least):
    assert tightest(np.array([-1, 0, 1]), np.array(room), 2, top) == (stop, least)


def test_a_part_of_a_device_stays_inside_the_limit_that_it_was_cut_at():
    """The second item of the order is a part of 50 W; of the first, of 1000 W, nothing fits into the 80 W of the site."""
    rows = [
        {"modes": ((0.0, 0.0, False), (1000.0, 10.0, False))},
        {"modes": ((0.0, 0.0, False), (100.0, 0.5, True)), "node": 1},
    ]
    columns = devices(rows)
    case = Admitted(tree(("pcc", -1, 5e3, 0.0), ("n", 0, 50.0, 0.0)), columns, columns.off_w, columns.max_w)
    watts = case.watts.copy()
    quick(case.choices, case.order._replace(room_w=80.0), case.closings, case.watts, watts)
    assert watts.tolist() == [0.0, 50.0]


def test_what_a_new_limit_raises_again_stands_where_it_stood_to_the_bit():
    """The sums of the order are rounded: 33.3 W of one device come before the others."""
    rows = [
        {"modes": ((0.0, 0.0, False), (100.0, 9.0, True)), "node": 1},
        {"modes": ((0.0, 0.0, False), (100.0, 5.0, False))},
        {"modes": ((0.0, 0.0, False), (100.0, 1.0, True))},
    ]
    columns, limits = devices(rows), tree(("pcc", -1, 5e3, 0.0), ("n", 0, 33.3, 0.0))
    case = Admitted(limits, columns, columns.off_w, np.array([100.0, 100.0, 77.7]))
    for room_w in (0.0, 5e3):
        case.cut_to(room_w)
    assert case.watts.tolist() == [33.3, 100.0, 77.7]
