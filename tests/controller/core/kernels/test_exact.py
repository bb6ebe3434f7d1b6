"""The best settings of a small site, beside every choice of modes tried one by one, and a range beside arithmetic."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.allocation.branches import make_branches
from controller.core.kernels.exact import OPTIONS, best_settings
from controller.core.kernels.hull import worth_at
from controller.core.kernels.states import StateLists
from tests.controller.core.kernels.sites import a_mode, choices_of, fleets, points
from tests.controller.core.world import devices, tree
from tests.examples import examples

INF = float("inf")
#: No setting loses as much.
WIDE = 1e9


def lists_for(nodes, devices, states=1 << 14, buckets=1024, tries=1 << 30):
    return StateLists(
        spans=np.zeros((3, nodes), np.int64),
        states=np.zeros((4, states)),
        links=np.zeros((2, states), np.int32),
        points=np.zeros((3, buckets + 2)),
        sources=np.zeros((2, buckets + 2), np.int32),
        pieces=np.zeros(buckets + 2, np.int32),
        room_w=np.zeros(nodes),
        tries=np.array([tries]),
        leaves=np.zeros((3, nodes), np.int64),
        left_out=np.zeros(nodes),
        gains=np.zeros(devices),
    )


class Case:
    """A small site with a price of a watt below each of its nodes (N,), by which it is ordered as the kernels want it."""

    def __init__(self, limits, columns, base, upper, own_price):
        self.branches, order = make_branches(limits, columns)
        self.branches.limit_w[:] = limits.limit_w[order]
        self.columns, self.choices = columns, choices_of(columns, base, upper)
        self.parent, self.home = self.branches.parent.tolist(), self.branches.home.tolist()
        self.price = np.zeros(len(self.parent))
        for n, above in enumerate(self.parent):
            self.price[n] = own_price[n] + (self.price[above] if n else 0.0)

    def searched(self, window=WIDE, most_loss=WIDE, buckets=1024, **sizes):
        """Return what is lost, what must be, the worth that it is lost of, and the watts of the devices."""
        *found, _, watts = self.searched_in([window], most_loss, buckets, **sizes)
        return (*found, watts)

    def searched_in(self, windows, most_loss=WIDE, buckets=1024, **sizes):
        """Return the same of the first of the windows that has something, with that window before the watts."""
        devices = len(self.columns.ids)
        watts, lists = np.full(devices, -1.0), lists_for(len(self.parent), devices, buckets=buckets, **sizes)
        bare = tuple(self.branches), tuple(self.choices)
        found = best_settings(*bare, self.price, np.array(windows), most_loss, watts, tuple(lists), buckets)
        return (*found, watts)

    def worth(self, watts):
        return sum(worth_at(self.choices, i, to_w) for i, to_w in enumerate(watts))

    def below(self, watts):
        used = np.bincount(self.home, weights=watts, minlength=len(self.parent))
        for n in range(len(self.parent) - 1, 0, -1):
            used[self.parent[n]] += used[n]
        return used

    def allowed_w(self):
        """Return the limits, no lower than what the bases draw."""
        return np.maximum(self.branches.limit_w, self.below(self.choices.base_w))

    def totals(self):
        """Return the worth of every choice of modes that fits, by its watts."""
        options = [
            [watts for _, watts, _ in points(self.columns, i, self.choices.base_w[i], self.choices.upper_w[i], float)]
            for i in range(len(self.columns.ids))
        ]
        limit_w = self.allowed_w() + 1e-6
        return {
            chosen: self.worth(chosen)
            for chosen in itertools.product(*options)
            if np.all(self.below(np.array(chosen)) <= limit_w)
        }


@st.composite
def cases(draw):
    limits, columns = draw(fleets(most_devices=4, most_nodes=4))
    low, high = (np.array([a_mode(draw, columns, i) for i in range(len(columns.ids))]) for _ in range(2))
    share = draw(st.sampled_from([1.0, 1.0, 0.8]))
    base = np.where(draw(st.booleans()), columns.off_w, np.minimum(low, high))
    own_price = [draw(st.sampled_from([0.0, 2e-4, 1e-3]) | st.floats(0.0, 2e-3)) for _ in limits.parent]
    return Case(limits, columns, base, np.maximum(base, share * np.maximum(low, high)), own_price)


@given(cases())
@settings(max_examples=examples(60))
def test_no_choice_of_modes_is_worth_more_and_the_settings_fit_and_lose_what_is_said(case):
    loss, least, dual, watts = case.searched()
    assert np.all(case.below(watts) <= case.allowed_w() + 1e-3)
    assert case.worth(watts) == pytest.approx(dual - loss, abs=1e-9)
    assert least <= loss + 1e-12
    best = max(case.totals().values())
    assert case.worth(watts) >= best - 1e-9
    assert dual - least >= best - 1e-9
    if not case.columns.mode_continuous.any():
        assert case.worth(watts) == pytest.approx(best, abs=1e-9)


@given(cases(), st.floats(0.0, 2.0))
@settings(max_examples=examples(40))
def test_a_window_never_claims_more_than_holds(case, share):
    loss, _, dual, watts = case.searched()
    found, least, same_dual, others = case.searched(window=share * loss, most_loss=loss + 1e-9)
    if found < INF:
        assert same_dual == pytest.approx(dual, abs=1e-9)
        assert case.worth(others) <= case.worth(watts) + 1e-9
        assert dual - least >= case.worth(watts) - 1e-9


@given(cases(), st.lists(st.floats(0.0, 1.2), min_size=2, max_size=4))
@settings(max_examples=examples(40))
def test_of_several_windows_the_first_that_has_something_is_searched_as_if_it_were_the_only_one(case, shares):
    most_loss = case.searched()[0] + 1e-9
    windows = [share * most_loss for share in sorted(shares)]
    *found, window, watts = case.searched_in(windows, most_loss)
    alone = [case.searched(window=each, most_loss=most_loss) for each in windows]
    having = [k for k, each in enumerate(alone) if each[0] < INF]
    if not having:
        assert found[0] == INF
        return
    first = having[0]
    assert (found, window) == (list(alone[first][:3]), windows[first])
    assert watts.tolist() == alone[first][3].tolist()


def test_where_all_lose_more_than_the_window_nothing_is_found():
    columns = devices([{"modes": steps(0)}])
    case = Case(tree(("n", -1, 15.0, 0.0)), columns, columns.off_w, columns.max_w, [1e-3])
    assert case.searched()[0] == pytest.approx(5e-3)
    assert case.searched(window=4.9e-3)[0] == INF
    assert case.searched(window=5.1e-3)[0] == pytest.approx(5e-3)


def steps(k):
    """Return three modes that earn in proportion to their watts; all sums of such devices differ, and none is needless."""
    return tuple((10.0 * step * 3**k, 0.01 * step * 3**k, False) for step in range(3))


def three_devices():
    columns = devices([{"modes": steps(k)} for k in range(3)])
    return Case(tree(("n", -1, 1500.0, 0.0)), columns, columns.off_w, columns.max_w, [1e-3])


@pytest.mark.parametrize(
    ("why", "states", "found"),
    [
        ("there is place", 1 << 14, True),
        ("not even to begin", OPTIONS, False),
        ("not for the sums of a third device", 3 + 3 + 9 + OPTIONS, False),
    ],
)
def test_where_there_is_no_place_for_all_that_could_be_the_best_it_says_so(why, states, found):
    loss, *_ = three_devices().searched(states=states)
    assert (loss >= 0.0) == found, why


#: Three modes and three, and nine sums of these and three.
@pytest.mark.parametrize(("tries", "found"), [(9 + 27, True), (9 + 26, False)])
def test_no_more_pairs_are_tried_than_there_is_time_for(tries, found):
    loss, *_ = three_devices().searched(tries=tries)
    assert (loss >= 0.0) == found


def ranges(*rows):
    return [{"modes": row} for row in rows]


#: 0, or from 1,000 to 3,000 W.
FLOOR = ((0.0, 0.0, False), (1000.0, 1.0, False), (3000.0, 2.0, True))


def test_at_a_limit_one_range_takes_the_remainder():
    columns = devices(ranges(FLOOR, FLOOR, FLOOR))
    case = Case(tree(("n", -1, 4500.0, 0.0)), columns, columns.off_w, columns.max_w, [5e-4])
    loss, least, dual, watts = case.searched()
    assert watts.sum() == pytest.approx(4500.0)
    assert sorted(watts.tolist()) == pytest.approx([1000.0, 1000.0, 2500.0])
    assert case.worth(watts) == pytest.approx(3.75) == dual - loss
    assert least == pytest.approx(loss)


def test_each_limit_that_binds_has_a_range_of_its_own():
    columns = devices([{"modes": FLOOR, "node": k} for k in (1, 1, 2, 2)])
    limits = tree(("pcc", -1, 7000.0, 0.0), ("a", 0, 2500.0, 0.0), ("b", 0, 4500.0, 0.0))
    case = Case(limits, columns, columns.off_w, columns.max_w, [5e-4, 0.0, 0.0])
    *_, watts = case.searched()
    assert case.below(watts).tolist() == pytest.approx([7000.0, 2500.0, 4500.0])
    assert case.worth(watts) == pytest.approx(2 * 1.0 + 0.25 + 2 * 1.0 + 1.25)


def test_a_range_that_a_node_leaves_open_is_closed_by_one_above():
    columns = devices([{"modes": FLOOR, "node": 2}, {"modes": ((0.0, 0.0, False), (2430.0, 4.0, False)), "node": 0}])
    limits = tree(("pcc", -1, 5000.0, 0.0), ("a", 0, 2900.0, 0.0), ("b", 1, 2800.0, 0.0))
    case = Case(limits, columns, columns.off_w, columns.max_w, [1e-3, 0.0, 0.0])
    *_, watts = case.searched()
    assert watts.tolist() == pytest.approx([5000.0 - 2430.0, 2430.0])


def test_a_limit_below_what_the_bases_draw_is_raised_to_that():
    columns = devices(ranges(FLOOR, FLOOR))
    base = np.array([1000.0, 1000.0])
    case = Case(tree(("n", -1, 500.0, 0.0)), columns, base, columns.max_w, [1e-3])
    loss, least, dual, watts = case.searched()
    assert watts.tolist() == [1000.0, 1000.0]
    assert dual - loss == pytest.approx(2.0)
    assert dual - least >= 2.0 - 1e-9


def test_what_costs_nothing_to_leave_off_is_left_at_its_base():
    """The single state of a node draws nothing: it is a state all the same, with a device of its own."""
    columns = devices([{"modes": ((0.0, 0.0, False), (100.0, 1.0, False)), "node": 1}, {"modes": FLOOR, "node": 2}])
    limits = tree(("pcc", -1, 5000.0, 0.0), ("a", 0, 50.0, 0.0), ("b", 0, 5000.0, 0.0))
    case = Case(limits, columns, columns.off_w, columns.max_w, [0.0, 1e-2, 0.0])
    loss, _, dual, watts = case.searched()
    assert watts.tolist() == [0.0, 3000.0]
    assert case.worth(watts) == pytest.approx(dual - loss)


@given(cases(), st.integers(1, 12))
@settings(max_examples=examples(60))
def test_however_few_buckets_there_are_nothing_is_worth_more_than_what_is_said(case, buckets):
    """What shares a bucket with something better is left out; the least that must be lost counts it."""
    best = max(case.totals().values())
    loss, least, dual, watts = case.searched(buckets=buckets)
    if 0.0 <= loss < INF:
        assert dual - least >= best - 1e-9
        assert case.worth(watts) == pytest.approx(dual - loss, abs=1e-9)
        assert np.all(case.below(watts) <= case.allowed_w() + 1e-3)
