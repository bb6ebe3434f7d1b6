"""The merit order admitted to the tree: exact for the linear program, and every site limit is a prefix of it.

Hull edges are taken in the order of their density while every node above has room. An edge that does not fit whole is
taken in part and closes the node that stopped it, with all that is below. This is optimal for divisible edges (Federgruen
and Groenevelt 1986). No closing of a node below the site depends on the site's own limit, so the edges are admitted with
the site unlimited (`admit`) and a site limit only moves the end of the list (`cut`).

Nodes are numbered in preorder: node n and all below it are ``n .. n + size[n] - 1``, the site is node 0.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from controller.core.kernels.hull import CLIPPED, EPS_W, F64, I32, I64, ROWS, U8, U64, Bool, row_at

#: Position at which a node that is open was closed.
OPEN = np.iinfo(np.int64).max
AHEAD = 64


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
    watts of each device and how many rows above its first one it stands; ``from_w[p]`` where item p has raised its device
    from (inf: not at all), ``sum_w[p]`` the watts that all items up to p add at the site, parts included. A closed node has
    the position of its closing in `closed_at` (N,) and, if the edge there cannot be divided, the device and the part
    in `cut_device` (else -1) and `cut_w`; the device then stays below the edge.
    """
    mask = (np.uint64(1) << np.uint64(device_bits)) - np.uint64(1)
    last = branch + size[branch]
    total = 0.0
    old = 0.0
    touched = 0.0
    for p in range(count):
        if p % AHEAD == 0:
            # Touch what the next items need: independent reads overlap, those of the loop below wait for each other.
            for q in range(p, min(p + AHEAD, count)):
                i = np.int64(items[q] & mask)
                row = at[i]
                touched += mode_w[row + (climb[row] & ROWS)] + watts[i] + home[i]
        i = np.int64(items[p] & mask)
        leaf = home[i]
        if leaf < branch or leaf >= last:
            total += sum_w[p] - old
            old = sum_w[p]
            sum_w[p] = total
            continue
        old = sum_w[p]
        sum_w[p] = total
        from_w[p] = np.inf
        if closed_at[leaf] != OPEN:
            continue
        row = at[i]
        rows = climb[row] & ROWS
        to_w = upper_w[i] if climb[row] & CLIPPED else mode_w[row + rows]
        step = to_w - watts[i]
        least = np.inf
        stop = 0
        n = np.int64(leaf)
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
        n = np.int64(leaf)
        while n > 0:
            room_w[n] -= step
            n = parent[n]
    return touched
