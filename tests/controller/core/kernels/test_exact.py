"""The best whole modes, beside every choice of modes tried one by one."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.kernels.columns import Branches
from controller.core.kernels.exact import OPTIONS, StateLists, best_modes
from controller.core.kernels.hull import worth_at
from controller.core.kernels.sorting import DIGIT, PASSES
from tests.controller.core.kernels.sites import a_mode, choices_of, fleets, points
from tests.controller.core.world import devices, tree
from tests.examples import examples

INF = float("inf")
#: No choice of modes loses as much.
WIDE = 1e9


def lists_for(nodes, states=4096, merged=4096):
    return StateLists(
        spans=np.zeros((2, nodes), np.int64),
        states=np.zeros((2, states)),
        links=np.zeros((2, states), np.int32),
        merged=np.zeros((2, merged)),
        sources=np.zeros((2, merged), np.int32),
        items=np.zeros((2, merged), np.uint64),
        tally=np.zeros((PASSES, 1 << DIGIT), np.int32),
    )


class Case:
    """A small site with a price of a watt below each of its nodes (N,)."""

    def __init__(self, limits, columns, base, upper, price):
        self.limits, self.columns, self.price = limits, columns, np.array(price)
        self.parent = [int(n) for n in limits.parent]
        self.nodes = range(len(self.parent))
        self.choices = choices_of(columns, base, upper)

    def searched(self, window=WIDE, most_loss=WIDE, **sizes):
        """Return what is lost beyond what the leaf nodes must, and the watts of the devices."""
        columns, nodes = self.columns, len(self.parent)
        home, watts = columns.node.astype(np.int32), np.full(len(columns.ids), -1.0)
        start = np.searchsorted(np.sort(home), np.arange(nodes + 1))
        member = np.argsort(home, kind="stable").astype(np.int32)
        flags, size = np.zeros(nodes, np.bool_), np.ones(nodes, np.int64)
        branches = Branches(self.limits.parent, size, start, member, home, flags, self.limits.limit_w)
        lists = lists_for(nodes, **sizes)
        return best_modes(branches, self.choices, self.price, window, most_loss, watts, lists), watts

    def options(self, i):
        """Return the watts that a device may be set to, each with what it loses against the best of them."""
        gain = lambda watts: worth_at(self.choices, i, watts)  # noqa: E731
        where = points(self.columns, i, self.choices.base_w[i], self.choices.upper_w[i], lambda value: value)
        losses = {watts: self.price[self.columns.node[i]] * watts - gain(watts) for _, watts, _ in where}
        return [(watts, loss - min(losses.values())) for watts, loss in losses.items()]

    def lost(self, n, used_w):
        """Return what of the node's own limit is lost when so much is used; inf where that is too much."""
        own_price = self.price[n] - (self.price[self.parent[n]] if n else 0.0)
        left_w = self.limits.limit_w[n] - used_w
        return INF if left_w < -1e-6 else max(own_price, 0.0) * left_w

    def totals(self):
        """Return what every choice of modes loses, by its watts; and per leaf node (one without nodes below) the least."""
        count, leaves = len(self.columns.ids), [n for n in self.nodes if n not in self.parent]
        losses, must = {}, dict.fromkeys(leaves, INF)
        for chosen in itertools.product(*map(self.options, range(count))):
            used = [0.0 for _ in self.nodes]
            own = [0.0 for _ in self.nodes]
            for i, (watts, loss) in enumerate(chosen):
                own[self.columns.node[i]] += loss
                n = int(self.columns.node[i])
                while n >= 0:
                    used[n] += watts
                    n = self.parent[n]
            each = [own[n] + self.lost(n, used[n]) for n in self.nodes]
            must = {n: min(must[n], each[n]) for n in leaves}
            losses[tuple(watts for watts, _ in chosen)] = sum(each)
        return losses, must

    def best(self):
        """Return what every choice loses beyond what the leaf nodes must, what these must in all, and the worst of them."""
        losses, must = self.totals()
        beyond = sum(loss for n, loss in must.items() if n)
        return (
            {watts: loss - beyond if loss < INF else INF for watts, loss in losses.items()},
            beyond,
            max(must.values()),
        )


@st.composite
def cases(draw):
    limits, columns = draw(fleets(most_devices=4, most_nodes=4))
    low, high = (np.array([a_mode(draw, columns, i) for i in range(len(columns.ids))]) for _ in range(2))
    share = draw(st.sampled_from([1.0, 1.0, 0.8]))
    base = np.where(draw(st.booleans()), columns.off_w, np.minimum(low, high))
    price = []
    for above in limits.parent:  # What is paid for a node's own limit comes on top of what is paid above it.
        own_price = draw(st.sampled_from([0.0, 2e-4, 1e-3]) | st.floats(0.0, 2e-3))
        price.append(own_price + (price[above] if above >= 0 else 0.0))
    return Case(limits, columns, base, np.maximum(base, share * np.maximum(low, high)), price)


@given(cases())
@settings(max_examples=examples(40))
def test_the_modes_lose_as_little_as_the_best_of_all_choices(case):
    losses, *_ = case.best()
    best = min(losses.values())
    found, watts = case.searched()
    assert found == pytest.approx(best, abs=1e-9)
    if best < INF:
        assert losses[tuple(watts)] == pytest.approx(best, abs=1e-9)


@given(cases(), st.floats(0.0, 2.0))
@settings(max_examples=examples(40))
def test_nothing_is_found_where_all_lose_more_than_the_window(case, share):
    losses, *_ = case.best()
    best = min(losses.values())
    window = share * best
    if len(case.nodes) > 1 and best < INF and abs(window - best) > 1e-9:
        assert case.searched(window)[0] == (pytest.approx(best, abs=1e-9) if window > best else INF)


@given(cases())
@settings(max_examples=examples(40))
def test_nothing_is_found_where_a_leaf_must_lose_more_than_is_of_interest(case):
    losses, beyond, must = case.best()
    best = min(losses.values())
    if best < INF:
        assert case.searched(most_loss=best + beyond + 1e-6)[0] == pytest.approx(best, abs=1e-9)
        assert case.searched(most_loss=must - 1e-6)[0] == INF


def steps(k):
    """Return three modes that earn in proportion to their watts; all sums of such devices differ, and none is needless."""
    return tuple((10.0 * step * 3**k, 0.01 * step * 3**k, False) for step in range(3))


#: A node with all devices, and one with a node below it that has them.
ONE, TWO = tree(("n", -1, 1500.0, 0.0)), tree(("pcc", -1, 1500.0, 0.0), ("n", 0, 1500.0, 0.0))


@pytest.mark.parametrize(
    ("why", "count", "sizes", "found"),
    [
        ("there is place", 3, {}, True),
        ("for all sums of three modes of three devices", 3, {"merged": 27}, True),
        ("not for the last of these sums", 3, {"merged": 26}, False),
        # What is kept is a state to begin with, and of each device its modes and the sums with those before it: 1, 3, 3 ...
        ("for as many modes of a third device as there could be", 3, {"states": 1 + 3 + 3 + 3 + 9 + OPTIONS + 1}, True),
        ("not for the last of these", 3, {"states": 1 + 3 + 3 + 3 + 9 + OPTIONS}, False),
        ("for all that is kept of five devices", 5, {"states": 1 + 5 * 3 + 3 + 9 + 27 + 81 + 243}, True),
        ("not for the last of it", 5, {"states": 5 * 3 + 3 + 9 + 27 + 81 + 243}, False),
        ("not even to begin", 3, {"states": OPTIONS}, False),
    ],
)
def test_where_there_is_no_place_for_all_that_could_be_the_best_it_says_so(why, count, sizes, found):
    columns = devices([{"modes": steps(k)} for k in range(count)])
    case = Case(ONE, columns, columns.off_w, columns.max_w, [1e-3])
    loss, _ = case.searched(**sizes)
    assert loss == (pytest.approx(min(case.best()[0].values())) if found else -1.0), why


@pytest.mark.parametrize(
    ("why", "sizes", "found"),
    [
        # The node below keeps 27 sums behind the 22 states that it needed for them.
        ("for what could come at the node above", {"states": 22 + 27 + OPTIONS + 1}, True),
        ("not for that", {"states": 22 + 27 + OPTIONS}, False),
    ],
)
def test_a_node_without_devices_needs_place_too(why, sizes, found):
    columns = devices([{"modes": steps(k), "node": 1} for k in range(3)])
    loss, _ = Case(TWO, columns, columns.off_w, columns.max_w, [0.0, 1e-3]).searched(**sizes)
    assert loss == (0.0 if found else -1.0), why


@pytest.mark.parametrize(("merged", "found"), [(27, True), (26, False)])
def test_sums_of_two_nodes_need_place_too(merged, found):
    columns = devices([{"modes": steps(k), "node": int(k > 0)} for k in range(3)])
    case = Case(TWO, columns, columns.off_w, columns.max_w, [1e-3, 1e-3])
    loss, _ = case.searched(merged=merged)
    assert loss == (pytest.approx(min(case.best()[0].values())) if found else -1.0)


def test_a_window_of_nothing_is_wide_enough_for_what_loses_nothing_but_what_its_leaf_must():
    columns = devices([{"modes": steps(k), "node": 1} for k in range(3)])
    loss, watts = Case(TWO, columns, columns.off_w, columns.max_w, [0.0, 1e-3]).searched(window=0.0)
    assert (loss, watts.tolist()) == (0.0, columns.max_w.tolist())
