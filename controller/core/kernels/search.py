"""The cheapest set of changes that fits into a rest, exact.

A rounded-down solution of the linear program leaves `rest_w` of a limit unused, at `price` per watt. A change moves one
device to another mode, `change_w` watts more (or less), and loses `change_loss` against the program. Wanted is the set
that fits into the rest and loses the least, unused watts included. The devices are dealt to two halves; of each, all sets
are listed that lose at most a window and that no set of fewer watts beats; the lists are then matched. The window grows
until the best pair lies in it, which proves it.
"""

from __future__ import annotations

import numpy as np

from controller.core.kernels import joined, kernel
from controller.core.kernels.columns import ChangeSets, Rest, at

#: Most changes that are looked at, a bit each, and most sets of half of them.
CHANGES = 64
#: So few changes that all sets of them are looked at at once.
ALL = 8
SETS = 256
#: Searches with no place for all sets before the best that was found has to do.
SPILLS = 4


@kernel
def offer(change_w: float, loss: float, to_w: float, device: int, count: int, sets: ChangeSets) -> int:
    """Insert a change into those of `sets`, which ascend in loss; return the new count.

    Where there is no more place the one that loses the most is left out.
    """
    changes, change_device = sets.changes, sets.device
    if count == change_device.size:
        if loss >= changes[1, at(count - 1)]:
            return count
        count -= 1
    k = count
    while k > 0 and changes[1, at(k - 1)] > loss:
        changes[0, at(k)] = changes[0, at(k - 1)]
        changes[1, at(k)] = changes[1, at(k - 1)]
        changes[2, at(k)] = changes[2, at(k - 1)]
        change_device[at(k)] = change_device[at(k - 1)]
        k -= 1
    changes[0, at(k)] = change_w
    changes[1, at(k)] = loss
    changes[2, at(k)] = to_w
    change_device[at(k)] = device
    return count + 1


@kernel
def _group(count: int, sets: ChangeSets) -> int:
    """Write the first change of each device into ``groups[0]``, the next one of the same device (-1) into ``groups[1]``.

    Return how many devices there are; ``groups[2]`` takes the last change of each.
    """
    device, groups = sets.device, sets.groups
    devices = 0
    for k in range(count):
        groups[1, k] = -1
        g = 0
        while g < devices and device[at(groups[0, at(g)])] != device[k]:
            g += 1
        if g == devices:
            groups[0, at(g)] = k
            devices += 1
        else:
            groups[1, at(groups[2, at(g)])] = k
        groups[2, at(g)] = k
    return devices


@kernel
def _sets(half: int, devices: int, window: float, price: float, sets: ChangeSets) -> tuple[int, int]:
    """List the sets of one half by ascending watts; return how many, and in which of the lists (watts, loss) they are.

    Only sets are kept that are better at `price` than all sets of fewer watts. Negative: there was no place for all.
    """
    changes, groups, lists, masks = sets.changes, sets.groups, sets.lists, sets.masks
    h = at(half)
    most = masks.shape[2] - 1
    now = 0
    size = 1
    whole = True
    lists[h, 0, 0, 0] = 0.0
    lists[h, 0, 1, 0] = 0.0
    masks[h, 0, 0] = 0
    one = np.uint64(1)
    # The dearest first: few sets hold one of them, so that the lists are long only at the end.
    for g in range(devices - 1 - (devices - 1 - half) % 2, -1, -2):
        k = groups[0, at(g)]
        before = now
        old = size
        while whole and k >= 0 and changes[1, k] <= window:
            bit = one << np.uint64(k)
            # Merge the sets so far with those that this change makes of the sets without its device.
            into = (before + 1) % 3 if now == before else 3 - before - now
            was, been, will = at(before), at(now), at(into)
            step = changes[0, k]
            change_loss = changes[1, k]
            most_loss = window - change_loss
            lists[h, was, 0, at(old)] = np.inf
            lists[h, was, 1, at(old)] = -np.inf
            lists[h, been, 0, at(size)] = np.inf
            a = 0
            b = 0
            n = 0
            best = -np.inf
            while True:
                while lists[h, was, 1, at(b)] > most_loss:
                    b += 1
                if lists[h, was, 0, at(b)] + step < lists[h, been, 0, at(a)]:
                    watts = lists[h, was, 0, at(b)] + step
                    loss = lists[h, was, 1, at(b)] + change_loss
                    mask = masks[h, was, at(b)] | bit
                    b += 1
                elif a < size:
                    watts = lists[h, been, 0, at(a)]
                    loss = lists[h, been, 1, at(a)]
                    mask = masks[h, been, at(a)]
                    a += 1
                else:
                    break
                gain = price * watts - loss
                if gain > best:
                    if n == most:
                        whole = False
                        break
                    best = gain
                    lists[h, will, 0, at(n)] = watts
                    lists[h, will, 1, at(n)] = loss
                    masks[h, will, at(n)] = mask
                    n += 1
            now = into
            size = n
            k = groups[1, k]
    return size if whole else -size, now


@joined
def cheapest(rest: Rest, count: int, sets: ChangeSets) -> tuple[float, float, np.uint64]:
    """Return what the cheapest set of the first `count` changes loses, a proven least loss, and the set, bit k for change k.

    The changes ascend in loss. The two losses are no more than the slack of the `rest` apart unless there was no place for
    all sets.
    """
    lists, masks, price = sets.lists, sets.masks, rest.own_price
    found = price * rest.watts
    proven = 0.0
    chosen = np.uint64(0)
    window = found
    if count > ALL:
        window = max(found / (1024.0 if rest.slack > 0.0 else 128.0), sets.changes[1, 3], 2.0 * rest.least)
    devices = _group(count, sets)
    growth = 2.0 if rest.slack > 0.0 else 4.0
    spilled = 0
    done = False
    while not done:
        window = min(window, found)
        sizes, in_first = _sets(0, devices, window, price, sets)
        others, in_second = _sets(1, devices, window, price, sets)
        x, y = at(in_first), at(in_second)
        a = 0
        b = abs(others) - 1
        while a < abs(sizes) and b >= 0:
            left_w = rest.watts - lists[0, x, 0, at(a)]
            while b >= 0 and lists[1, y, 0, at(b)] > left_w:
                b -= 1
            if b >= 0:
                loss = lists[0, x, 1, at(a)] + lists[1, y, 1, at(b)] + price * (left_w - lists[1, y, 0, at(b)])
                if loss < found:
                    found = loss
                    chosen = masks[0, x, at(a)] | masks[1, y, at(b)]
            a += 1
        if sizes > 0 and others > 0:
            proven = min(window, found)
            done = found - window <= rest.slack
            window *= growth
        else:
            # Too many sets: a smaller window may do.
            spilled += 1
            done = spilled == SPILLS
            window = 0.5 * (proven + window) if proven > 0.0 else 0.125 * window
            growth = 1.25
    return found, proven, chosen
