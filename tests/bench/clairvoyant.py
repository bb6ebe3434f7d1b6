"""What nobody can beat over a day: the most value, and the fewest starts for a share of it.

The surplus is known in advance, devices are divisible, starts cost something.

An LP over groups of equal devices and periods in which nothing changes. Who decides more often than once a period
cannot earn more either: the mean of their decisions over a period is a solution here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.core.site import F64, I64, Bool, Devices, Tree
from tests.bench.highs import Judgement, Model, run
from tests.bench.referee import below

_KW = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A day as a linear program; `is_start` (C,): columns that count starts."""

    model: Model
    is_start: Bool


def bound(program: Program) -> Judgement:
    """Return the most that the day can earn, after starts."""
    return run(program.model, {"solver": "simplex"})


def fewest_starts(program: Program, value: float) -> float:
    """Return the fewest starts of all devices together with which the day earns `value`, after them."""
    model, columns = program.model, program.model.cost.size
    earns = Model(
        cost=np.where(program.is_start, -1.0, 0.0),
        upper=model.upper,
        column=np.append(model.column, np.arange(columns)),
        row=np.append(model.row, np.full(columns, model.row_low.size)),
        value=np.append(model.value, model.cost),
        row_low=np.append(model.row_low, value),
        row_high=np.append(model.row_high, np.inf),
    )
    found = run(earns, {"solver": "simplex"})
    if found.status != "Optimal":
        raise ValueError(f"no day earns {value}: {found.status}")
    return -found.value_per_h


def day(
    tree: Tree, devices: Devices, limit_w: F64, *, hours: float, start_cost: F64, least_periods: int = 0
) -> Program:
    """Return the day that begins with everything off.

    `limit_w` (T,) of the site in periods of `hours`; `start_cost` (D,); what starts stays on and what stops stays off
    for `least_periods` (Rajan and Takriti's rows, tight for equal devices).
    """
    first, count = _groups(devices)
    row_of = [np.arange(devices.mode_start[i] + 1, devices.mode_start[i + 1]) for i in first]
    mode_row = np.concatenate(row_of)
    of = np.repeat(np.arange(first.size), [rows.size for rows in row_of])
    above_kw = (devices.mode_w[mode_row] - devices.off_w[first[of]]) * _KW
    paths = _paths(tree, devices.node[first])
    room_kw = (tree.limit_w - below(tree, devices.node, devices.off_w)) * _KW

    # A period has a column a mode (devices in it) and one a group (starts); its rows are nodes, then four of groups:
    # all devices, starts at least what is on more than before, least time on, least time off.
    modes, groups, nodes, periods = mode_row.size, first.size, tree.parent.size, limit_w.size
    on, begun, each = np.arange(modes), modes + np.arange(groups), np.arange(groups)
    total, starts, stay_on, stay_off = (nodes + k * groups for k in range(4))
    at_node, at_mode = np.nonzero(paths[:, of])
    blocks = [
        (0, _entries(at_mode, at_node, above_kw[at_mode])),
        (0, _entries(on, total + of, 1.0)),
        (0, _entries(on, starts + of, 1.0)),
        (1, _entries(on, starts + of, -1.0)),
        (0, _entries(begun, starts + each, -1.0)),
    ]
    if least_periods:
        blocks += [(0, _entries(on, stay_on + of, -1.0)), (least_periods, _entries(on, stay_off + of, 1.0))]
        for lag in range(least_periods):
            blocks += [(lag, _entries(begun, row + each, 1.0)) for row in (stay_on, stay_off)]
    height = nodes + 4 * groups
    entries = _repeated(blocks, modes + groups, height, periods)
    high = np.tile(np.concatenate([room_kw, count, np.zeros(2 * groups), count]), periods)
    high[::height] = np.minimum(room_kw[0], (limit_w - devices.off_w.sum()) * _KW)
    model = Model(
        cost=np.tile(np.concatenate([devices.mode_value[mode_row] * hours, -start_cost[first]]), periods),
        upper=np.tile(np.concatenate([count[of], count]).astype(np.float64), periods),
        column=entries[:, 0].astype(np.int64),
        row=entries[:, 1].astype(np.int64),
        value=entries[:, 2],
        row_low=np.full(high.size, -np.inf),
        row_high=high,
    )
    is_start = np.tile(np.append(np.zeros(modes, dtype=np.bool_), np.ones(groups, dtype=np.bool_)), periods)
    return Program(model=model, is_start=is_start)


def _entries(column: I64, row: I64, value: F64 | float) -> F64:
    return np.stack(np.broadcast_arrays(column, row, value), axis=1).astype(np.float64)


def _repeated(blocks: list[tuple[int, F64]], width: int, height: int, periods: int) -> F64:
    """Return the entries of all periods; a block (lag, entries) is about the columns of `lag` periods before."""
    return np.concatenate(
        [
            block + np.array([width * (t - lag), height * t, 0.0])
            for t in range(periods)
            for lag, block in blocks
            if t >= lag
        ]
    )


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
