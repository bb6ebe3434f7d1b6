"""What a device can still be raised by: the upper concave hull of its modes between its base and its upper watts.

A device that must draw `base_w` and may draw `upper_w` stands on its highest mode row that is not above its base. A hull
edge leads from there to the next row; ``climb[row]`` says how many rows it spans, 0 where the hull ends. A continuous row
above `upper_w` is cut to it. What a value is worth to the allocator is less by what a start loses and more by a bonus for
what runs already (`worth`).

An edge is sorted as one whole number, its item: the density in bits that ascend as it falls, above `low_bits` bits for the
device and, in the last `rank_bits` of them, for the row within the device that the edge starts from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.core.kernels import kernel
from controller.core.site import F64, I64, Bool

U8 = NDArray[np.uint8]
I32 = NDArray[np.int32]
U64 = NDArray[np.uint64]

EPS_W = 1e-6
#: The lower bits of `climb`: how many rows a hull edge spans. BASED: it starts from `base_w`, which is inside its first
#: row. CLIPPED: it ends at `upper_w`, inside its last row.
ROWS = 63
BASED = 64
CLIPPED = 128


@kernel("float64(float64, float64, float64, float64)", inline="always")
def worth(value: float, kept_value: float, start_share: float, bonus: float) -> float:
    """Return the worth of `value` to a device that earns `kept_value` now; 0 means that it would have to start."""
    if kept_value <= 0.0:
        return value * start_share
    return value + bonus * min(max(value, 0.0), kept_value)


@kernel("int64(int64[::1], float64[::1], int64, float64)")
def row_at(mode_start: I64, mode_w: F64, device: int, watts: float) -> int:
    """Return the highest row of `device` that is not above `watts`; its first row if none is."""
    row = mode_start[device]
    last = mode_start[device + 1] - 1
    while row < last and mode_w[row + 1] <= watts + EPS_W:
        row += 1
    return int(row)


@kernel("float64(int64[::1], float64[::1], float64[::1], boolean[::1], int64, float64)")
def value_at(mode_start: I64, mode_w: F64, mode_value: F64, mode_continuous: Bool, device: int, watts: float) -> float:
    """Return the value of `device` at `watts`; between two discrete modes it is that of the lower one."""
    row = row_at(mode_start, mode_w, device, watts)
    value = mode_value[row]
    if row + 1 < mode_start[device + 1] and mode_continuous[row + 1] and watts > mode_w[row]:
        share = (watts - mode_w[row]) / (mode_w[row + 1] - mode_w[row])
        value += share * (mode_value[row + 1] - value)
    return float(value)


@kernel(
    "float64(int64[::1], float64[::1], float64[::1], boolean[::1], int64, float64, float64, float64, float64)",
)
def worth_at(
    mode_start: I64,
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    device: int,
    watts: float,
    kept_value: float,
    start_share: float,
    bonus: float,
) -> float:
    """Return the worth of `device` at `watts`: between two continuous modes on the line from one to the other."""
    row = row_at(mode_start, mode_w, device, watts)
    gain = worth(mode_value[row], kept_value, start_share, bonus)
    if row + 1 < mode_start[device + 1] and mode_continuous[row + 1] and watts > mode_w[row]:
        share = (watts - mode_w[row]) / (mode_w[row + 1] - mode_w[row])
        gain += share * (worth(mode_value[row + 1], kept_value, start_share, bonus) - gain)
    return float(gain)


@kernel("float64(uint64, int64)")
def density_of(item: int, low_bits: int) -> float:
    """Return the density that an item was sorted by, rounded up by less than a billionth."""
    bits = (np.uint64(item) >> np.uint64(low_bits)) << np.uint64(low_bits - 1)
    return float(np.uint64(np.uint64(0x7FFFFFFFFFFFFFFF) - bits).view(np.float64))


@kernel("int64(uint64, int64, int64)", inline="always")
def device_of(item: int, low_bits: int, rank_bits: int) -> int:
    """Return the device of an item."""
    return int((np.uint64(item) & ((np.uint64(1) << np.uint64(low_bits)) - np.uint64(1))) >> np.uint64(rank_bits))


@kernel("int64(uint64, int64)", inline="always")
def rank_of(item: int, rank_bits: int) -> int:
    """Return how many rows above the device's first one the edge of an item starts."""
    return int(np.uint64(item) & ((np.uint64(1) << np.uint64(rank_bits)) - np.uint64(1)))


@kernel(
    "int64(int64[::1], float64[::1], float64[::1], boolean[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64, int64, int64, float64[::1], uint8[::1], uint64[::1], int64, int64, int64[::1], float64[:, ::1])",
)
def hulls(
    mode_start: I64,
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    start_share: F64,
    base_w: F64,
    upper_w: F64,
    held_w: F64,
    bonus: float,
    first: int,
    last: int,
    kept_value: F64,
    climb: U8,
    items: U64,
    low_bits: int,
    rank_bits: int,
    corner: I64,
    corners: F64,
) -> int:
    """Write the hulls of the devices from `first` to before `last` into `climb` (M,); return how many edges they have.

    `items` takes them, `kept_value` (D,) what the device earns at `held_w`. Edges that earn nothing are left out.
    `corner` (ROWS + 1,), `corners` (2, ROWS + 1): workspace.
    """
    corner_w, corner_gain = corners[0], corners[1]
    count = 0
    for i in range(first, last):
        start = mode_start[i]
        end = mode_start[i + 1]
        kept = 0.0
        if held_w[i] > mode_w[start] + EPS_W:
            kept = max(value_at(mode_start, mode_w, mode_value, mode_continuous, i, held_w[i]), 0.0)
        kept_value[i] = kept
        share = start_share[i]
        base = base_w[i]
        upper = upper_w[i]
        bottom = start
        gain = worth(mode_value[start], kept, share, bonus)
        if base > mode_w[start] + EPS_W:
            bottom = row_at(mode_start, mode_w, i, base)
            gain = worth_at(mode_start, mode_w, mode_value, mode_continuous, i, base, kept, share, bonus)
        based = BASED if base != mode_w[bottom] else 0
        corner[0] = bottom
        corner_w[0] = base
        corner_gain[0] = gain
        begin = count
        density = np.inf
        clipped = False
        at, at_w, at_gain = bottom, base, gain
        for row in range(bottom + 1, end):
            to_w = mode_w[row]
            gain = worth(mode_value[row], kept, share, bonus)
            if to_w > upper + EPS_W:
                if not mode_continuous[row] or upper <= max(mode_w[row - 1], base) + EPS_W:
                    break
                clipped = True
                to_w = upper
                gain = worth_at(mode_start, mode_w, mode_value, mode_continuous, i, upper, kept, share, bonus)
            slope = (gain - at_gain) / (to_w - at_w)
            # A corner that lies on the line is kept: it is one more whole step to take.
            while slope > density:
                count -= 1
                top = count - begin
                at, at_w, at_gain = corner[top], corner_w[top], corner_gain[top]
                slope = (gain - at_gain) / (to_w - at_w)
                density = np.inf
                if top > 0:
                    density = (at_gain - corner_gain[top - 1]) / (at_w - corner_w[top - 1])
            if slope > 0.0:
                climb[at] = (row - at) | (based if count == begin else 0) | (CLIPPED if clipped else 0)
                bits = np.uint64(0x7FFFFFFFFFFFFFFF) - np.float64(slope).view(np.uint64)
                items[count] = ((bits >> np.uint64(low_bits - 1)) << np.uint64(low_bits)) | np.uint64(
                    (i << rank_bits) | (at - start)
                )
                count += 1
                at, at_w, at_gain, density = row, to_w, gain, slope
                top = count - begin
                corner[top] = at
                corner_w[top] = at_w
                corner_gain[top] = at_gain
            if clipped:
                break
        climb[at] = 0
    return count
