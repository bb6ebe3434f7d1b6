"""What a device can still be raised by: the upper concave hull of its modes between its lock limits.

A device of `base_w` to `upper_w` stands on its highest mode row that is not above its base. From there a hull edge
leads to the next row; ``climb[row]`` is how many rows it spans, 0 where the hull ends. A row above `upper_w` is cut to it
if it is continuous. What a mode is worth to the allocator is its value less what a start loses, plus a bonus for what
runs already (`worth`).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from controller.core.site import F64, I64, U8, U64, Bool

_EPS_W = 1e-6


@njit("float64(float64, float64, float64, float64)", cache=True)
def worth(value: float, kept_value: float, start_share: float, bonus: float) -> float:
    """Return the worth of `value` to a device that earns `kept_value` now (0: it is off and would have to start)."""
    if kept_value <= 0.0:
        return value * start_share
    return value + bonus * min(max(value, 0.0), kept_value)


@njit("int64(int64[::1], float64[::1], int64, float64)", cache=True)
def row_at(mode_start: I64, mode_w: F64, device: int, watts: float) -> int:
    """Return the highest row of `device` that is not above `watts`; its first row if none is."""
    row = mode_start[device]
    last = mode_start[device + 1] - 1
    while row < last and mode_w[row + 1] <= watts + _EPS_W:
        row += 1
    return row


@njit("float64(int64[::1], float64[::1], float64[::1], boolean[::1], int64, float64)", cache=True)
def value_at(mode_start: I64, mode_w: F64, mode_value: F64, mode_continuous: Bool, device: int, watts: float) -> float:
    """Return the value of `device` at `watts`; between two discrete modes that of the lower one."""
    row = row_at(mode_start, mode_w, device, watts)
    if row + 1 < mode_start[device + 1] and mode_continuous[row + 1] and watts > mode_w[row]:
        share = (watts - mode_w[row]) / (mode_w[row + 1] - mode_w[row])
        return mode_value[row] + share * (mode_value[row + 1] - mode_value[row])
    return mode_value[row]
