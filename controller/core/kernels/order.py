"""Sorting: least significant digits first, four passes over 44 bits."""

from __future__ import annotations

import numpy as np
from numba import njit

from controller.core.kernels.hull import U64
from controller.core.site import F64, I64

#: No position is as high: what is above stands for no position.
LAST = 1 << 62


@njit("void(uint64[::1], uint64[::1], int64, int64, int64[::1])", cache=True)
def _spread(source: U64, target: U64, count: int, bit: int, place: I64) -> None:
    shift = np.uint64(bit)
    for k in range(count):
        item = source[k]
        bucket = (item >> shift) & np.uint64(2047)
        target[place[bucket]] = item
        place[bucket] += 1


@njit("void(uint64[::1], uint64[::1], int64, int64, int64[:, ::1])", cache=True)
def sort_items(items: U64, spare: U64, count: int, low_bit: int, tally: I64) -> None:
    """Sort the first `count` items by the 44 bits from `low_bit` up; equal ones keep their places.

    `spare` is as long as `items`, `tally` is (4, 2048).
    """
    mask = np.uint64(2047)
    tally[:, :] = 0
    for k in range(count):
        key = items[k] >> np.uint64(low_bit)
        tally[0, key & mask] += 1
        tally[1, (key >> np.uint64(11)) & mask] += 1
        tally[2, (key >> np.uint64(22)) & mask] += 1
        tally[3, (key >> np.uint64(33)) & mask] += 1
    for digit in range(4):
        place = 0
        for bucket in range(2048):
            size = tally[digit, bucket]
            tally[digit, bucket] = place
            place += size
    for digit in range(0, 4, 2):
        _spread(items, spare, count, low_bit + 11 * digit, tally[digit])
        _spread(spare, items, count, low_bit + 11 * digit + 11, tally[digit + 1])


@njit(
    "int64(uint64[::1], float64[::1], float64[::1], int64, int64, int64, uint64[::1], int64, int64[::1])",
    cache=True,
)
def replace_items(
    items: U64,
    from_w: F64,
    sum_w: F64,
    count: int,
    device_bits: int,
    device: int,
    new: U64,
    new_count: int,
    closed_at: I64,
) -> int:
    """Put the sorted `new` items of `device` in the place of its old ones, not admitted yet; return the new count.

    `from_w`, `sum_w` and the positions `closed_at` (N,) of other devices' items go along with them.
    """
    mask = (np.uint64(1) << np.uint64(device_bits)) - np.uint64(1)
    kept = 0
    gone_w = 0.0
    before_w = 0.0
    for p in range(count):
        step = sum_w[p] - before_w
        before_w = sum_w[p]
        if int(items[p] & mask) == device:
            gone_w += step
            for n in range(closed_at.size):
                # An item that goes lowers all positions behind it; `kept` is where the one behind it comes to stand.
                closed_at[n] -= kept < closed_at[n] < LAST
            continue
        items[kept] = items[p]
        from_w[kept] = from_w[p]
        sum_w[kept] = sum_w[p] - gone_w
        kept += 1
    for b in range(new_count):
        p = kept
        while p > 0 and items[p - 1] > new[b]:
            items[p] = items[p - 1]
            from_w[p] = from_w[p - 1]
            sum_w[p] = sum_w[p - 1]
            p -= 1
        items[p] = new[b]
        from_w[p] = 0.0
        sum_w[p] = sum_w[p - 1] if p > 0 else 0.0
        for n in range(closed_at.size):
            closed_at[n] += p <= closed_at[n] < LAST
        kept += 1
    return kept
