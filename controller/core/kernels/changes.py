"""What a change costs, as part of each mode's value; and the minimum times that a limit leaves room for.

Rows that a device reaches from each other without a step in between (a continuous range) are one level. Going from off to
another level is a start, from a level to off a stop, and any other way between levels is a change; within a level
everything is free. A stop costs as much as a start: what is sent off has to start again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.columns import EPS_W, ModeTable, PathsUp, at
from controller.core.kernels.hull import row_at
from controller.core.site import F64, I64


class ChangeCosts(NamedTuple):
    """`level` (M,) of each mode row; then per device (D,) the costs per hour, and the share of earnings that a start leaves."""

    level: I64
    start_per_h: F64
    change_per_h: F64
    start_share: F64


@kernel
def levels(modes: ModeTable, level: I64) -> None:
    """Write into `level` (M,) the lowest row of the level that each row belongs to."""
    for i in range(modes.start.size - 1):
        first = modes.start[i]
        level[at(first)] = first
        for row in range(first + 1, modes.start[i + 1]):
            level[at(row)] = level[at(row - 1)] if modes.continuous[at(row)] else row


@kernel
def values_after_changes(modes: ModeTable, costs: ChangeCosts, current_w: F64, out: F64) -> None:
    """Write into `out` (M,) the value of each mode less what it costs to go there from `current_w` (D,).

    The allocator counts only `start_share` (D,) of what a device earns that has to start; of the cost it shall count all.
    """
    level, start_share = costs.level, costs.start_share
    for i in range(current_w.size):
        first = modes.start[i]
        end = modes.start[i + 1]
        start = costs.start_per_h[i]
        change = costs.change_per_h[i]
        if current_w[i] <= modes.watts[at(first)] + EPS_W:
            if start_share[i] > 0.0:
                start /= start_share[i]
            for row in range(first, end):
                out[at(row)] = modes.value[at(row)] - (start if level[at(row)] > first else 0.0)
            continue
        here = end
        if change > 0.0 or (first + 1 < end and level[at(first + 1)] == first):
            here = level[at(row_at(modes.start, modes.watts, i, current_w[i]))]
        for row in range(first, end):
            cost = 0.0
            if level[at(row)] != here:
                cost = start if first in (here, level[at(row)]) else change
            out[at(row)] = modes.value[at(row)] - cost


@kernel
def cost_per_h(modes: ModeTable, costs: ChangeCosts, current_w: F64, watts: F64) -> float:
    """Return what `values_after_changes` takes off the values of all devices that go from `current_w` to `watts` (D,)."""
    level, start_per_h, start_share = costs.level, costs.start_per_h, costs.start_share
    total = 0.0
    for i in range(watts.size):
        if watts[i] == current_w[i]:
            continue
        here = level[at(row_at(modes.start, modes.watts, i, current_w[i]))]
        there = level[at(row_at(modes.start, modes.watts, i, watts[i]))]
        if here == there:
            continue
        first = modes.start[i]
        if here == first:
            total += start_per_h[i] / (start_share[i] if start_share[i] > 0.0 else 1.0)
        else:
            total += start_per_h[i] if there == first else costs.change_per_h[i]
    return total


@kernel
def fit_kept(paths: PathsUp, order: I64, least_w: F64, most_w: F64, base_w: F64, room_w: F64) -> None:
    """Give up what does not fit of the watts that minimum times and protection want.

    `order` (D,): the devices, the one to keep longest first. `base_w` (D,), what each is to draw at least, is lowered to
    `least_w` where that has to be. `room_w` (N,) is what `base_w` leaves of each limit. Who was given up for a node that has room
    after all, because a later one freed more, gets its watts back, up to `most_w`.
    """
    parent, node = paths.parent, paths.node
    for k in range(order.size - 1, -1, -1):
        i = at(order[k])
        if base_w[i] <= least_w[i]:
            continue
        short = False
        n = node[i]
        while n >= 0:
            short |= room_w[n] < -EPS_W
            n = parent[n]
        if not short:
            continue
        n = node[i]
        while n >= 0:
            room_w[n] += base_w[i] - least_w[i]
            n = parent[n]
        base_w[i] = least_w[i]
    for k in range(order.size):
        i = at(order[k])
        more = most_w[i] - base_w[i]
        if more <= 0.0:
            continue
        least = np.inf
        n = node[i]
        while n >= 0:
            least = min(least, room_w[n])
            n = parent[n]
        if more > least + EPS_W:
            continue
        n = node[i]
        while n >= 0:
            room_w[n] -= more
            n = parent[n]
        base_w[i] = most_w[i]
