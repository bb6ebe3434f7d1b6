import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.allocation.merit import by_value
from controller.core.kernels.columns import ModeTable
from controller.core.kernels.grant import Asked, grant, largest_mode
from controller.core.kernels.tree import device_watts_below
from tests.controller.core.kernels import twins
from tests.controller.core.kernels.sites import a_mode, fleets, modes_of, paths_of
from tests.examples import examples


@st.composite
def requests(draw):
    tree, columns = draw(fleets())
    count = len(columns.ids)
    column = lambda: np.array([a_mode(draw, columns, i) for i in range(count)])  # noqa: E731
    current, target = column(), column()
    high = np.maximum(current, column())
    room = np.array([draw(st.floats(-2000.0, 20_000.0)) for _ in tree.ids])
    return (
        tree,
        columns,
        current,
        target,
        high,
        room,
        draw(st.floats(0.0, 9e3)),
        draw(st.sampled_from([0.0, 700.0, float("inf")])),
    )


def granted(tree, columns, current, target, high, room, rise, fall):
    setpoint = np.empty_like(current)
    order = by_value(columns, columns.mode_value)
    asked = Asked(current, target, high, columns.tolerance, least_step_w=0.01 * columns.max_w)
    left = grant(paths_of(tree, columns), order, modes_of(columns), asked, room.copy(), rise, fall, setpoint)
    return setpoint, left


def table_of(columns, i):
    part = slice(int(columns.mode_start[i]), int(columns.mode_start[i + 1]))
    return list(zip(columns.mode_w[part], columns.mode_continuous[part], strict=True))


@given(requests())
@settings(max_examples=examples(150))
def test_grant_equals_the_twin(request_):
    tree, columns, current, target, high, room, rise, fall = request_
    setpoint, _ = granted(*request_)
    modes = [table_of(columns, i) for i in range(len(columns.ids))]
    order = by_value(columns, columns.mode_value).tolist()
    expected = twins.grant(
        list(tree.parent), list(columns.node), order, current, target, high, columns.tolerance,
        0.01 * columns.max_w, modes, list(room), rise, fall,
    )  # fmt: skip
    assert np.allclose(setpoint, expected)


@given(requests())
@settings(max_examples=examples(40))
def test_i7_nothing_is_raised_below_a_node_without_room(request_):
    tree, columns, current, *_ = request_
    room = request_[5]
    setpoint, _ = granted(*request_)
    for i in np.flatnonzero(setpoint > current):
        assert all(room[n] >= 0.0 for n in twins.path(list(tree.parent), int(columns.node[i])))


@given(requests())
@settings(max_examples=examples(40))
def test_i7_newly_committed_power_fits_every_node(request_):
    tree, columns, current, _, high, room, _, _ = request_
    setpoint, _ = granted(*request_)
    more = np.where(setpoint > current, np.maximum(setpoint - high, 0.0) * (1.0 + columns.tolerance), 0.0)
    assert np.all(device_watts_below(paths_of(tree, columns), more) <= np.maximum(room, 0.0) + 1e-3)


@given(requests())
@settings(max_examples=examples(40))
def test_i6_raises_stay_within_the_ramp(request_):
    _, columns, current, *_, rise, _ = request_
    setpoint, _ = granted(*request_)
    risen = np.maximum(setpoint - current, 0.0) * (1.0 + columns.tolerance)
    assert risen.sum() <= rise + 1e-3


@given(requests())
@settings(max_examples=examples(40))
def test_a_limit_lowers_at_once(request_):
    tree, columns, current, target, high, room, rise, _ = request_
    setpoint, _ = granted(tree, columns, current, target, high, room, rise, float("inf"))
    lowered = target < current
    assert np.all(setpoint[lowered] <= target[lowered] + 1e-6)


def test_largest_mode_is_whole_watts_and_off_when_nothing_fits():
    watts, continuous = np.array([25.0, 1400.0, 3500.0]), np.array([False, False, True])
    modes = ModeTable(np.array([0, 3]), watts, np.zeros(3), continuous)
    found = [largest_mode(modes, 0, w) for w in (0.0, 1399.0, 1400.0, 2000.7, 9000.0)]
    assert found == [25.0, 25.0, 1400.0, 2000.0, 3500.0]
    assert largest_mode(modes, 0, 1400.0 - 1e-6) == 1400.0, "a millionth of a watt is no difference"
