"""What nobody can beat over a day: the surplus known in advance, devices divisible, only starts cost something.

An LP over groups of equal devices and periods. It knows no minimum times, and its periods are means over many control
steps, which both only raise it (value is concave in watts, and of a mean never fewer starts are needed than it counts).
"""

from __future__ import annotations

import numpy as np

from controller.core.site import F64, I64, Devices, Tree
from tests.bench.highs import Judgement, Model, run
from tests.bench.referee import below

_KW = 1e-3


def bound(tree: Tree, devices: Devices, limit_w: F64, *, hours: float, start_cost: F64) -> Judgement:
    """Return the most that a day can earn; `limit_w` (T,) of the site, periods of `hours`, `start_cost` (D,)."""
    first, count = _groups(devices)
    row_of = [np.arange(devices.mode_start[i] + 1, devices.mode_start[i + 1]) for i in first]
    mode_row = np.concatenate(row_of)
    of = np.repeat(np.arange(first.size), [rows.size for rows in row_of])
    above_kw = (devices.mode_w[mode_row] - devices.off_w[first[of]]) * _KW
    paths = _paths(tree, devices.node[first])
    room_kw = (tree.limit_w - below(tree, devices.node, devices.off_w)) * _KW

    # A period: one column a mode (devices in it), one a group (starts); rows: nodes, groups, starts of groups.
    modes, groups, nodes, periods = mode_row.size, first.size, tree.parent.size, limit_w.size
    width, height = modes + groups, nodes + 2 * groups
    at_node, at_mode = np.nonzero(paths[:, of])
    entries = np.concatenate(
        [
            _entries(at_mode, at_node, above_kw[at_mode]),
            _entries(np.arange(modes), nodes + of, np.ones(modes)),
            _entries(np.arange(modes), nodes + groups + of, np.ones(modes)),
            _entries(modes + np.arange(groups), nodes + groups + np.arange(groups), np.full(groups, -1.0)),
        ]
    )
    before = _entries(np.arange(modes) - width, nodes + groups + of, np.full(modes, -1.0))
    later = np.concatenate([entries, before])
    whole = [entries, *(later + np.array([width * t, height * t, 0.0]) for t in range(1, periods))]
    column, row, value = np.concatenate(whole).T
    high = np.tile(np.concatenate([room_kw, count, np.zeros(groups)]), periods)
    high[::height] = np.minimum(room_kw[0], (limit_w - devices.off_w.sum()) * _KW)
    period_cost = np.concatenate([devices.mode_value[mode_row] * hours, -start_cost[first]])
    period_upper = np.concatenate([count[of], count]).astype(np.float64)
    model = Model(
        cost=np.tile(period_cost, periods),
        upper=np.tile(period_upper, periods),
        column=column.astype(np.int64),
        row=row.astype(np.int64),
        value=value,
        row_low=np.full(high.size, -np.inf),
        row_high=high,
    )
    return run(model, {"solver": "simplex"})


def _entries(column: I64, row: I64, value: F64) -> F64:
    return np.stack([column.astype(np.float64), row.astype(np.float64), value], axis=1)


def _groups(devices: Devices) -> tuple[I64, I64]:
    """Return the first device of each group of devices with equal modes at the same node, and how many it has."""
    known: dict[bytes, int] = {}
    group = np.empty(devices.node.size, dtype=np.int64)
    for i in range(group.size):
        part = slice(int(devices.mode_start[i]), int(devices.mode_start[i + 1]))
        key = devices.node[i].tobytes() + devices.mode_w[part].tobytes() + devices.mode_value[part].tobytes()
        group[i] = known.setdefault(key, len(known))
    _, first, count = np.unique(group, return_index=True, return_counts=True)
    return first, count


def _paths(tree: Tree, node: I64) -> F64:
    """Return 1 where a node (N) is above a group (G) or its own, else 0."""
    paths = np.zeros((tree.parent.size, node.size))
    at = node.copy()
    while np.any(at >= 0):
        paths[at[at >= 0], np.flatnonzero(at >= 0)] = 1.0
        at = np.where(at >= 0, tree.parent[at], -1)
    return paths
