"""What a device can still be raised by: the upper concave hull of its modes between its base and its upper watts.

A device that must draw `base_w` and may draw `upper_w` stands on its highest mode row that is not above its base. A hull
edge leads from there to the next row; ``climb[row]`` says how many rows it spans, 0 where the hull ends. A continuous row
above `upper_w` is cut to it. What a value is worth to the allocator is less by what a start loses and more by a bonus for
what runs already (`worth`).

An edge is sorted as one whole number, its item: the density in bits that ascend as it falls, above `low_bits` bits for the
device and, in the last `rank_bits` of them, for the row within the device that the edge starts from.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from controller.core.kernels import inlined, kernel
from controller.core.kernels.columns import EPS_W, Choices, F64x2, MeritOrder, at
from controller.core.site import F64, I64

#: The lower bits of `climb`: how many rows a hull edge spans. BASED: it starts from `base_w`, which is inside its first
#: row. CLIPPED: it ends at `upper_w`, inside its last row.
ROWS = 63
BASED = 64
CLIPPED = 128
#: A line that is steeper by less goes straight on.
ON_THE_LINE = 1.0 + 1e-9


class Corners(NamedTuple):
    """Workspace: the corners of one device's hull, their rows (ROWS + 1,), and their watts and worth (2, ROWS + 1)."""

    row: I64
    points: F64x2


@inlined
def worth(value: float, kept_value: float, start_share: float, bonus: float) -> float:
    """Return the worth of `value` to a device that earns `kept_value` now; 0 means that it would have to start."""
    if kept_value <= 0.0:
        return value * start_share
    return value + bonus * min(max(value, 0.0), kept_value)


@kernel
def row_at(mode_start: I64, mode_w: F64, device: int, watts: float) -> int:
    """Return the highest row of `device` that is not above `watts`; its first row if none is."""
    row = mode_start[at(device)]
    last = mode_start[at(device + 1)] - 1
    while row < last and mode_w[at(row + 1)] <= watts + EPS_W:
        row += 1
    return int(row)


@kernel
def value_at(choices: Choices, device: int, watts: float) -> float:
    """Return the value of `device` at `watts`; between two discrete modes it is that of the lower one."""
    row = row_at(choices.start, choices.watts, device, watts)
    above = min(row + 1, choices.start[at(device + 1)] - 1)
    here_w, above_w = choices.watts[at(row)], choices.watts[at(above)]
    value, above_value = choices.value[at(row)], choices.value[at(above)]
    divisible = choices.continuous[at(above)]
    if above > row and divisible and watts > here_w:
        value += (watts - here_w) / (above_w - here_w) * (above_value - value)
    return float(value)


@kernel
def worth_at(choices: Choices, device: int, watts: float) -> float:
    """Return the worth of `device` at `watts`: between two continuous modes on the line from one to the other."""
    kept, start_share, bonus = choices.kept_value[at(device)], choices.start_share[at(device)], choices.bonus
    row = row_at(choices.start, choices.watts, device, watts)
    above = min(row + 1, choices.start[at(device + 1)] - 1)
    here_w, above_w = choices.watts[at(row)], choices.watts[at(above)]
    value, above_value = choices.value[at(row)], choices.value[at(above)]
    divisible = choices.continuous[at(above)]
    gain = worth(value, kept, start_share, bonus)
    if above > row and divisible and watts > here_w:
        gain += (watts - here_w) / (above_w - here_w) * (worth(above_value, kept, start_share, bonus) - gain)
    return float(gain)


@kernel
def density_of(item: np.uint64, low_bits: int) -> float:
    """Return the density that an item was sorted by, rounded up by less than a billionth."""
    bits = (np.uint64(item) >> np.uint64(low_bits)) << np.uint64(low_bits - 1)
    return float(np.uint64(np.uint64(0x7FFFFFFFFFFFFFFF) - bits).view(np.float64))


@inlined
def device_of(item: np.uint64, low_bits: int, rank_bits: int) -> int:
    """Return the device of an item."""
    return int((np.uint64(item) & ((np.uint64(1) << np.uint64(low_bits)) - np.uint64(1))) >> np.uint64(rank_bits))


@inlined
def rank_of(item: np.uint64, rank_bits: int) -> int:
    """Return how many rows above the device's first one the edge of an item starts."""
    return int(np.uint64(item) & ((np.uint64(1) << np.uint64(rank_bits)) - np.uint64(1)))


@kernel
def hulls(choices: Choices, held_w: F64, first: int, last: int, order: MeritOrder, corners: Corners) -> int:
    """Write the hulls of the devices from `first` to before `last` into `climb`; return how many edges they have.

    The `items` of the order take the edges, `kept_value` (D,) what each device earns at `held_w` (D,). Edges that earn
    nothing are left out.
    """
    start_of, mode_w, mode_value, continuous = choices.start, choices.watts, choices.value, choices.continuous
    start_share, kept_value, bonus = choices.start_share, choices.kept_value, choices.bonus
    base_w, upper_w = choices.base_w, choices.upper_w
    items, climb, low_bits, rank_bits = order.items, order.climb, order.low_bits, order.rank_bits
    corner, corner_w, corner_gain = corners.row, corners.points[0], corners.points[1]
    count = 0
    for i in range(first, last):
        start = start_of[at(i)]
        end = start_of[at(i + 1)]
        kept = 0.0
        if held_w[at(i)] > mode_w[at(start)] + EPS_W:
            kept = max(value_at(choices, i, held_w[at(i)]), 0.0)
        kept_value[at(i)] = kept
        share = start_share[at(i)]
        base = base_w[at(i)]
        upper = upper_w[at(i)]
        bottom = start
        gain = worth(mode_value[at(start)], kept, share, bonus)
        if base > mode_w[at(start)] + EPS_W:
            bottom = row_at(start_of, mode_w, i, base)
            gain = worth_at(choices, i, base)
        based = BASED if base != mode_w[at(bottom)] else 0
        corner[0] = bottom
        corner_w[0] = base
        corner_gain[0] = gain
        begin = count
        density = np.inf
        clipped = False
        here, here_w, here_gain = bottom, base, gain
        for row in range(bottom + 1, end):
            to_w = mode_w[at(row)]
            gain = worth(mode_value[at(row)], kept, share, bonus)
            if to_w > upper + EPS_W:
                if not continuous[at(row)] or upper <= max(mode_w[at(row - 1)], base) + EPS_W:
                    break
                clipped = True
                to_w = upper
                gain = worth_at(choices, i, upper)
            slope = (gain - here_gain) / (to_w - here_w)
            # A corner that lies on the line is kept, however the line is rounded: it is one more whole step to take.
            while slope > density * ON_THE_LINE:
                count -= 1
                top = count - begin
                here, here_w, here_gain = corner[at(top)], corner_w[at(top)], corner_gain[at(top)]
                slope = (gain - here_gain) / (to_w - here_w)
                density = np.inf
                if top > 0:
                    density = (here_gain - corner_gain[at(top - 1)]) / (here_w - corner_w[at(top - 1)])
            slope = min(slope, density)
            if slope > 0.0:
                climb[at(here)] = (row - here) | (based if count == begin else 0) | (CLIPPED if clipped else 0)
                bits = np.uint64(0x7FFFFFFFFFFFFFFF) - np.float64(slope).view(np.uint64)
                items[at(count)] = ((bits >> np.uint64(low_bits - 1)) << np.uint64(low_bits)) | np.uint64(
                    (i << rank_bits) | (here - start)
                )
                count += 1
                here, here_w, here_gain, density = row, to_w, gain, slope
                top = count - begin
                corner[at(top)] = here
                corner_w[at(top)] = here_w
                corner_gain[at(top)] = here_gain
            if clipped:
                break
        climb[at(here)] = 0
    return count
