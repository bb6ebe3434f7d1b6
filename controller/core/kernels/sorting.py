"""Sorting, least significant digits first, and changes of what is sorted."""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.columns import I32, U64, I32x2, MeritOrder, at
from controller.core.kernels.hull import device_of
from controller.core.site import I64

#: Bits of a digit, and the most digits that are sorted by.
DIGIT = 12
PASSES = 4
#: So many more bits than it takes to count the items set nearly all of them apart.
APART = 6
#: So many bits fewer do it where that saves a pass.
SPARED = 2
#: No position is as high: what is above stands for no position.
LAST = 1 << 62


@kernel
def _spread(source: U64, target: U64, count: int, least: np.uint64, bit: int, digit_bits: int, place: I32) -> None:
    shift = np.uint64(bit)
    mask = (np.uint64(1) << np.uint64(digit_bits)) - np.uint64(1)
    for k in range(count):
        item = source[k]
        bucket = ((item - least) >> shift) & mask
        target[at(place[bucket])] = item
        place[bucket] += 1


@kernel
def _radix(items: U64, spare: U64, count: int, least: np.uint64, bit: int, width: int, tally: I32x2) -> bool:
    """Sort by the `width` bits from `bit` up of what items are above `least`; return whether they now stand in `spare`."""
    passes = (width + DIGIT - 1) // DIGIT
    digit_bits = (width + passes - 1) // passes
    mask = (np.uint64(1) << np.uint64(digit_bits)) - np.uint64(1)
    tally[:passes, : 1 << digit_bits] = 0
    one, two, three = np.uint64(digit_bits), np.uint64(2 * digit_bits), np.uint64(3 * digit_bits)
    for k in range(count):
        key = (items[k] - least) >> np.uint64(bit)
        tally[0, key & mask] += 1
        if passes > 1:
            tally[1, (key >> one) & mask] += 1
        if passes > 2:
            tally[2, (key >> two) & mask] += 1
        if passes > 3:
            tally[3, (key >> three) & mask] += 1
    for digit in range(passes):
        place = np.int32(0)
        for bucket in range(1 << digit_bits):
            size = tally[at(digit), at(bucket)]
            tally[at(digit), at(bucket)] = place
            place += size
    for digit in range(passes):
        shift = bit + digit * digit_bits
        if digit % 2 == 0:
            _spread(items, spare, count, least, shift, digit_bits, tally[digit])
        else:
            _spread(spare, items, count, least, shift, digit_bits, tally[digit])
    return passes % 2 == 1


@kernel
def _settle(items: U64, count: int, low_bits: int) -> bool:
    """Move each item to its place among those before it; return whether that took few moves (else some are not done)."""
    left = count
    below = np.uint64(low_bits)
    for k in range(1, count):
        item = items[k]
        p = k
        while p > 0 and items[at(p - 1)] >> below > item >> below:
            items[at(p)] = items[at(p - 1)]
            p -= 1
        items[at(p)] = item
        left -= k - p
        if left < 0:
            return False
    return True


@kernel
def sort_items(items: U64, spare: U64, count: int, low_bits: int, tally: I32x2) -> bool:
    """Sort the first `count` items by their bits from `low_bits` up; equal ones keep their places.

    Return whether they have come to stand in `spare`, which is as long as `items`. `tally` is (PASSES, 1 << DIGIT).
    """
    least = ~np.uint64(0)
    most = np.uint64(0)
    for k in range(count):
        least = min(least, items[k])
        most = max(most, items[k])
    # Only the bits in which the items differ are sorted by.
    least = (least >> np.uint64(low_bits)) << np.uint64(low_bits)
    width = 0
    while count > 0 and (most - least) >> np.uint64(low_bits) >> np.uint64(width):
        width += 1
    if width == 0:
        return False
    # The upper ones of them set nearly all items apart; the few that they do not are moved by hand.
    telling = APART
    while count >> (telling - APART):
        telling += 1
    # A pass less is worth a few more moves by hand.
    if telling > DIGIT and telling % DIGIT <= SPARED:
        telling -= telling % DIGIT
    in_spare = False
    if (telling + DIGIT - 1) // DIGIT < (width + DIGIT - 1) // DIGIT:
        in_spare = _radix(items, spare, count, least, low_bits + width - telling, telling, tally)
        if _settle(spare if in_spare else items, count, low_bits):
            return in_spare
    if in_spare:
        return not _radix(spare, items, count, least, low_bits, width, tally)
    return _radix(items, spare, count, least, low_bits, width, tally)


@kernel
def replace_items(order: MeritOrder, device: int, new: U64, new_length: int, closed_at: I64) -> tuple[int, int]:
    """Put the sorted `new` items of `device` in the place of its old ones, not admitted yet; return the new length and end.

    How other devices' items were admitted, and their positions in `closed_at` (N,), go along with them.
    """
    items, low_bits, rank_bits = order.items, order.low_bits, order.rank_bits
    from_w, sum_w, end = order.from_w, order.sum_w, order.end
    kept = 0
    gone_w = 0.0
    before_w = 0.0
    for p in range(order.length):
        if device_of(items[p], low_bits, rank_bits) == device:
            gone_w += sum_w[p] - (sum_w[p - 1] if kept == p and p > 0 else before_w)
            before_w = sum_w[p]
            for n in range(closed_at.size):
                # An item that goes lowers all positions behind it; `kept` is where the one behind it comes to stand.
                closed_at[n] -= kept < closed_at[n] < LAST
            end -= kept < end
            continue
        if kept < p:
            items[at(kept)] = items[p]
            from_w[at(kept)] = from_w[p]
            before_w = sum_w[p]
            sum_w[at(kept)] = sum_w[p] - gone_w
        kept += 1
    for b in range(new_length):
        p = kept
        while p > 0 and items[at(p - 1)] > new[b]:
            items[at(p)] = items[at(p - 1)]
            from_w[at(p)] = from_w[at(p - 1)]
            sum_w[at(p)] = sum_w[at(p - 1)]
            p -= 1
        items[at(p)] = new[b]
        from_w[at(p)] = 0.0
        sum_w[at(p)] = sum_w[at(p - 1)] if p > 0 else 0.0
        for n in range(closed_at.size):
            closed_at[n] += p <= closed_at[n] < LAST
        end += p <= end
        kept += 1
    return kept, end
