"""The merit order admitted to the tree: exact for the linear program, and every site limit is a prefix of it.

Hull edges are taken in the order of their density while every node above has room. An edge that does not fit whole is
taken in part and closes the node that stopped it, with all that is below. This is optimal for divisible edges (Federgruen
and Groenevelt 1986). No closing of a node below the site depends on the site's own limit, so the edges are admitted with
the site unlimited (`admit`) and a site limit only moves the end of the list (`cut`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.columns import (
    EPS_W,
    OPEN,
    Branches,
    Choices,
    Closings,
    Draft,
    F64x2,
    I64x2,
    MeritOrder,
    at,
)
from controller.core.kernels.hull import BASED, CLIPPED, ROWS, density_of, device_of, rank_of
from controller.core.kernels.stock import copy
from controller.core.site import F64, I64

#: So many items are looked up together while the order is admitted.
AHEAD = 64
#: Watts of so many devices stay in the cache of a core.
CACHED = 1 << 18
#: Items that do not fit into what is left of the site's limit before the search for one that does ends.
MISSES = 64
#: The sums of the order are rounded: a part is taken for the whole where it lacks less than this.
ROUNDING_W = 1e-3


class Ahead(NamedTuple):
    """Workspace: what the next items of the order need: from and to which watts (2, AHEAD); device, row, node, place (4, AHEAD)."""

    watts: F64x2
    where: I64x2


@kernel
def edge_of(item: np.uint64, device: int, choices: Choices, order: MeritOrder) -> tuple[int, float, float]:
    """Return the row that the edge of an item starts from, and the watts from which to which it leads."""
    row = choices.start[at(device)] + rank_of(item, order.rank_bits)
    leads = int(order.climb[at(row)])
    base_w, upper_w = choices.base_w[at(device)], choices.upper_w[at(device)]
    row_w, above_w = choices.watts[at(row)], choices.watts[at(row + (leads & ROWS))]
    return int(row), base_w if leads & BASED else row_w, upper_w if leads & CLIPPED else above_w


@kernel
def tightest(parent: I64, room_w: F64, leaf: int, top: int) -> tuple[int, float]:
    """Return the highest of the nodes from `leaf` up to `top` that have the least room, and that room."""
    least = np.inf
    stop = 0
    n = leaf
    while n >= top:
        if room_w[at(n)] <= least + EPS_W:
            least = min(least, room_w[at(n)])
            stop = n
        n = parent[at(n)]
    return stop, least


@kernel
def admit(
    branches: Branches,
    branch: int,
    choices: Choices,
    order: MeritOrder,
    draft: Draft,
    closings: Closings,
    ahead: Ahead,
) -> None:
    """Admit the items of the devices below `branch`; those of other branches stay as they are.

    In place: the `room_w` of the draft holds what the bases leave of each limit and keeps what remains; its `watts` are
    raised by the items before the order's `end` only. A node that is closed by an edge that cannot be divided keeps it
    in the `closings`; the device then stays below the edge.
    """
    parent, size, home = branches.parent, branches.size, branches.home
    mode_start, mode_w, continuous = choices.start, choices.watts, choices.continuous
    base_w, upper_w = choices.base_w, choices.upper_w
    items, climb, count = order.items, order.climb, order.length
    from_w, sum_w, end = order.from_w, order.sum_w, order.end
    watts, room_w = draft.watts, draft.room_w
    closed_at, cut_device, cut_w = closings.closed_at, closings.cut_device, closings.cut_w
    last = branch + size[at(branch)]
    whole, part = branch == 0, branch != 0
    low, ranks = np.uint64((1 << order.low_bits) - 1), np.uint64((1 << order.rank_bits) - 1)
    rank_bits = np.uint64(order.rank_bits)
    device, start_row, leaf_of, place = ahead.where[0], ahead.where[1], ahead.where[2], ahead.where[3]
    ahead_from_w, ahead_to_w = ahead.watts[0], ahead.watts[1]
    closed_at[branch:last] = OPEN
    cut_device[branch:last] = -1
    total = 0.0
    before_w = 0.0
    more_w = 0.0
    for begin in range(0, count, AHEAD):
        # What the next items need is read at once: these reads overlap, those of the last loop wait for each other.
        beyond = min(begin + AHEAD, count)
        most = 0
        for p in range(begin, beyond):
            item = items[at(p)] & low
            i = item >> rank_bits
            leaf = home[i]
            device[at(most)] = np.int64(i)
            start_row[at(most)] = np.int64(item & ranks)
            leaf_of[at(most)] = leaf
            place[at(most)] = p
            # Of a leaf that is closed nothing more is read; no branch says so, for none could foretell it.
            most += (leaf >= branch) & (leaf < last) & (part | (closed_at[at(leaf)] == OPEN))
        if whole:
            for p in range(begin, beyond):
                from_w[at(p)] = -1.0
                sum_w[at(p)] = 0.0
        for k in range(most):
            row = start_row[k] + mode_start[at(device[k])]
            start_row[k] = row
            leads = int(climb[at(row)])
            ahead_from_w[k] = base_w[at(device[k])] if leads & BASED else mode_w[at(row)]
            ahead_to_w[k] = upper_w[at(device[k])] if leads & CLIPPED else mode_w[at(row + (leads & ROWS))]
        sums_from = begin
        for k in range(most):
            p = place[k]
            if not whole:
                # The sums of the other branches' items go along with what this branch takes more.
                for q in range(sums_from, p):
                    before_w = sum_w[at(q)]
                    sum_w[at(q)] += more_w
                sums_from = p + 1
                more_w -= sum_w[at(p)] - before_w
                before_w = sum_w[at(p)]
            leaf = leaf_of[k]
            step = 0.0
            from_w[at(p)] = -1.0
            if closed_at[at(leaf)] == OPEN:
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
                    for m in range(stop, stop + size[at(stop)]):
                        closed_at[at(m)] = min(closed_at[at(m)], p)
                    row = start_row[k]
                    taken = climb[at(row)] & ROWS == 1 and continuous[at(row + 1)]
                    to_w = here_w + step
                    if not taken:
                        cut_device[at(stop)] = device[k]
                        cut_w[at(stop)] = step
                if taken:
                    from_w[at(p)] = here_w
                    if p < end:
                        watts[at(device[k])] = to_w
                n = leaf
                while n > 0:
                    room_w[n] -= step
                    n = parent[n]
            if whole:
                sum_w[at(p)] = step
            else:
                more_w += step
                sum_w[at(p)] += more_w
        if whole:
            for p in range(begin, beyond):
                total += sum_w[at(p)]
                sum_w[at(p)] = total
        else:
            for q in range(sums_from, beyond):
                before_w = sum_w[at(q)]
                sum_w[at(q)] += more_w


@kernel
def cut(choices: Choices, order: MeritOrder, watts: F64) -> int:
    """Move the end of the admitted items to the last one that fits whole into the site's room; return the new end.

    `watts` (D,) of the devices between is put back or forth.
    """
    start, mode_w, upper_w = choices.start, choices.watts, choices.upper_w
    items, climb, low_bits, rank_bits = order.items, order.climb, order.low_bits, order.rank_bits
    from_w, sum_w, end = order.from_w, order.sum_w, order.end
    goal = 0
    above = order.length
    while goal < above:
        p = (goal + above) >> 1
        if sum_w[at(p)] <= order.room_w + EPS_W:
            goal = p + 1
        else:
            above = p
    cached = watts.size <= CACHED
    for p in range(end - 1, goal - 1, -1):
        i = at(device_of(items[at(p)], low_bits, rank_bits))
        if cached:
            # Written back as it was where the item had raised nothing: cheaper than a branch that cannot be foretold.
            kept_w = watts[i]
            watts[i] = from_w[at(p)] if from_w[at(p)] >= 0.0 else kept_w
        elif from_w[at(p)] >= 0.0:
            watts[i] = from_w[at(p)]
    for p in range(end, goal):
        if from_w[at(p)] >= 0.0:
            i = at(device_of(items[at(p)], low_bits, rank_bits))
            row = start[i] + rank_of(items[at(p)], rank_bits)
            leads = int(climb[at(row)])
            to_w = upper_w[i] if leads & CLIPPED else mode_w[at(row + (leads & ROWS))]
            step = sum_w[at(p)] - (sum_w[at(p - 1)] if p > 0 else 0.0)
            watts[i] = to_w if from_w[at(p)] + step > to_w - ROUNDING_W else from_w[at(p)] + step
    return goal


@kernel
def program_rest(order: MeritOrder, closings: Closings) -> float:
    """Return what the parts of edges that whole modes leave out are worth to the linear program."""
    items, low_bits, end = order.items, order.low_bits, order.end
    closed_at, cut_device, cut_w = closings.closed_at, closings.cut_device, closings.cut_w
    total = 0.0
    for n in range(closed_at.size):
        if cut_device[n] >= 0 and closed_at[n] < end:
            total += cut_w[n] * density_of(items[at(closed_at[n])], low_bits)
    if end < order.length:
        below = order.sum_w[at(end - 1)] if end > 0 else 0.0
        total += max(order.room_w - below, 0.0) * density_of(items[at(end)], low_bits)
    return total


@kernel
def fill_site(choices: Choices, order: MeritOrder, closings: Closings, end: int, watts: F64) -> None:
    """Use what whole modes leave of the site's room for the admitted items beyond `end` that still fit.

    All of them together fit every node below the site, so any of them do.
    """
    items, climb, low_bits, rank_bits = order.items, order.climb, order.low_bits, order.rank_bits
    from_w, sum_w, continuous = order.from_w, order.sum_w, choices.continuous
    closed_at, cut_device, cut_w = closings.closed_at, closings.cut_device, closings.cut_w
    left_w = order.room_w - (sum_w[at(end - 1)] if end > 0 else 0.0)
    for n in range(closed_at.size):
        if cut_device[n] >= 0 and closed_at[n] < end:
            left_w += cut_w[n]
    misses = 0
    for p in range(end, order.length):
        if misses == MISSES:
            break
        device = device_of(items[at(p)], low_bits, rank_bits)
        i = at(device)
        if from_w[at(p)] < 0.0 or watts[i] != from_w[at(p)]:
            continue
        row, _, to_w = edge_of(items[at(p)], device, choices, order)
        step = sum_w[at(p)] - (sum_w[at(p - 1)] if p > 0 else 0.0)
        if watts[i] + step < to_w - ROUNDING_W:
            to_w = watts[i] + step
        if to_w - watts[i] <= left_w + EPS_W:
            left_w -= to_w - watts[i]
            watts[i] = to_w
        elif climb[at(row)] & ROWS == 1 and continuous[at(row + 1)]:
            watts[i] += max(left_w, 0.0)
            break
        else:
            misses += 1


@kernel
def quick(choices: Choices, order: MeritOrder, closings: Closings, level_w: F64, watts: F64) -> int:
    """Move the end of the order as `cut` does, in `level_w` (D,), and write what still fits too into `watts` (D,)."""
    end = cut(choices, order, level_w)
    copy(level_w, watts)
    fill_site(choices, order, closings, end, watts)
    return end


@kernel
def branch_of(parent: I64, node: int) -> int:
    """Return the node right below the site that `node` belongs to; the site itself for the site."""
    branch = node
    while branch > 0 and parent[at(branch)] > 0:
        branch = parent[at(branch)]
    return branch


@kernel
def release(branches: Branches, by_value: I64, stuck_w: F64, base_w: F64, room_w: F64) -> int:
    """Give up bases that do not fit, the least valuable device first, and return how many.

    `by_value` (D,): devices, the most valuable first. `base_w` is lowered to `stuck_w` (D,), `room_w` (N,), what the bases
    leave of the limits, is raised in place.
    """
    parent, home = branches.parent, branches.home
    released = 0
    for k in range(by_value.size - 1, -1, -1):
        i = at(by_value[k])
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
