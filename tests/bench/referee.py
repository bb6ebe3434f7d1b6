"""What every allocation is judged by: what it earns, what it draws, which limits it breaks. NumPy only, written apart.

Watts are per device (D,) and count residual watts; value is currency per hour, 0 with everything off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from controller.core.site import F64, I64, Bool, Devices, Tree
from controller.demo.device_values import worth_per_h

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
    """Return what the devices earn; raise ValueError where one cannot run at what it was given."""
    return float(worth_per_h(devices, watts).sum())


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
