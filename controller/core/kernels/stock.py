"""What watts of the devices mean: what is left of the limits, and what they earn."""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.hull import EPS_W, I32, worth
from controller.core.site import F64, I64, Bool


@kernel("boolean(float64[::1])")
def usable(watts: F64) -> bool:
    """Return whether all are finite and none is negative."""
    bad = 0
    for i in range(watts.size):
        bad += not 0.0 <= watts[i] < np.inf
    return bad == 0


@kernel("void(int64[::1], int64[::1], int32[::1], int64, int64, float64[::1], float64[::1], float64[::1])")
def rooms(
    parent: I64, member_start: I64, member: I32, first: int, last: int, limit_w: F64, watts: F64, room_w: F64
) -> None:
    """Write into `room_w` (N,) what `watts` (D,) leaves of the limits of the branch of nodes ``first .. last - 1``."""
    for n in range(first, last):
        used_w = 0.0
        for i in member[member_start[n] : member_start[n + 1]]:
            used_w += watts[i]
        room_w[n] = used_w
    for n in range(last - 1, first, -1):
        room_w[parent[n]] += room_w[n]
    for n in range(first, last):
        room_w[n] = limit_w[n] - room_w[n]


@kernel(
    "UniTuple(float64, 2)(int64[::1], float64[::1], float64[::1], boolean[::1], float64[::1], float64[::1], float64,"
    " float64[::1])",
)
def earnings(
    mode_start: I64,
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    start_share: F64,
    kept_value: F64,
    bonus: float,
    watts: F64,
) -> tuple[float, float]:
    """Return the worth and the value of all devices at `watts` (D,)."""
    total_worth = 0.0
    total_value = 0.0
    for i in range(watts.size):
        row = mode_start[i]
        end = mode_start[i + 1]
        for above in range(row + 1, end):
            row += mode_w[above] <= watts[i] + EPS_W
        value = mode_value[row]
        gain = worth(value, kept_value[i], start_share[i], bonus)
        more = watts[i] - mode_w[row]
        if more > EPS_W and row + 1 < end and mode_continuous[row + 1]:
            share = more / (mode_w[row + 1] - mode_w[row])
            gain += share * (worth(mode_value[row + 1], kept_value[i], start_share[i], bonus) - gain)
            value += share * (mode_value[row + 1] - value)
        total_value += value
        total_worth += gain
    return total_worth, total_value
