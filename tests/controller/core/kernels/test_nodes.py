"""Which devices and edges an upper node turns to for what it leaves unused."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from controller.core.kernels.columns import OPEN, Draft
from controller.core.kernels.greedy import edge_of
from controller.core.kernels.hull import device_of, worth_at
from controller.core.kernels.nodes import _go_on, _held_by, _near
from tests.controller.core.kernels import twins
from tests.controller.core.kernels.admitted import LOW, RANK, Admitted, admitted
from tests.controller.core.world import devices, tree
from tests.examples import examples


@st.composite
def closed(draw):
    """Return an admitted order and the highest node that one of its closings closed."""
    case = draw(admitted())
    closed_at = case.closings.closed_at
    where = [n for n in range(closed_at.size) if closed_at[n] < OPEN and (n == 0 or closed_at[case.parent[n]] == OPEN)]
    assume(where)
    return case, draw(st.sampled_from(where))


def devices_in_order(case):
    return [device_of(item, LOW, RANK) for item in case.order.items[: case.order.length]]


def hanging(case, n):
    """Return the devices below the node that its closing stopped."""
    closed_at = case.closings.closed_at
    below = range(n, n + case.size[n])
    return {i for i, leaf in enumerate(case.home) if leaf in below and closed_at[leaf] == closed_at[n]}


@given(closed(), st.sampled_from([2, 4, 6, 12]))
@settings(max_examples=examples(60))
def test_devices_to_change_are_all_that_hang_on_the_node_or_those_nearest_to_its_closing(chosen, place):
    case, n = chosen
    closing, near = int(case.closings.closed_at[n]), np.full(place, -1, dtype=np.int32)
    expected = hanging(case, n)
    if place < len(expected):
        order = devices_in_order(case)
        positions = sorted(range(len(order)), key=lambda p: (abs(p - closing), p < closing))
        expected = list(dict.fromkeys(order[p] for p in positions if order[p] in expected))[: place // 2]
    count = _near(n, closing, case.branches, case.order, case.closings.closed_at, near)
    assert len(near[:count]) == len(expected)
    assert set(near[:count].tolist()) == set(expected)


def test_all_that_hang_on_a_node_have_place_whatever_hangs_on_a_node_below_it():
    rows = [(50.0, 1), (40.0, 1), (30.0, 1), (60.0, 2), (55.0, 2)]
    columns = devices([{"modes": ((0.0, 0.0, False), (100.0, value, False)), "node": n} for value, n in rows])
    limits = tree(("pcc", -1, 9e3, 0.0), ("n", 0, 300.0, 0.0), ("m", 1, 150.0, 0.0))
    case = Admitted(limits, columns, columns.off_w, columns.max_w)
    near, closed_at = np.full(4, -1, dtype=np.int32), case.closings.closed_at
    count = _near(1, int(closed_at[1]), case.branches, case.order, closed_at, near)
    assert near[:count].tolist() == [0, 1, 2]


def test_of_two_edges_that_are_as_near_the_one_that_did_not_come_into_question_yet_is_first():
    values = (50.0, 60.0, 70.0, 10.0, 5.0)
    columns = devices([{"modes": ((0.0, 0.0, False), (100.0, value, False)), "node": 1} for value in values])
    case = Admitted(tree(("pcc", -1, 9e3, 0.0), ("n", 0, 350.0, 0.0)), columns, columns.off_w, columns.max_w)
    near, closed_at = np.full(4, -1, dtype=np.int32), case.closings.closed_at
    count = _near(1, int(closed_at[1]), case.branches, case.order, closed_at, near)
    assert near[:count].tolist() == [3, 4]


def test_a_device_is_looked_at_once_however_many_of_its_edges_are_near():
    three = ((0.0, 0.0, False), (100.0, 10.0, False), (200.0, 19.0, False), (300.0, 27.0, False))
    others = [((0.0, 0.0, False), (100.0, value, False)) for value in (50.0, 60.0, 70.0, 5.0)]
    columns = devices([{"modes": modes, "node": 1} for modes in (three, *others)])
    limits = tree(("pcc", -1, 9e3, 0.0), ("n", 0, 450.0, 0.0))
    case = Admitted(limits, columns, columns.off_w, columns.max_w)
    near, closed_at = np.full(4, -1, dtype=np.int32), case.closings.closed_at
    count = _near(1, int(closed_at[1]), case.branches, case.order, closed_at, near)
    assert near[:count].tolist() == [0, 4]


@given(closed(), st.lists(st.floats(0.0, 4000.0), min_size=5, max_size=5))
@settings(max_examples=examples(60))
def test_past_its_closing_a_node_takes_the_edges_that_still_fit(chosen, more_w):
    case, n = chosen
    closing = int(case.closings.closed_at[n])
    draft = Draft(case.watts.copy(), np.maximum(case.level.room_w, 0.0) + np.array(more_w)[: case.parent.size])
    watts, rooms = case.watts.copy(), twins.Rooms(list(case.parent), list(draft.room_w))
    mine = hanging(case, n)
    for p, i in list(enumerate(devices_in_order(case)))[closing + 1 :]:
        _, here_w, to_w = edge_of(case.order.items[p], i, case.choices, case.order)
        if i in mine and watts[i] == here_w and to_w - here_w <= rooms.least(int(case.home[i])):
            watts[i] = to_w
            rooms.take(int(case.home[i]), to_w - here_w)
    worth, value = _go_on(closing, case.branches, case.choices, case.order, case.closings.closed_at, draft)
    assert np.array_equal(draft.watts, watts)
    assert np.allclose(draft.room_w, rooms.left)
    gained = sum(worth_at(case.choices, i, watts[i]) - worth_at(case.choices, i, case.watts[i]) for i in mine)
    assert np.isclose(worth, gained)
    assert np.isclose(value, gained), "nothing runs that would be worth more than it earns"


def test_a_fixed_leaf_hangs_on_what_closed_the_node_above_it():
    parent, closed_at = np.array([-1, 0, 1]), np.array([OPEN, 7, 3])
    own, above = np.array([-1.0, -1.0, -1.0]), np.array([-1.0, -1.0, 0.0])
    held = [_held_by(parent, 2, closing, closed_at, price) for price in (own, above) for closing in (3, 7)]
    assert held == [True, False, False, True]
