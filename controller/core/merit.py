"""The merit order: the concave hull of every device's modes, cut into segments and sorted by value per watt."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from controller.core.site import F64, I64, Bool, Devices

#: What runs already is worth this share more, so that near-equal devices do not swap.
HELD_BONUS: Final = 0.05
#: Seconds over which a start has to pay: a device that needs `up_s` to start earns that much less of it.
START_HORIZON_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Merit:
    """S segments of all devices, in the order of the devices, each device's from below.

    `held_order`, `new_order`, `order` (S,) sort them by falling density: with the bonus of running, with the cost of
    starting, and plainly. `device_order` (D,) sorts the devices by their best segment.
    """

    device: I64
    from_w: F64
    to_w: F64
    density: F64
    divisible: Bool
    held_order: I64
    held_density: F64
    new_order: I64
    new_density: F64
    order: I64
    device_order: I64


def hull(watts: F64, value: F64, continuous: Bool) -> tuple[tuple[int, int, bool], ...]:
    """Return the edges (row from, row to, divisible) of the upper concave hull of one device's modes.

    An edge is divisible where the two rows are neighbours and everything between them is allowed.
    """
    corners = [0]
    for m in range(1, len(watts)):
        while len(corners) > 1 and _bends_up(watts, value, corners[-2], corners[-1], m):
            corners.pop()
        corners.append(m)
    return tuple((a, b, b == a + 1 and bool(continuous[b])) for a, b in pairwise(corners))


def _bends_up(watts: F64, value: F64, a: int, b: int, c: int) -> bool:
    # A corner that lies on the line is kept: it is one more whole step that the greedy can take.
    return bool((value[b] - value[a]) * (watts[c] - watts[b]) < (value[c] - value[b]) * (watts[b] - watts[a]))


def merit_order(devices: Devices) -> Merit:
    """Return the merit order of all devices; devices with the same modes share one hull."""
    hulls: dict[bytes, tuple[tuple[int, int, bool], ...]] = {}
    rows: list[tuple[int, int, int, bool]] = []
    for i in range(len(devices.ids)):
        part = slice(int(devices.mode_start[i]), int(devices.mode_start[i + 1]))
        table = (devices.mode_w[part], devices.mode_value[part], devices.mode_continuous[part])
        key = b"".join(column.tobytes() for column in table)
        if key not in hulls:
            hulls[key] = hull(*table)
        rows.extend((i, part.start + a, part.start + b, divisible) for a, b, divisible in hulls[key])
    return _sorted(devices, rows)


def _sorted(devices: Devices, rows: list[tuple[int, int, int, bool]]) -> Merit:
    device = np.array([row[0] for row in rows], dtype=np.int64)
    low = np.array([row[1] for row in rows], dtype=np.int64)
    high = np.array([row[2] for row in rows], dtype=np.int64)
    from_w, to_w = devices.mode_w[low], devices.mode_w[high]
    density = (devices.mode_value[high] - devices.mode_value[low]) / (to_w - from_w)
    starts = from_w <= devices.off_w[device]
    start_share = np.clip(1.0 - devices.up_s[device] / START_HORIZON_S, 0.0, 1.0)
    held = density * np.where(density > 0.0, 1.0 + HELD_BONUS, 1.0)
    new = _falling(device, density * np.where(starts & (density > 0.0), start_share, 1.0))
    held_order, new_order, order = (np.argsort(-key, kind="stable") for key in (held, new, density))
    _, first = np.unique(device[order], return_index=True)
    return Merit(
        device=device,
        from_w=from_w,
        to_w=to_w,
        density=density,
        divisible=np.array([row[3] for row in rows], dtype=np.bool_),
        held_order=held_order,
        held_density=held[held_order],
        new_order=new_order,
        new_density=new[new_order],
        order=order,
        device_order=device[order][np.sort(first)],
    )


def _falling(device: I64, density: F64) -> F64:
    # A later segment of a device must not come before the one that it stands on.
    falling = density.copy()
    for k in range(1, falling.size):
        if device[k] == device[k - 1]:
            falling[k] = min(falling[k], falling[k - 1])
    return falling
