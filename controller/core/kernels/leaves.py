"""Closed leaf nodes (PDUs): each is filled by itself, exactly.

A solution of the linear program, rounded down to whole modes, leaves a rest of a leaf's limit unused. The cheapest changes
fill it; what it still wastes then no allocation could use, which lowers the bound.
"""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.hull import I32, U64
from controller.core.kernels.moves import change_to, cheapest_changes, price_at
from controller.core.site import F64, I64, Bool


@kernel(
    "Tuple((int64, float64, float64))(int64[::1], int64[::1], int64[::1], int32[::1], int32[::1], boolean[::1], int64[::1],"
    " float64[::1], float64[::1], boolean[::1], float64[::1], float64[::1], float64, float64[::1], float64[::1], uint64[::1],"
    " int64, int64, int64[::1], float64[::1], int64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[::1], float64[:, ::1], int64[::1], int64[:, ::1], float64[:, :, :, ::1], uint64[:, :, ::1])",
)
def fill_leaves(
    parent: I64,
    size: I64,
    member_start: I64,
    member: I32,
    home: I32,
    divisible: Bool,
    mode_start: I64,
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    start_share: F64,
    kept_value: F64,
    bonus: float,
    base_w: F64,
    upper_w: F64,
    items: U64,
    count: int,
    low_bits: int,
    closed_at: I64,
    node_price: F64,
    cut_device: I64,
    cut_w: F64,
    watts: F64,
    room_w: F64,
    price_above: F64,
    rest_w: F64,
    unproven: F64,
    changes: F64,
    change_device: I64,
    groups: I64,
    lists: F64,
    masks: U64,
) -> tuple[int, float, float]:
    """Fill what is left of every leaf node that its own limit closes; return how many, and worth and value added.

    `watts` (D,), `room_w` (N,) are changed in place. A filled leaf is fixed: `price_above` (N,), negative before, takes the
    price of a watt above it as of `node_price` (N,), `rest_w` what rounding left of its limit, and `unproven` by how much
    its filling may be worse than the best. `divisible` (N,): has continuous devices of its own. `changes` (3, CHANGES),
    `change_device`, `groups`, `lists`, `masks`: workspace.
    """
    filled = 0
    worth_added = 0.0
    value_added = 0.0
    for n in range(1, parent.size):
        if size[n] > 1 or price_above[n] >= 0.0 or closed_at[n] >= closed_at[parent[n]]:
            continue
        price = price_at(items, count, low_bits, closed_at[n])
        if price <= node_price[parent[n]]:
            continue
        filled += 1
        price_above[n] = node_price[parent[n]]
        rest_w[n] = 0.0
        unproven[n] = 0.0
        if cut_device[n] < 0:
            continue
        rest_w[n] = cut_w[n]
        own_price = price - price_above[n]
        lost, proven, changed, chosen = cheapest_changes(
            member[member_start[n] : member_start[n + 1]], parent, home, cut_w, parent.size, price, own_price, rest_w[n],
            0.0, mode_start, mode_w, mode_value, mode_continuous, start_share, kept_value, bonus, base_w, upper_w, watts,
            changes, change_device, groups, lists, masks,
        )  # fmt: skip
        unproven[n] = lost - (0.0 if divisible[n] else proven)
        for k in range(changed):
            if chosen >> np.uint64(k) & np.uint64(1):
                more_worth, more_value = change_to(
                    change_device[k], changes[2, k], parent, home, mode_start, mode_w, mode_value, mode_continuous,
                    start_share, kept_value, bonus, watts, room_w,
                )  # fmt: skip
                worth_added += more_worth
                value_added += more_value
    return filled, worth_added, value_added
