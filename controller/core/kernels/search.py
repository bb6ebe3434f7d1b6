"""The cheapest set of changes that fits into a rest, exact.

A rounded-down solution of the linear program leaves `rest_w` of a limit unused, at `price` per watt. A change moves one
device to another mode, `change_w` watts more (or less), and loses `change_loss` against the program. Wanted is the set
that fits into the rest and loses the least, unused watts included. The devices are dealt to two halves; of each, all sets
are listed that lose at most a window and that no set of fewer watts beats; the lists are then matched. The window grows
until the best pair lies in it, which proves it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from controller.core.kernels.hull import F64, I64, U64

#: Most changes that are looked at, a bit each, and most sets of half of them.
CHANGES = 64
SETS = 512


@njit(
    "int64(float64, float64, int64, float64, int64, float64[::1], float64[::1], int64[::1], float64[::1])",
    cache=True,
)
def offer(
    change_w: float,
    loss: float,
    device: int,
    to_w: float,
    count: int,
    change: F64,
    change_loss: F64,
    change_device: I64,
    change_to_w: F64,
) -> int:
    """Insert a change into the list, which is sorted by loss and keeps the `CHANGES` least; return the new count."""
    if count == change.size:
        if loss >= change_loss[count - 1]:
            return count
        count -= 1
    k = count
    while k > 0 and change_loss[k - 1] > loss:
        change[k] = change[k - 1]
        change_loss[k] = change_loss[k - 1]
        change_device[k] = change_device[k - 1]
        change_to_w[k] = change_to_w[k - 1]
        k -= 1
    change[k] = change_w
    change_loss[k] = loss
    change_device[k] = device
    change_to_w[k] = to_w
    return count + 1


@njit(
    "int64(int64, float64, float64, int64, float64[::1], float64[::1], int64[::1], float64[:, :, ::1], uint64[:, ::1])",
    cache=True,
)
def _sets(
    half: int,
    window: float,
    price: float,
    count: int,
    change: F64,
    change_loss: F64,
    change_device: I64,
    lists: F64,
    masks: U64,
) -> int:
    """List the sets of one half by ascending watts in ``lists[0]`` (watts, loss) and ``masks[0]``; return how many.

    Only sets are kept that are better at `price` than all sets of fewer watts. Negative: there was no place for all.
    """
    most = masks.shape[1]
    size = 1
    whole = True
    lists[0, 0, 0] = 0.0
    lists[0, 1, 0] = 0.0
    masks[0, 0] = 0
    side = 0
    seen = np.uint64(0)
    for first in range(count):
        if seen >> np.uint64(first) & np.uint64(1):
            continue
        if change_loss[first] > window:
            break
        side = 1 - side
        old = size
        if side == half:
            lists[2, :, :old] = lists[0, :, :old]
            masks[2, :old] = masks[0, :old]
        for k in range(first, count):
            if change_device[k] != change_device[first]:
                continue
            seen |= np.uint64(1) << np.uint64(k)
            if side != half or change_loss[k] > window:
                continue
            # Merge the sets so far with those that this device's change makes of the sets without it.
            a = 0
            b = 0
            n = 0
            best = -np.inf
            while a < size or b < old:
                while b < old and lists[2, 1, b] + change_loss[k] > window:
                    b += 1
                if b == old and a == size:
                    break
                if b == old or (a < size and lists[0, 0, a] <= lists[2, 0, b] + change[k]):
                    watts, loss, mask = lists[0, 0, a], lists[0, 1, a], masks[0, a]
                    a += 1
                else:
                    watts, loss = lists[2, 0, b] + change[k], lists[2, 1, b] + change_loss[k]
                    mask = masks[2, b] | np.uint64(1) << np.uint64(k)
                    b += 1
                gain = price * watts - loss
                if gain <= best:
                    continue
                if n == most:
                    whole = False
                    break
                best = gain
                lists[1, 0, n] = watts
                lists[1, 1, n] = loss
                masks[1, n] = mask
                n += 1
            size = n
            lists[0, :, :size] = lists[1, :, :size]
            masks[0, :size] = masks[1, :size]
    return size if whole else -size


@njit(
    "Tuple((float64, float64, uint64))(float64, float64, int64, float64[::1], float64[::1], int64[::1],"
    " float64[:, :, :, ::1], uint64[:, :, ::1])",
    cache=True,
)
def cheapest(
    rest_w: float,
    price: float,
    count: int,
    change: F64,
    change_loss: F64,
    change_device: I64,
    lists: F64,
    masks: U64,
) -> tuple[float, float, int]:
    """Return what the cheapest set loses, a proven least loss, and the set, bit k for change k.

    The changes ascend in loss. The two losses are equal unless `lists` (2, 3, 2, SETS) and `masks` (2, 3, SETS), the
    workspace, were too small.
    """
    found = price * rest_w
    proven = 0.0
    chosen = np.uint64(0)
    window = max(found / 64.0, change_loss[min(3, count - 1)]) if count > 0 else found
    while True:
        window = min(window, found)
        sizes = _sets(1, window, price, count, change, change_loss, change_device, lists[0], masks[0])
        others = _sets(0, window, price, count, change, change_loss, change_device, lists[1], masks[1])
        b = abs(others) - 1
        for a in range(abs(sizes)):
            left_w = rest_w - lists[0, 0, 0, a]
            while b >= 0 and lists[1, 0, 0, b] > left_w:
                b -= 1
            if b < 0:
                break
            loss = lists[0, 0, 1, a] + lists[1, 0, 1, b] + price * (left_w - lists[1, 0, 0, b])
            if loss < found:
                found = loss
                chosen = masks[0, 0, a] | masks[1, 0, b]
        if sizes < 0 or others < 0:
            return found, proven, chosen
        proven = min(window, found)
        if window >= found:
            return found, proven, chosen
        window *= 2.0
