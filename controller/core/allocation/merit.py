"""What the values of a site's devices come to: their order by value, and what a start leaves of what they earn."""

from __future__ import annotations

from typing import Final

import numpy as np

from controller.core.site import F64, I64, Devices

#: What runs already is worth this share more, so that near-equal devices do not swap.
HELD_BONUS: Final = 0.05
#: Seconds over which a start has to pay: a device that needs `up_s` to start earns that much less of it.
START_HORIZON_S: Final = 300.0


def start_share(devices: Devices) -> F64:
    """Return the share (D,) of what a device earns that the time of a start leaves of it."""
    share: F64 = np.clip(1.0 - devices.up_s / START_HORIZON_S, 0.0, 1.0)
    return share


def by_value(devices: Devices, mode_value: F64) -> I64:
    """Return the devices (D,) by the most value per watt that any of their modes (M,) adds to off, the best first."""
    first, rows = devices.mode_start[:-1], np.diff(devices.mode_start)
    step_w = devices.mode_w - np.repeat(devices.mode_w[first], rows)
    gain = mode_value - np.repeat(mode_value[first], rows)
    density = np.divide(gain, step_w, out=np.full_like(gain, -np.inf), where=step_w > 0.0)
    best = np.maximum.reduceat(density, first) if len(first) else np.zeros(0)
    return np.argsort(-best, kind="stable")
