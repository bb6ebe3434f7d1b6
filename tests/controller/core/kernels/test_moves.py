import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.kernels.columns import Branches, Draft
from controller.core.kernels.hull import row_at, worth_at
from controller.core.kernels.moves import change_to, offer_changes
from tests.controller.core.kernels import twins
from tests.controller.core.kernels.sites import a_mode, change_sets, choices_of, fleets, points
from tests.controller.core.world import devices, tree
from tests.examples import examples

BONUS = 0.05


def worth_of(columns, i, watts, kept, share):
    choices = choices_of(
        columns, columns.off_w, columns.max_w, share=np.full(len(columns.ids), share), kept=np.full(len(columns.ids), kept),
        bonus=BONUS,
    )  # fmt: skip
    return worth_at(choices, i, watts)


def branches_of(tree, columns):
    """Return the tree as it is; the kernels under test ask only for parents and homes."""
    nodes = np.zeros(len(tree.ids) + 1, dtype=np.int64)
    home = columns.node.astype(np.int32)
    return Branches(
        tree.parent, nodes, nodes, home, home, np.zeros(nodes.size, dtype=np.bool_), *np.zeros((2, nodes.size))
    )


@st.composite
def standing(draw):
    """Return (tree, devices, base, upper, where they stand, start shares, values kept, room of each node)."""
    tree, columns = draw(fleets())
    modes = [sorted(a_mode(draw, columns, i) for _ in range(3)) for i in range(len(columns.ids))]
    base, watts, upper = (np.array(column) for column in zip(*modes, strict=True))
    upper = np.maximum(watts, draw(st.sampled_from([1.0, 0.9, 0.6])) * upper)
    for i in range(watts.size):
        row = row_at(columns.mode_start, columns.mode_w, i, watts[i])
        above = min(row + 1, int(columns.mode_start[i + 1]) - 1)
        if columns.mode_continuous[above] and columns.mode_w[above] <= upper[i] and draw(st.booleans()):
            watts[i] = 0.5 * (watts[i] + columns.mode_w[above])
    share, kept = (
        np.array([draw(st.floats(0.0, most)) for _ in columns.ids]) for most in (1.0, draw(st.sampled_from([0.0, 3.0])))
    )
    room = np.array([draw(st.floats(0.0, 6000.0)) for _ in tree.ids])
    return tree, columns, base, upper, watts, share, kept, room


@given(standing(), st.floats(0.0, 2e-3), st.floats(0.01, 3.0), st.booleans())
@settings(max_examples=examples(40))
def test_offered_changes_equal_the_twin(case, price, most_loss, whole_tree):
    tree, columns, base, upper, watts, share, kept, room = case
    sets = change_sets()
    changes, device, home = sets.changes, sets.device, columns.node
    choices = choices_of(columns, base, upper, share=share, kept=kept, bonus=BONUS)
    devices, top = np.arange(len(columns.ids), dtype=np.int32), 0 if whole_tree else len(tree.ids)
    count = offer_changes(devices, branches_of(tree, columns), choices, Draft(watts, room), top, price, most_loss, sets)
    expected = []
    for i in range(len(columns.ids)):
        best = worth_of(columns, i, watts[i], kept[i], share[i]) - price * watts[i]
        for to_w in {float(each) for _, each, _ in points(columns, i, base[i], upper[i], lambda value: value)}:
            loss = best - worth_of(columns, i, to_w, kept[i], share[i]) + price * to_w
            least = min(room[n] for n in twins.path(list(tree.parent), int(home[i]))) if whole_tree else np.inf
            allowed = to_w != watts[i] and to_w - watts[i] <= least
            if allowed and abs(loss - most_loss) > 1e-9 and loss < most_loss:
                expected.append((i, to_w, max(loss, 0.0)))
    losses = [change[2] for change in expected]
    assert np.allclose(changes[1, :count], sorted(losses)[: device.size], atol=1e-9)
    if len(expected) <= device.size:
        assert {(int(device[k]), changes[2, k]) for k in range(count)} == {change[:2] for change in expected}
    assert all(changes[0, k] == changes[2, k] - watts[device[k]] for k in range(count))


@given(standing(), st.data())
@settings(max_examples=examples(40))
def test_a_change_is_felt_by_every_node_above(case, data):
    tree, columns, _, _, watts, share, kept, room = case
    i = data.draw(st.integers(0, len(columns.ids) - 1))
    to_w, here = a_mode(data.draw, columns, i), float(watts[i])
    left = room.copy()
    choices = choices_of(columns, columns.off_w, columns.max_w, share=share, kept=kept, bonus=BONUS)
    worth, value = change_to(i, to_w, branches_of(tree, columns), choices, Draft(watts, left))
    above = twins.path(list(tree.parent), int(columns.node[i]))
    assert watts[i] == to_w
    assert np.allclose(room - left, [to_w - here if n in above else 0.0 for n in range(room.size)])
    more = worth_of(columns, i, to_w, kept[i], share[i]) - worth_of(columns, i, here, kept[i], share[i])
    assert np.isclose(worth, more)
    assert np.isclose(value, worth_of(columns, i, to_w, 0.0, 1.0) - worth_of(columns, i, here, 0.0, 1.0))


def test_what_stands_a_millionth_of_a_watt_beside_a_mode_stands_at_it():
    columns = devices([{"modes": ((0.0, 0.0, False), (1000.0, 1.0, False))}])
    limits, sets = tree(("n", -1, 9e3, 0.0)), change_sets()
    choices = choices_of(columns, columns.off_w, columns.max_w)
    draft = Draft(np.array([1e-6]), np.array([9e3]))
    count = offer_changes(np.zeros(1, np.int32), branches_of(limits, columns), choices, draft, 0, 1e-2, 100.0, sets)
    assert sets.changes[2, :count].tolist() == [1000.0]
