"""The merit order admitted to the tree: exact for the linear program, and every site limit is a prefix of it.

Hull edges are taken in the order of their density while every node above has room. An edge that does not fit whole is
taken in part and closes the node that stopped it, with all that is below. This is optimal for divisible edges (Federgruen
and Groenevelt 1986). No closing of a node below the site depends on the site's own limit, so the edges are admitted with
the site unlimited (`admit`) and a site limit only moves the end of the list (`cut`).

Nodes are numbered in preorder: node n and all below it are ``n .. n + size[n] - 1``, the site is node 0.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from controller.core.kernels.hull import CLIPPED, EPS_W, I32, ROWS, U8, U64, row_at
from controller.core.site import F64, I64, Bool

#: Position at which a node that is open was closed.
OPEN = np.iinfo(np.int64).max
#: So many items are looked ahead while the order is admitted.
AHEAD = 64
#: Watts of so many devices stay in the cache of a core.
CACHED = 1 << 18
#: Items that do not fit into what is left of the site's limit before the search for one that does ends.
MISSES = 64


@njit("float64(uint64, int64)", cache=True)
def density_of(item: int, device_bits: int) -> float:
    """Return the density that an item was sorted by."""
    bits = (np.uint64(item) >> np.uint64(device_bits)) << np.uint64(device_bits - 1)
    return float(np.uint64(np.uint64(0x7FFFFFFFFFFFFFFF) - bits).view(np.float64))


@njit(
    "float64(int64[::1], int64[::1], int64, int32[::1], float64[::1], boolean[::1], float64[::1], uint8[::1],"
    " uint64[::1], int64, int64, float64[::1], float64[::1], int32[::1], float64[::1], float64[::1], int64[::1],"
    " int64[::1], float64[::1])",
    cache=True,
)
def admit(
    parent: I64,
    size: I64,
    branch: int,
    home: I32,
    mode_w: F64,
    mode_continuous: Bool,
    upper_w: F64,
    climb: U8,
    items: U64,
    count: int,
    device_bits: int,
    room_w: F64,
    watts: F64,
    at: I32,
    from_w: F64,
    sum_w: F64,
    closed_at: I64,
    cut_device: I64,
    cut_w: F64,
) -> float:
    """Admit the items of the devices below `branch`; those of other branches stay as they are.

    In place: `room_w` (N,) holds what the bases leave of each limit and keeps what remains; `watts` and `at` (D,) the
    watts of each device and the row at which it stands; ``from_w[p]`` where the device of item p stood before it (with a
    minus sign, zero included, if the item has not raised it), ``sum_w[p]`` the watts that all items up to p add at the
    site, parts included. A closed node has the position of its closing in `closed_at` (N,) and, if the edge there cannot
    be divided, the device and the part in `cut_device` (else -1) and `cut_w`; the device then stays below the edge.
    What is returned has no meaning; it keeps the look-ahead from being left out.
    """
    mask = (np.uint64(1) << np.uint64(device_bits)) - np.uint64(1)
    last = branch + size[branch]
    total = 0.0
    old = 0.0
    touched = 0.0
    for p in range(count):
        if branch == 0 and p % AHEAD == 0:
            # Touch what the next items need: independent reads overlap, those of the loop below wait for each other.
            for q in range(p, min(p + AHEAD, count)):
                i = int(items[q] & mask)
                row = at[i]
                touched += mode_w[row + (climb[row] & ROWS)] + watts[i] + home[i]
        i = int(items[p] & mask)
        leaf = home[i]
        if leaf < branch or leaf >= last:
            total += sum_w[p] - old
            old = sum_w[p]
            sum_w[p] = total
            continue
        old = sum_w[p]
        sum_w[p] = total
        from_w[p] = -watts[i]
        if closed_at[leaf] != OPEN:
            continue
        row = at[i]
        rows = climb[row] & ROWS
        to_w = upper_w[i] if climb[row] & CLIPPED else mode_w[row + rows]
        step = to_w - watts[i]
        least = np.inf
        stop = 0
        n = int(leaf)
        while n > 0:
            if room_w[n] <= least + EPS_W:
                least = min(least, room_w[n])
                stop = n
            n = parent[n]
        if step <= least + EPS_W:
            from_w[p] = watts[i]
            watts[i] = to_w
            at[i] += rows
        else:
            step = max(least, 0.0)
            for m in range(stop, stop + size[stop]):
                closed_at[m] = min(closed_at[m], p)
            if rows == 1 and mode_continuous[row + 1]:
                from_w[p] = watts[i]
                watts[i] += step
            else:
                cut_device[stop] = i
                cut_w[stop] = step
        total += step
        sum_w[p] = total
        n = int(leaf)
        while n > 0:
            room_w[n] -= step
            n = parent[n]
    return touched


@njit(
    "int64(int64[::1], float64[::1], float64[::1], uint8[::1], uint64[::1], int64, int64, float64[::1], float64[::1],"
    " float64[::1], int64, float64)",
    cache=True,
)
def cut(
    mode_start: I64,
    mode_w: F64,
    upper_w: F64,
    climb: U8,
    items: U64,
    count: int,
    device_bits: int,
    from_w: F64,
    sum_w: F64,
    watts: F64,
    end: int,
    room_w: float,
) -> int:
    """Move the end of the admitted items from `end` to the last one that fits whole into `room_w`; return the new end.

    `watts` (D,) of the devices between is put back or forth.
    """
    mask = (np.uint64(1) << np.uint64(device_bits)) - np.uint64(1)
    goal = np.searchsorted(sum_w[:count], room_w + EPS_W, side="right")
    cached = watts.size <= CACHED
    for p in range(end - 1, goal - 1, -1):
        # A device that an item did not raise stood there too: as long as it is in the cache, writing is cheaper than asking.
        if cached or math.copysign(1.0, from_w[p]) > 0.0:
            watts[int(items[p] & mask)] = abs(from_w[p])
    for p in range(end, goal):
        if math.copysign(1.0, from_w[p]) > 0.0:
            i = int(items[p] & mask)
            row = row_at(mode_start, mode_w, i, from_w[p])
            to_w = upper_w[i] if climb[row] & CLIPPED else mode_w[row + (climb[row] & ROWS)]
            step = sum_w[p] - (sum_w[p - 1] if p > 0 else 0.0)
            # The sums are rounded: a part is taken for the whole where it lacks less than a milliwatt.
            watts[i] = to_w if from_w[p] + step > to_w - 1e-3 else from_w[p] + step
    return int(goal)


@njit(
    "float64(uint64[::1], int64, int64, float64[::1], int64[::1], int64[::1], float64[::1], int64, float64)",
    cache=True,
)
def program_rest(
    items: U64,
    count: int,
    device_bits: int,
    sum_w: F64,
    closed_at: I64,
    cut_device: I64,
    cut_w: F64,
    end: int,
    room_w: float,
) -> float:
    """Return what the parts of edges that whole modes leave out are worth to the linear program."""
    total = 0.0
    for n in range(closed_at.size):
        if cut_device[n] >= 0 and closed_at[n] < end:
            total += cut_w[n] * density_of(items[closed_at[n]], device_bits)
    if end < count:
        below = sum_w[end - 1] if end > 0 else 0.0
        total += max(room_w - below, 0.0) * density_of(items[end], device_bits)
    return total


@njit(
    "void(int64[::1], float64[::1], boolean[::1], float64[::1], uint8[::1], uint64[::1], int64, int64, float64[::1],"
    " float64[::1], int64[::1], int64[::1], float64[::1], int64, float64, float64[::1])",
    cache=True,
)
def fill_site(
    mode_start: I64,
    mode_w: F64,
    mode_continuous: Bool,
    upper_w: F64,
    climb: U8,
    items: U64,
    count: int,
    device_bits: int,
    from_w: F64,
    sum_w: F64,
    closed_at: I64,
    cut_device: I64,
    cut_w: F64,
    end: int,
    room_w: float,
    watts: F64,
) -> None:
    """Use what whole modes leave of the site's limit for the admitted items beyond `end` that still fit.

    All of them together fit every node below the site, so any of them do.
    """
    mask = (np.uint64(1) << np.uint64(device_bits)) - np.uint64(1)
    left_w = room_w - (sum_w[end - 1] if end > 0 else 0.0)
    for n in range(closed_at.size):
        if cut_device[n] >= 0 and closed_at[n] < end:
            left_w += cut_w[n]
    misses = 0
    for p in range(end, count):
        if misses == MISSES:
            break
        i = int(items[p] & mask)
        if watts[i] != from_w[p] or math.copysign(1.0, from_w[p]) < 0.0:
            continue
        row = row_at(mode_start, mode_w, i, watts[i])
        rows = climb[row] & ROWS
        step = sum_w[p] - (sum_w[p - 1] if p > 0 else 0.0)
        to_w = upper_w[i] if climb[row] & CLIPPED else mode_w[row + rows]
        if watts[i] + step < to_w - 1e-3:
            to_w = watts[i] + step
        if to_w - watts[i] <= left_w + EPS_W:
            left_w -= to_w - watts[i]
            watts[i] = to_w
        elif rows == 1 and mode_continuous[row + 1]:
            watts[i] += max(left_w, 0.0)
            break
        else:
            misses += 1


@njit("int64(int64[::1], int32[::1], int64[::1], float64[::1], float64[::1], float64[::1])", cache=True)
def release(parent: I64, home: I32, order: I64, floor_w: F64, base_w: F64, room_w: F64) -> int:
    """Give up bases that do not fit, the least valuable device first, and return how many.

    `order` (D,): devices, the most valuable first. `base_w` (D,) is lowered to `floor_w`, `room_w` (N,), what the bases
    leave of the limits, is raised in place.
    """
    released = 0
    for k in range(order.size - 1, -1, -1):
        i = order[k]
        short = False
        n = int(home[i])
        while n >= 0:
            short |= room_w[n] < -EPS_W
            n = parent[n]
        if not short or base_w[i] <= floor_w[i]:
            continue
        n = int(home[i])
        while n >= 0:
            room_w[n] += base_w[i] - floor_w[i]
            n = parent[n]
        base_w[i] = floor_w[i]
        released += 1
    return released


@njit("void(int32[::1], int64[::1], float64[::1], float64[::1], float64[::1], int32[::1])", cache=True)
def restart(devices: I32, mode_start: I64, mode_w: F64, base_w: F64, watts: F64, at: I32) -> None:
    """Put `devices` back to their bases in `watts` and `at` (D,)."""
    for k in range(devices.size):
        i = int(devices[k])
        watts[i] = base_w[i]
        at[i] = row_at(mode_start, mode_w, i, base_w[i])
