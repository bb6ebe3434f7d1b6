"""The cheapest set of changes that fits into a rest, exact.

A rounded-down solution of the linear program leaves `rest_w` of a limit unused, at `price` per watt. A change moves one
device to another mode, `change_w` watts more (or less), and loses `change_loss` against the program. Wanted is the set
that fits into the rest and loses the least, unused watts included. The devices are dealt to two halves; of each, all sets
are listed that lose at most a window and that no set of fewer watts beats; the lists are then matched. The window grows
until the best pair lies in it, which proves it.
"""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.hull import U64
from controller.core.site import F64, I64

#: Most changes that are looked at, a bit each, and most sets of half of them.
CHANGES = 64
#: So few changes that all sets of them are looked at at once.
ALL = 8
SETS = 256


@kernel("int64(float64, float64, int64, float64, int64, float64[:, ::1], int64[::1])")
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


@kernel("int64(int64, int64[::1], int64[:, ::1])")
def _group(count: int, change_device: I64, groups: I64) -> int:
    """Write the first change of each device into ``groups[0]``, the next one of the same device (-1) into ``groups[1]``.

    Return how many devices there are; ``groups[2]`` takes the last change of each.
    """
    devices = 0
    for k in range(count):
        groups[1, k] = -1
        g = 0
        while g < devices and change_device[groups[0, g]] != change_device[k]:
            g += 1
        if g == devices:
            groups[0, g] = k
            devices += 1
        else:
            groups[1, groups[2, g]] = k
        groups[2, g] = k
    return devices


@kernel(
    "UniTuple(int64, 2)(int64, int64, float64, float64, float64[::1], float64[::1], int64[:, ::1], float64[:, :, ::1],"
    " uint64[:, ::1])",
)
def _sets(
    half: int,
    devices: int,
    window: float,
    price: float,
    change: F64,
    change_loss: F64,
    groups: I64,
    lists: F64,
    masks: U64,
) -> tuple[int, int]:
    """List the sets of one half by ascending watts; return how many, and in which of the lists (watts, loss) they are.

    Only sets are kept that are better at `price` than all sets of fewer watts. Negative: there was no place for all.
    """
    most = masks.shape[1] - 1
    now = 0
    size = 1
    whole = True
    lists[0, 0, 0] = 0.0
    lists[0, 1, 0] = 0.0
    masks[0, 0] = 0
    one = np.uint64(1)
    # The dearest first: few sets hold one of them, so that the lists are long only at the end.
    for g in range(devices - 1 - (devices - 1 - half) % 2, -1, -2):
        k = groups[0, g]
        before = now
        old = size
        while k >= 0 and change_loss[k] <= window:
            bit = one << np.uint64(k)
            # Merge the sets so far with those that this change makes of the sets without its device.
            into = (before + 1) % 3 if now == before else 3 - before - now
            old_w, old_loss, old_mask = lists[before, 0], lists[before, 1], masks[before]
            now_w, now_loss, now_mask = lists[now, 0], lists[now, 1], masks[now]
            into_w, into_loss, into_mask = lists[into, 0], lists[into, 1], masks[into]
            step = change[k]
            most_loss = window - change_loss[k]
            old_w[old] = np.inf
            old_loss[old] = -np.inf
            now_w[size] = np.inf
            a = 0
            b = 0
            n = 0
            best = -np.inf
            while True:
                while old_loss[b] > most_loss:
                    b += 1
                if old_w[b] + step < now_w[a]:
                    watts = old_w[b] + step
                    loss = old_loss[b] + change_loss[k]
                    mask = old_mask[b] | bit
                    b += 1
                elif a < size:
                    watts = now_w[a]
                    loss = now_loss[a]
                    mask = now_mask[a]
                    a += 1
                else:
                    break
                gain = price * watts - loss
                if gain > best:
                    if n == most:
                        whole = False
                        break
                    best = gain
                    into_w[n] = watts
                    into_loss[n] = loss
                    into_mask[n] = mask
                    n += 1
            now = into
            size = n
            if not whole:
                return -size, now
            k = groups[1, k]
    return size, now


@kernel(
    "Tuple((float64, float64, uint64))(float64, float64, int64, float64[::1], float64[::1], int64[::1],"
    " float64, float64, int64[:, ::1], float64[:, :, :, ::1], uint64[:, :, ::1])",
)
def cheapest(
    rest_w: float,
    price: float,
    count: int,
    change: F64,
    change_loss: F64,
    change_device: I64,
    slack: float,
    least: float,
    groups: I64,
    lists: F64,
    masks: U64,
) -> tuple[float, float, np.uint64]:
    """Return what the cheapest set loses, a proven least loss, and the set, bit k for change k.

    The changes ascend in loss. No set loses less than `least`, as far as is known. The two losses are no more than `slack`
    apart unless `lists` (2, 3, 2, SETS + 1) and `masks` (2, 3, SETS + 1), the workspace beside `groups` (3, CHANGES), were
    too small.
    """
    found = price * rest_w
    proven = 0.0
    chosen = np.uint64(0)
    window = found
    if count > ALL:
        window = max(found / (1024.0 if slack > 0.0 else 128.0), change_loss[3], 2.0 * least)
    devices = _group(count, change_device, groups)
    growth = 2.0 if slack > 0.0 else 4.0
    spilled = 0
    while True:
        window = min(window, found)
        sizes, x = _sets(0, devices, window, price, change, change_loss, groups, lists[0], masks[0])
        others, y = _sets(1, devices, window, price, change, change_loss, groups, lists[1], masks[1])
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
            if found - window <= slack:
                return found, proven, chosen
            window *= growth
        else:
            # Too many sets: a smaller window may do.
            spilled += 1
            if spilled == 4:
                return found, proven, chosen
            window = 0.5 * (proven + window) if proven > 0.0 else 0.125 * window
            growth = 1.25
