"""What every allocation is judged by: what it earns, what it draws, which limits it breaks. NumPy only, written apart.

Watts are per device (D,) and count residual watts; value is currency per hour, 0 with everything off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from controller.core.site import F64, I64, Bool, Devices, Tree

_EPS_W = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a solver or a peer decided: `watts` (D,), and where it has them the upper bound on what any allocation is
    worth, and on what one with divisible modes is worth (the linear program)."""

    watts: F64
    bound_per_h: float | None = None
    program_per_h: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`over_limit`: nodes above their limit; `worst_excess_w`: the most that any is above."""

    value_per_h: float
    used_w: float
    over_limit: int
    worst_excess_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """E edges of all devices' upper concave hulls, ascending by device and watts; `low`, `high` (E,) are mode rows."""

    device: I64
    low: I64
    high: I64
    length_w: F64
    density: F64
    divisible: Bool


def verdict(tree: Tree, devices: Devices, watts: F64) -> Verdict:
    """Judge an allocation; raise ValueError where a device cannot run at what it was given."""
    excess_w = below(tree, devices.node, watts) - tree.limit_w
    return Verdict(
        value_per_h=value_per_h(devices, watts),
        used_w=float(watts.sum()),
        over_limit=int(np.count_nonzero(excess_w > _EPS_W * tree.limit_w.clip(1.0))),
        worst_excess_w=float(excess_w.max(initial=0.0)),
    )


def value_per_h(devices: Devices, watts: F64) -> float:
    """Return what the devices earn; linear between the rows of a continuous range."""
    row, within = _row(devices, watts)
    rest_w = np.where(np.abs(watts - devices.mode_w[row]) <= _EPS_W, 0.0, watts - devices.mode_w[row])
    if np.any((rest_w != 0.0) & ~within):
        raise ValueError(f"{devices.ids[int(np.argmax((rest_w != 0.0) & ~within))]} has no such power")
    above = np.where(within, row + 1, row)
    span_w = np.where(within, devices.mode_w[above] - devices.mode_w[row], 1.0)
    slope = (devices.mode_value[above] - devices.mode_value[row]) / span_w
    return float(np.sum(devices.mode_value[row] + slope * rest_w))


def run_at(devices: Devices, cap_w: F64) -> F64:
    """Return the most that each device can draw under its cap; a cap under the residual watts is those watts."""
    row, within = _row(devices, np.maximum(cap_w, devices.off_w))
    return np.where(within, np.maximum(cap_w, devices.mode_w[row]), devices.mode_w[row])


def _row(devices: Devices, watts: F64) -> tuple[I64, Bool]:
    """Return the highest mode row at or under the watts, and whether all powers up to the next row are allowed."""
    owner = np.repeat(np.arange(watts.size), np.diff(devices.mode_start))
    reached = np.add.reduceat((devices.mode_w <= watts[owner] + _EPS_W).astype(np.int64), devices.mode_start[:-1])
    row = devices.mode_start[:-1] + np.maximum(reached, 1) - 1
    last = devices.mode_start[1:] - 1
    return row, (row < last) & devices.mode_continuous[np.minimum(row + 1, last)]


def levels(tree: Tree) -> Iterator[I64]:
    """Yield the nodes of each depth, the deepest first, the site last."""
    depth = np.zeros(tree.parent.size, dtype=np.int64)
    reached = tree.parent.copy()
    while np.any(reached >= 0):
        depth += reached >= 0
        reached = np.where(reached >= 0, tree.parent[reached], -1)
    for d in range(int(depth.max()), -1, -1):
        yield np.flatnonzero(depth == d)


def below(tree: Tree, node: I64, watts: F64) -> F64:
    """Return the sum below each node (N,)."""
    total: F64 = np.bincount(node, weights=watts, minlength=tree.parent.size).astype(np.float64)
    for nodes in levels(tree):
        if nodes[0] > 0:
            total += np.bincount(tree.parent[nodes], weights=total[nodes], minlength=total.size)
    return total


def hull_edges(devices: Devices) -> Edges:
    """Return the upper concave hulls, by taking out in turns every row that lies under its neighbours' line."""
    owner = np.repeat(np.arange(devices.node.size), np.diff(devices.mode_start))
    rows = np.arange(owner.size)
    while True:
        same = owner[rows[1:]] == owner[rows[:-1]]
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.diff(devices.mode_value[rows]) / np.diff(devices.mode_w[rows])
        under = np.zeros(rows.size, dtype=np.bool_)
        under[1:-1] = same[:-1] & same[1:] & (slope[:-1] < slope[1:])
        if not under.any():
            break
        rows = rows[~under]
    low, high = rows[:-1][same], rows[1:][same]
    length_w = devices.mode_w[high] - devices.mode_w[low]
    divisible = devices.mode_continuous[high] & (high == low + 1)
    return Edges(device=owner[low], low=low, high=high, length_w=length_w, density=slope[same], divisible=divisible)
