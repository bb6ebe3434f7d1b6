"""The merit order admitted to the tree: exact for the linear program, and every site limit is a prefix of it.

Hull edges are taken in the order of their density while every node above has room. An edge that does not fit whole is
taken in part and closes the node that stopped it, with all that is below. This is optimal for divisible edges (Federgruen
and Groenevelt 1986). No closing of a node below the site depends on the site's own limit, so the edges are admitted with
the site unlimited (`admit`) and a site limit only moves the end of the list (`cut`).

Nodes are numbered in preorder: node n and all below it are ``n .. n + size[n] - 1``, the site is node 0.
"""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.hull import BASED, CLIPPED, EPS_W, I32, ROWS, U8, U64, density_of, device_of, rank_of
from controller.core.site import F64, I64, Bool

#: Position at which a node that is open was closed.
OPEN = np.iinfo(np.int64).max
#: So many items are looked up together while the order is admitted.
AHEAD = 64
#: Watts of so many devices stay in the cache of a core.
CACHED = 1 << 18
#: Items that do not fit into what is left of the site's limit before the search for one that does ends.
MISSES = 64


@kernel(
    "Tuple((int64, float64, float64))(uint64, int64, int64, int64[::1], float64[::1], float64[::1], float64[::1],"
    " uint8[::1])",
)
def edge_of(
    item: int,
    rank_bits: int,
    device: int,
    mode_start: I64,
    mode_w: F64,
    base_w: F64,
    upper_w: F64,
    climb: U8,
) -> tuple[int, float, float]:
    """Return the row that the edge of an item starts from, and the watts from which to which it leads."""
    row = mode_start[device] + rank_of(item, rank_bits)
    leads = int(climb[row])
    from_w = base_w[device] if leads & BASED else mode_w[row]
    to_w = upper_w[device] if leads & CLIPPED else mode_w[row + (leads & ROWS)]
    return int(row), from_w, to_w


@kernel("Tuple((int64, float64))(int64[::1], float64[::1], int64, int64)")
def tightest(parent: I64, room_w: F64, leaf: int, top: int) -> tuple[int, float]:
    """Return the highest of the nodes from `leaf` up to `top` that have the least room, and that room."""
    least = np.inf
    stop = 0
    n = leaf
    while n >= top:
        if room_w[n] <= least + EPS_W:
            least = min(least, room_w[n])
            stop = n
        n = parent[n]
    return stop, least


@kernel(
    "void(int64[::1], int64[::1], int64, int32[::1], int64[::1], float64[::1], boolean[::1], float64[::1], float64[::1],"
    " uint8[::1], uint64[::1], int64, int64, int64, float64[::1], int64, float64[::1], float64[::1], float64[::1],"
    " int64[::1], int64[::1], float64[::1], float64[:, ::1], int64[:, ::1])",
)
def admit(
    parent: I64,
    size: I64,
    branch: int,
    home: I32,
    mode_start: I64,
    mode_w: F64,
    mode_continuous: Bool,
    base_w: F64,
    upper_w: F64,
    climb: U8,
    items: U64,
    count: int,
    low_bits: int,
    rank_bits: int,
    room_w: F64,
    end: int,
    watts: F64,
    from_w: F64,
    sum_w: F64,
    closed_at: I64,
    cut_device: I64,
    cut_w: F64,
    ahead_w: F64,
    ahead: I64,
) -> None:
    """Admit the items of the devices below `branch`; those of other branches stay as they are.

    In place: `room_w` (N,) holds what the bases leave of each limit and keeps what remains; `watts` (D,) the watts of each
    device, raised by the items before `end` only; ``from_w[p]`` where the device of item p stood before it (negative if
    the item has not raised it), ``sum_w[p]`` the watts that all items up to p add at the site, parts included. A closed
    node has the position of its closing in `closed_at` (N,) and, if the edge there cannot be divided, the device and the
    part in `cut_device` (else -1) and `cut_w`; the device then stays below the edge. `ahead_w` (2, AHEAD), `ahead` (4, AHEAD): workspace.
    """
    last = branch + size[branch]
    whole = branch == 0
    low, ranks = np.uint64((1 << low_bits) - 1), np.uint64((1 << rank_bits) - 1)
    device, start_row, leaf_of, place = ahead[0], ahead[1], ahead[2], ahead[3]
    ahead_from_w, ahead_to_w = ahead_w[0], ahead_w[1]
    total = 0.0
    before_w = 0.0
    more_w = 0.0
    for begin in range(0, count, AHEAD):
        # What the next items need is read at once: these reads overlap, those of the last loop wait for each other.
        most = 0
        for p in range(begin, min(begin + AHEAD, count)):
            item = items[p] & low
            i = np.int64(item >> np.uint64(rank_bits))
            leaf = home[i]
            device[most] = i
            start_row[most] = mode_start[i] + np.int64(item & ranks)
            leaf_of[most] = leaf
            place[most] = p
            most += branch <= leaf < last
        for k in range(most):
            row = start_row[k]
            leads = int(climb[row])
            ahead_from_w[k] = base_w[device[k]] if leads & BASED else mode_w[row]
            ahead_to_w[k] = upper_w[device[k]] if leads & CLIPPED else mode_w[row + (leads & ROWS)]
        sums_from = begin
        for k in range(most):
            p = place[k]
            if not whole:
                # The sums of the other branches' items go along with what this branch takes more.
                for q in range(sums_from, p):
                    before_w = sum_w[q]
                    sum_w[q] += more_w
                sums_from = p + 1
                more_w -= sum_w[p] - before_w
                before_w = sum_w[p]
            leaf = leaf_of[k]
            step = 0.0
            from_w[p] = -1.0
            if closed_at[leaf] == OPEN:
                here_w, to_w = ahead_from_w[k], ahead_to_w[k]
                step = to_w - here_w
                least = np.inf
                n = leaf
                while n > 0:
                    least = min(least, room_w[n])
                    n = parent[n]
                taken = step <= least + EPS_W
                if not taken:
                    stop, least = tightest(parent, room_w, leaf, 1)
                    step = max(least, 0.0)
                    for m in range(stop, stop + size[stop]):
                        closed_at[m] = min(closed_at[m], p)
                    row = start_row[k]
                    taken = climb[row] & ROWS == 1 and mode_continuous[row + 1]
                    to_w = here_w + step
                    if not taken:
                        cut_device[stop] = device[k]
                        cut_w[stop] = step
                if taken:
                    from_w[p] = here_w
                    if p < end:
                        watts[device[k]] = to_w
                n = leaf
                while n > 0:
                    room_w[n] -= step
                    n = parent[n]
            if whole:
                total += step
                sum_w[p] = total
            else:
                more_w += step
                sum_w[p] += more_w
        if not whole:
            for q in range(sums_from, min(begin + AHEAD, count)):
                before_w = sum_w[q]
                sum_w[q] += more_w


@kernel(
    "int64(int64[::1], float64[::1], float64[::1], float64[::1], uint8[::1], uint64[::1], int64, int64, int64, float64[::1],"
    " float64[::1], float64[::1], int64, float64)",
)
def cut(
    mode_start: I64,
    mode_w: F64,
    base_w: F64,
    upper_w: F64,
    climb: U8,
    items: U64,
    count: int,
    low_bits: int,
    rank_bits: int,
    from_w: F64,
    sum_w: F64,
    watts: F64,
    end: int,
    room_w: float,
) -> int:
    """Move the end of the admitted items from `end` to the last one that fits whole into `room_w`; return the new end.

    `watts` (D,) of the devices between is put back or forth.
    """
    goal = np.searchsorted(sum_w[:count], room_w + EPS_W, side="right")
    cached = watts.size <= CACHED
    for p in range(end - 1, goal - 1, -1):
        i = device_of(items[p], low_bits, rank_bits)
        if cached:
            # Written back as it was where the item had raised nothing: cheaper than a branch that cannot be foretold.
            kept_w = watts[i]
            watts[i] = from_w[p] if from_w[p] >= 0.0 else kept_w
        elif from_w[p] >= 0.0:
            watts[i] = from_w[p]
    for p in range(end, goal):
        if from_w[p] >= 0.0:
            i = device_of(items[p], low_bits, rank_bits)
            _, _, to_w = edge_of(items[p], rank_bits, i, mode_start, mode_w, base_w, upper_w, climb)
            step = sum_w[p] - (sum_w[p - 1] if p > 0 else 0.0)
            # The sums are rounded: a part is taken for the whole where it lacks less than a milliwatt.
            watts[i] = to_w if from_w[p] + step > to_w - 1e-3 else from_w[p] + step
    return int(goal)


@kernel(
    "float64(uint64[::1], int64, int64, float64[::1], int64[::1], int64[::1], float64[::1], int64, float64)",
)
def program_rest(
    items: U64,
    count: int,
    low_bits: int,
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
            total += cut_w[n] * density_of(items[closed_at[n]], low_bits)
    if end < count:
        below = sum_w[end - 1] if end > 0 else 0.0
        total += max(room_w - below, 0.0) * density_of(items[end], low_bits)
    return total


@kernel(
    "void(int64[::1], float64[::1], boolean[::1], float64[::1], float64[::1], uint8[::1], uint64[::1], int64, int64, int64,"
    " float64[::1], float64[::1], int64[::1], int64[::1], float64[::1], int64, float64, float64[::1])",
)
def fill_site(
    mode_start: I64,
    mode_w: F64,
    mode_continuous: Bool,
    base_w: F64,
    upper_w: F64,
    climb: U8,
    items: U64,
    count: int,
    low_bits: int,
    rank_bits: int,
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
    left_w = room_w - (sum_w[end - 1] if end > 0 else 0.0)
    for n in range(closed_at.size):
        if cut_device[n] >= 0 and closed_at[n] < end:
            left_w += cut_w[n]
    misses = 0
    for p in range(end, count):
        if misses == MISSES:
            break
        i = device_of(items[p], low_bits, rank_bits)
        if from_w[p] < 0.0 or watts[i] != from_w[p]:
            continue
        row, _, to_w = edge_of(items[p], rank_bits, i, mode_start, mode_w, base_w, upper_w, climb)
        step = sum_w[p] - (sum_w[p - 1] if p > 0 else 0.0)
        if watts[i] + step < to_w - 1e-3:
            to_w = watts[i] + step
        if to_w - watts[i] <= left_w + EPS_W:
            left_w -= to_w - watts[i]
            watts[i] = to_w
        elif climb[row] & ROWS == 1 and mode_continuous[row + 1]:
            watts[i] += max(left_w, 0.0)
            break
        else:
            misses += 1


@kernel("int64(int64[::1], int32[::1], int64[::1], float64[::1], float64[::1], float64[::1])")
def release(parent: I64, home: I32, order: I64, stuck_w: F64, base_w: F64, room_w: F64) -> int:
    """Give up bases that do not fit, the least valuable device first, and return how many.

    `order` (D,): devices, the most valuable first. `base_w` (D,) is lowered to `stuck_w`, `room_w` (N,), what the bases
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
        if not short or base_w[i] <= stuck_w[i]:
            continue
        n = int(home[i])
        while n >= 0:
            room_w[n] += base_w[i] - stuck_w[i]
            n = parent[n]
        base_w[i] = stuck_w[i]
        released += 1
    return released
