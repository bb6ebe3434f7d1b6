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

from controller.core.kernels.hull import U64
from controller.core.site import F64, I64

#: Most changes that are looked at, a bit each, and most sets of half of them.
CHANGES = 64
SETS = 256


@njit("int64(float64, float64, int64, float64, int64, float64[:, ::1], int64[::1])", cache=True)
def offer(change_w: float, loss: float, device: int, to_w: float, count: int, changes: F64, change_device: I64) -> int:
    """Insert a change into `changes` (watts, loss, new watts), which ascends in loss; return the new count.

    Where there is no more place the one that loses the most is left out.
    """
    if count == change_device.size:
        if loss >= changes[1, count - 1]:
            return count
        count -= 1
    k = count
    while k > 0 and changes[1, k - 1] > loss:
        changes[0, k] = changes[0, k - 1]
        changes[1, k] = changes[1, k - 1]
        changes[2, k] = changes[2, k - 1]
        change_device[k] = change_device[k - 1]
        k -= 1
    changes[0, k] = change_w
    changes[1, k] = loss
    changes[2, k] = to_w
    change_device[k] = device
    return count + 1


@njit(
    "UniTuple(int64, 2)(int64, float64, float64, int64, float64[::1], float64[::1], int64[::1], float64[:, :, ::1],"
    " uint64[:, ::1])",
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
) -> tuple[int, int]:
    """List the sets of one half by ascending watts; return how many, and in which of the lists (watts, loss) they are.

    Only sets are kept that are better at `price` than all sets of fewer watts. Negative: there was no place for all.
    """
    most = masks.shape[1]
    now = 0
    size = 1
    whole = True
    lists[0, 0, 0] = 0.0
    lists[0, 1, 0] = 0.0
    masks[0, 0] = 0
    side = 0
    seen = np.uint64(0)
    one = np.uint64(1)
    for first in range(count):
        if seen >> np.uint64(first) & one:
            continue
        if change_loss[first] > window:
            break
        side = 1 - side
        before = now
        old = size
        for k in range(first, count):
            if change_loss[k] > window:
                break
            if change_device[k] != change_device[first]:
                continue
            bit = one << np.uint64(k)
            seen |= bit
            if side != half:
                continue
            # Merge the sets so far with those that this change makes of the sets without its device.
            into = (before + 1) % 3 if now == before else 3 - before - now
            step = change[k]
            dear = change_loss[k]
            a = 0
            b = 0
            n = 0
            best = -np.inf
            while True:
                while b < old and lists[before, 1, b] + dear > window:
                    b += 1
                if b < old and (a == size or lists[before, 0, b] + step < lists[now, 0, a]):
                    watts = lists[before, 0, b] + step
                    loss = lists[before, 1, b] + dear
                    mask = masks[before, b] | bit
                    b += 1
                elif a < size:
                    watts = lists[now, 0, a]
                    loss = lists[now, 1, a]
                    mask = masks[now, a]
                    a += 1
                else:
                    break
                gain = price * watts - loss
                if gain > best:
                    if n == most:
                        whole = False
                        break
                    best = gain
                    lists[into, 0, n] = watts
                    lists[into, 1, n] = loss
                    masks[into, n] = mask
                    n += 1
            now = into
            size = n
            if not whole:
                return -size, now
    return size, now


@njit(
    "Tuple((float64, float64, uint64))(float64, float64, int64, float64[::1], float64[::1], int64[::1],"
    " float64, float64[:, :, :, ::1], uint64[:, :, ::1])",
    cache=True,
)
def cheapest(
    rest_w: float,
    price: float,
    count: int,
    change: F64,
    change_loss: F64,
    change_device: I64,
    enough: float,
    lists: F64,
    masks: U64,
) -> tuple[float, float, np.uint64]:
    """Return what the cheapest set loses, a proven least loss, and the set, bit k for change k.

    The changes ascend in loss. A set that loses no more than `enough` is taken without a proof. Else the two losses are equal unless `lists` (2, 3, 2, SETS) and `masks` (2, 3, SETS), the
    workspace, were too small.
    """
    found = price * rest_w
    proven = 0.0
    chosen = np.uint64(0)
    window = found
    if count > 0:
        window = (
            max(change_loss[min(7, count - 1)], enough)
            if enough > 0.0
            else max(found / 64.0, change_loss[min(3, count - 1)])
        )
    growth = 2.0
    spilled = 0
    while True:
        window = min(window, found)
        sizes, x = _sets(1, window, price, count, change, change_loss, change_device, lists[0], masks[0])
        others, y = _sets(0, window, price, count, change, change_loss, change_device, lists[1], masks[1])
        b = abs(others) - 1
        for a in range(abs(sizes)):
            left_w = rest_w - lists[0, x, 0, a]
            while b >= 0 and lists[1, y, 0, b] > left_w:
                b -= 1
            if b < 0:
                break
            loss = lists[0, x, 1, a] + lists[1, y, 1, b] + price * (left_w - lists[1, y, 0, b])
            if loss < found:
                found = loss
                chosen = masks[0, x, a] | masks[1, y, b]
        if sizes > 0 and others > 0:
            proven = min(window, found)
            if window >= found or found <= enough:
                return found, proven, chosen
            window *= growth
        else:
            # Too many sets: a smaller window may do.
            spilled += 1
            if spilled == 4:
                return found, proven, chosen
            window = 0.5 * (proven + window) if proven > 0.0 else 0.125 * window
            growth = 1.25
