"""Random trees and fleets for the kernels."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from controller.core.kernels.columns import ChangeSets, Choices, ModeTable, PathsUp
from controller.core.kernels.search import CHANGES, SETS
from controller.core.site import Tree
from tests.controller.core.world import devices


def _off_w(lowest: int) -> float:
    """Return what a device draws that is off: nothing, or a part of its lowest mode."""
    return float(lowest // 3 * (lowest % 2))


MODES = st.lists(
    st.tuples(st.integers(100, 5000), st.floats(-1.0, 5.0), st.booleans()),
    min_size=1,
    max_size=4,
    unique_by=lambda m: m[0],
).map(lambda rows: ((_off_w(min(r[0] for r in rows)), 0.0, False), *((float(w), v, c) for w, v, c in sorted(rows))))


@st.composite
def fleets(draw, most_devices: int = 12, most_nodes: int = 5):
    """Return (tree, devices) with limits that bind."""
    count = draw(st.integers(1, most_nodes))
    parent = [-1] + [draw(st.integers(0, n - 1)) for n in range(1, count)]
    rows = draw(
        st.lists(
            st.fixed_dictionaries({"modes": MODES, "node": st.integers(0, count - 1), "up": st.floats(0.0, 700.0)}),
            min_size=1,
            max_size=most_devices,
        )
    )
    columns = devices(rows)
    most = float(columns.max_w.sum())
    limit = [draw(st.floats(0.0, 1.2)) * most for _ in range(count)]
    tree = Tree(
        ids=tuple(f"n{n}" for n in range(count)),
        parent=np.array(parent, dtype=np.int64),
        limit_w=np.array(limit),
        house_w=np.zeros(count),
    )
    return tree, columns


def paths_of(tree, columns) -> PathsUp:
    return PathsUp(parent=tree.parent, node=columns.node)


def modes_of(columns) -> ModeTable:
    return ModeTable(columns.mode_start, columns.mode_w, columns.mode_value, columns.mode_continuous)


def choices_of(columns, base_w, upper_w, *, share=None, kept=None, bonus=0.0) -> Choices:
    """Return what the kernels are given of a fleet; every start costs nothing and nothing runs unless given."""
    count = len(columns.ids)
    return Choices(
        *modes_of(columns),
        start_share=np.ones(count) if share is None else share,
        kept_value=np.zeros(count) if kept is None else kept,
        bonus=bonus,
        base_w=base_w,
        upper_w=upper_w,
    )


def a_mode(draw, columns, i: int) -> float:
    """Draw one of the watts that device `i` may be set to."""
    part = slice(int(columns.mode_start[i]), int(columns.mode_start[i + 1]))
    return float(draw(st.sampled_from(list(columns.mode_w[part]))))


def points(columns, i, base, upper, worth):
    """Return (row, watts, worth) of everything that the device may stand at, from its base up."""
    rows = range(int(columns.mode_start[i]), int(columns.mode_start[i + 1]))
    watts = [float(columns.mode_w[row]) for row in rows]
    gains = [worth(float(columns.mode_value[row])) for row in rows]
    bottom = max(k for k, w in enumerate(watts) if w <= base + 1e-6)
    found = [(rows[bottom], base, gains[bottom])]
    for k in range(bottom + 1, len(watts)):
        if watts[k] <= upper + 1e-6:
            found.append((rows[k], watts[k], gains[k]))
        elif columns.mode_continuous[rows[k]] and upper > max(watts[k - 1], base) + 1e-6:
            found.append((rows[k], upper, float(np.interp(upper, watts[k - 1 : k + 1], gains[k - 1 : k + 1]))))
    return found


def change_sets() -> ChangeSets:
    return ChangeSets(
        changes=np.zeros((3, CHANGES)),
        device=np.zeros(CHANGES, dtype=np.int64),
        groups=np.zeros((3, CHANGES), dtype=np.int64),
        lists=np.zeros((2, 3, 2, SETS + 1)),
        masks=np.zeros((2, 3, SETS + 1), dtype=np.uint64),
        near=np.zeros(2 * CHANGES, dtype=np.int32),
    )
