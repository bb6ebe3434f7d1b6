"""What a change costs, as part of each mode's value; and the minimum times that a limit leaves room for.

Rows that a device reaches from each other without a step in between (a continuous range) are one level. Going from off to
another level is a start, from a level to off a stop, and any other way between levels is a change; within a level
everything is free. A stop costs as much as a start: what is sent off has to start again.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from controller.core.kernels.hull import EPS_W, row_at
from controller.core.site import F64, I64, Bool


@njit("void(int64[::1], boolean[::1], int64[::1])", cache=True)
def levels(mode_start: I64, mode_continuous: Bool, level: I64) -> None:
    """Write into `level` (M,) the lowest row of the level that each row belongs to."""
    for i in range(mode_start.size - 1):
        level[mode_start[i]] = mode_start[i]
        for row in range(mode_start[i] + 1, mode_start[i + 1]):
            level[row] = level[row - 1] if mode_continuous[row] else row


@njit(
    "void(int64[::1], float64[::1], int64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[::1])",
    cache=True,
)
def values_after_changes(
    mode_start: I64,
    mode_w: F64,
    level: I64,
    mode_value: F64,
    start_per_h: F64,
    change_per_h: F64,
    start_share: F64,
    current_w: F64,
    out: F64,
) -> None:
    """Write into `out` (M,) the value of each mode less what it costs to go there from `current_w` (D,).

    The allocator counts only `start_share` (D,) of what a device earns that has to start; of the cost it shall count all.
    """
    for i in range(current_w.size):
        first = mode_start[i]
        end = mode_start[i + 1]
        start = start_per_h[i]
        change = change_per_h[i]
        if current_w[i] <= mode_w[first] + EPS_W:
            if start_share[i] > 0.0:
                start /= start_share[i]
            for row in range(first, end):
                out[row] = mode_value[row] - (start if level[row] > first else 0.0)
            continue
        here = end
        if change > 0.0 or (first + 1 < end and level[first + 1] == first):
            here = level[row_at(mode_start, mode_w, i, current_w[i])]
        for row in range(first, end):
            cost = 0.0
            if level[row] != here:
                cost = start if first in (here, level[row]) else change
            out[row] = mode_value[row] - cost


@njit(
    "float64(int64[::1], float64[::1], int64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1])",
    cache=True,
)
def cost_per_h(
    mode_start: I64,
    mode_w: F64,
    level: I64,
    start_per_h: F64,
    change_per_h: F64,
    start_share: F64,
    current_w: F64,
    watts: F64,
) -> float:
    """Return what `values_after_changes` takes off the values of all devices that go from `current_w` to `watts` (D,)."""
    total = 0.0
    for i in range(watts.size):
        if watts[i] == current_w[i]:
            continue
        here = level[row_at(mode_start, mode_w, i, current_w[i])]
        there = level[row_at(mode_start, mode_w, i, watts[i])]
        if here == there:
            continue
        first = mode_start[i]
        if here == first:
            total += start_per_h[i] / (start_share[i] if start_share[i] > 0.0 else 1.0)
        else:
            total += start_per_h[i] if there == first else change_per_h[i]
    return total


@njit("int64(int64[::1], int64[::1], int64[::1], float64[::1], float64[::1], float64[::1], float64[::1])", cache=True)
def fit_kept(parent: I64, node: I64, order: I64, stuck_w: F64, wanted_w: F64, base_w: F64, room_w: F64) -> int:
    """Give up what does not fit of the watts that minimum times and protection want; return of how many devices.

    `order` (D,): the devices, the one to keep longest first. `base_w` (D,), what each is to draw at least, begins as
    `wanted_w` and is lowered to `stuck_w` where that has to be. `room_w` (N,) is what `base_w` leaves of each limit. Who
    was given up for a node that has room after all, because a later one freed more, gets its watts back.
    """
    given_up = 0
    for k in range(order.size - 1, -1, -1):
        i = order[k]
        if base_w[i] <= stuck_w[i]:
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
            room_w[n] += base_w[i] - stuck_w[i]
            n = parent[n]
        base_w[i] = stuck_w[i]
        given_up += 1
    if given_up == 0:
        return 0
    for k in range(order.size):
        i = order[k]
        more = wanted_w[i] - base_w[i]
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
        base_w[i] = wanted_w[i]
        given_up -= 1
    return given_up
