"""What devices draw under a cap and what that earns, straight from the mode tables. NumPy only, apart from the allocator.

Watts are per device (D,) and count residual watts; worth is currency per hour, 0 with everything off.
"""

from __future__ import annotations

import numpy as np

from controller.core.site import F64, I64, Bool, Devices

_EPS_W = 1e-6


def run_at(devices: Devices, cap_w: F64) -> F64:
    """Return the most that each device can draw under its cap; a cap under the residual watts is those watts."""
    row, within = _row(devices, np.maximum(cap_w, devices.off_w))
    return np.where(within, np.maximum(cap_w, devices.mode_w[row]), devices.mode_w[row])


def worth_per_h(devices: Devices, watts: F64) -> F64:
    """Return what each device earns (D,), linear between the rows of a continuous range.

    Raises ValueError where a device cannot run at what it was given.
    """
    row, within = _row(devices, watts)
    rest_w = np.where(np.abs(watts - devices.mode_w[row]) <= _EPS_W, 0.0, watts - devices.mode_w[row])
    if np.any((rest_w != 0.0) & ~within):
        raise ValueError(f"{devices.ids[int(np.argmax((rest_w != 0.0) & ~within))]} has no such power")
    above = np.where(within, row + 1, row)
    span_w = np.where(within, devices.mode_w[above] - devices.mode_w[row], 1.0)
    slope = (devices.mode_value[above] - devices.mode_value[row]) / span_w
    worth: F64 = devices.mode_value[row] + slope * rest_w
    return worth


def _row(devices: Devices, watts: F64) -> tuple[I64, Bool]:
    """Return the highest mode row at or under the watts, and whether all powers up to the next row are allowed."""
    owner = np.repeat(np.arange(watts.size), np.diff(devices.mode_start))
    reached = np.add.reduceat((devices.mode_w <= watts[owner] + _EPS_W).astype(np.int64), devices.mode_start[:-1])
    row = devices.mode_start[:-1] + np.maximum(reached, 1) - 1
    last = devices.mode_start[1:] - 1
    return row, (row < last) & devices.mode_continuous[np.minimum(row + 1, last)]
