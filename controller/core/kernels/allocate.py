"""Which device draws how much: greedy by marginal value over laminar limits, and its upper bound.

A segment is an edge of a device's upper concave hull: it lifts device `seg_device` from `seg_from` to `seg_to` watts
and is divisible where the device is continuous. Taking segments in the order of value per watt while every node on the
way to the root has room is optimal for divisible segments (Federgruen and Groenevelt 1986); for whole ones it is off by
at most one segment per saturated node, which the bound shows in every tick.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from controller.core.site import F64, I64, Bool

_EPS_W = 1e-6


@njit("float64(int64[::1], float64[::1], int64)", cache=True)
def _room(parent: I64, room_w: F64, node: int) -> float:
    least = np.inf
    while node >= 0:
        least = min(least, room_w[node])
        node = parent[node]
    return least


@njit("void(int64[::1], float64[::1], int64, float64)", cache=True)
def _take(parent: I64, room_w: F64, node: int, watts: float) -> None:
    while node >= 0:
        room_w[node] -= watts
        node = parent[node]


@njit("int64(int64[::1], int64[::1], int64[::1], float64[::1], float64[::1], float64[::1])", cache=True)
def release_bases(parent: I64, node: I64, order: I64, off_w: F64, base_w: F64, room_w: F64) -> int:
    """Give up bases that do not fit, the least valuable device first, and return how many.

    `order` (D,): devices, the most valuable first. `base_w` (D,) is lowered to `off_w` in place. `room_w` (N,) holds
    each node's limit on entry and what the bases leave of it on return.
    """
    for i in range(node.size):
        _take(parent, room_w, node[i], base_w[i])
    released = 0
    for k in range(order.size - 1, -1, -1):
        i = order[k]
        if base_w[i] > off_w[i] and _room(parent, room_w, node[i]) < -_EPS_W:
            _take(parent, room_w, node[i], off_w[i] - base_w[i])
            base_w[i] = off_w[i]
            released += 1
    return released


@njit(
    "float64(int64[::1], int64[::1], int64[::1], float64[::1], int64[::1], float64[::1], int64[::1], float64[::1],"
    " float64[::1], float64[::1], boolean[::1], float64[::1], float64[::1], float64[::1], float64[::1])",
    cache=True,
)
def allocate(
    parent: I64,
    node: I64,
    held_order: I64,
    held_density: F64,
    new_order: I64,
    new_density: F64,
    seg_device: I64,
    seg_from: F64,
    seg_to: F64,
    seg_density: F64,
    seg_divisible: Bool,
    upper_w: F64,
    held_w: F64,
    room_w: F64,
    watts: F64,
) -> float:
    """Fill `watts` (D,), which holds the bases on entry, and return the value of what was added.

    `held_order`, `new_order` (S,): the segments by falling density, once with the bonus of what runs already, once
    with the cost of a start; a segment counts as held while its upper end is at most `held_w`. `upper_w` (D,): no
    device goes above. `room_w` (N,): what the bases leave of each node's limit; lowered in place.
    """
    value = 0.0
    count = held_order.size
    blocked = np.zeros(node.size, dtype=np.bool_)
    a = 0
    b = 0
    while a < count or b < count:
        while a < count and seg_to[held_order[a]] > held_w[seg_device[held_order[a]]] + _EPS_W:
            a += 1
        while b < count and seg_to[new_order[b]] <= held_w[seg_device[new_order[b]]] + _EPS_W:
            b += 1
        if a < count and (b >= count or held_density[a] >= new_density[b]):
            s = held_order[a]
            density = held_density[a]
            a += 1
        elif b < count:
            s = new_order[b]
            density = new_density[b]
            b += 1
        else:
            break
        i = seg_device[s]
        if density <= 0.0 or blocked[i] or seg_to[s] <= watts[i] + _EPS_W:
            continue
        start = max(watts[i], seg_from[s])
        if start > watts[i] + _EPS_W:
            continue
        goal = min(seg_to[s], upper_w[i]) if seg_divisible[s] else seg_to[s]
        if goal > upper_w[i] + _EPS_W or goal <= start:
            blocked[i] = True
            continue
        room = _room(parent, room_w, node[i])
        step = goal - start
        if step > room + _EPS_W:
            blocked[i] = True
            if not seg_divisible[s] or room <= _EPS_W:
                continue
            step = room
        watts[i] = start + step
        value += step * seg_density[s]
        _take(parent, room_w, node[i], step)
    return value


@njit(
    "float64(int64[::1], int64[::1], int64[::1], int64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[::1], float64[::1], float64[::1])",
    cache=True,
)
def upper_bound(
    parent: I64,
    node: I64,
    order: I64,
    seg_device: I64,
    seg_from: F64,
    seg_to: F64,
    seg_density: F64,
    base_w: F64,
    upper_w: F64,
    room_w: F64,
) -> float:
    """Return the most value that any allocation above `base_w` can add: every segment divisible (the LP optimum)."""
    value = 0.0
    for k in range(order.size):
        s = order[k]
        if seg_density[s] <= 0.0:
            break
        i = seg_device[s]
        step = min(seg_to[s], upper_w[i]) - max(seg_from[s], base_w[i])
        step = min(step, _room(parent, room_w, node[i]))
        if step > 0.0:
            value += step * seg_density[s]
            _take(parent, room_w, node[i], step)
    return value
