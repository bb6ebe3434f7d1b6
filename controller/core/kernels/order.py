"""Sorting: least significant digits first, four passes over 44 bits."""

from __future__ import annotations

import numpy as np
from numba import njit

from controller.core.kernels.hull import F64, I64, U64


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


@njit("int64(uint64[::1], float64[::1], float64[::1], int64, int64, int64, uint64[::1], int64)", cache=True)
def replace_items(
    items: U64, from_w: F64, sum_w: F64, count: int, device_bits: int, device: int, new: U64, new_count: int
) -> int:
    """Put the sorted `new` items of `device` in the place of its old ones and return the new count.

    `from_w` and `sum_w` go along with their items; what they hold for the new ones has no meaning.
    """
    mask = (np.uint64(1) << np.uint64(device_bits)) - np.uint64(1)
    kept = 0
    for p in range(count):
        if np.int64(items[p] & mask) != device:
            items[kept] = items[p]
            from_w[kept] = from_w[p]
            sum_w[kept] = sum_w[p]
            kept += 1
    q = kept - 1
    b = new_count - 1
    p = kept + new_count - 1
    while b >= 0:
        if q >= 0 and items[q] > new[b]:
            items[p] = items[q]
            from_w[p] = from_w[q]
            sum_w[p] = sum_w[q]
            q -= 1
        else:
            items[p] = new[b]
            b -= 1
        p -= 1
    return kept + new_count
