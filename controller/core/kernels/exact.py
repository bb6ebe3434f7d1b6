"""The best whole modes of a small site: all of them that could still be the best, by dynamic programming over the tree.

Against the linear program's prices every choice of modes loses something: each device for its mode, each node for the
watts of its limit that stay unused. The states of a node are its watts and what is lost below it, beyond the least that
each of its leaf nodes must lose. Only states are kept that lose no more than a window and that no state of fewer watts
beats. If the site's best state is inside the window, nothing better was left out.
"""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.hull import EPS_W, I32, U64, row_at, worth_at
from controller.core.kernels.sorting import sort_items
from controller.core.site import F64, I64, Bool

#: Most states of all nodes together, and most that come of one merge.
STATES = 1 << 18
MERGED = 1 << 16
#: Options of a device are numbered within it.
OPTIONS = 128


@kernel(
    "int64(float64, float64, int64, int64, int64, int64, int64, float64[:, ::1], int32[:, ::1], float64[:, ::1],"
    " int32[:, ::1], uint64[:, ::1], int32[:, ::1])",
)
def _merge(
    price: float,
    most_loss: float,
    first: int,
    last: int,
    other: int,
    others: int,
    free: int,
    states: F64,
    links: I32,
    merged: F64,
    sources: I32,
    items: U64,
    tally: I32,
) -> int:
    """Append every sum of a state ``first .. last`` and one ``other .. others`` that is worth keeping, from `free` on.

    Return the new end, or -1 where there is no place for them.
    """
    count = 0
    for a in range(first, last):
        for b in range(other, others):
            loss = states[1, a] + states[1, b]
            if loss > most_loss:
                continue
            if count == merged.shape[1]:
                return -1
            merged[0, count] = states[0, a] + states[0, b]
            merged[1, count] = loss
            sources[0, count] = a
            sources[1, count] = b
            bits = np.float64(merged[0, count] + 1.0).view(np.uint64)
            items[0, count] = ((bits >> np.uint64(19)) << np.uint64(20)) | np.uint64(count)
            count += 1
    ordered = items[1] if sort_items(items[0], items[1], count, 20, tally) else items[0]
    best = -np.inf
    for k in range(count):
        c = int(ordered[k] & np.uint64(0xFFFFF))
        gain = price * merged[0, c] - merged[1, c]
        if gain <= best:
            continue
        if free == states.shape[1]:
            return -1
        best = gain
        states[0, free] = merged[0, c]
        states[1, free] = merged[1, c]
        links[0, free] = sources[0, c]
        links[1, free] = sources[1, c]
        free += 1
    return free


@kernel("void(int64, float64[:, ::1], int32[:, ::1], float64[::1], int32[:, ::1])")
def _take(state: int, states: F64, links: I32, watts: F64, waiting: I32) -> None:
    """Write the modes that a state is made of into `watts`; `waiting` is workspace."""
    count = 1
    waiting[0, 0] = state
    while count > 0:
        count -= 1
        s = waiting[0, count]
        if links[0, s] >= 0:
            waiting[0, count] = links[0, s]
            waiting[0, count + 1] = links[1, s]
            count += 2
        elif links[1, s] >= 0:
            watts[links[1, s]] = states[0, s]


@kernel(
    "float64(int64[::1], int64[::1], int32[::1], int64[::1], float64[::1], float64[::1], boolean[::1],"
    " float64[::1], float64[::1], float64, float64[::1], float64[::1], float64[::1], float64[::1], float64, float64,"
    " float64[::1], int64[:, ::1], float64[:, ::1], int32[:, ::1], float64[:, ::1], int32[:, ::1], uint64[:, ::1],"
    " int32[:, ::1])",
)
def best_modes(  # noqa: PLR0911  # found, nothing found, no place
    parent: I64,
    member_start: I64,
    member: I32,
    mode_start: I64,
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    start_share: F64,
    kept_value: F64,
    bonus: float,
    base_w: F64,
    upper_w: F64,
    limit_w: F64,
    node_price: F64,
    window: float,
    most_loss: float,
    watts: F64,
    spans: I64,
    states: F64,
    links: I32,
    merged: F64,
    sources: I32,
    items: U64,
    tally: I32,
) -> float:
    """Write the best modes into `watts` (D,) and return what they lose beyond what the leaf nodes must.

    `node_price` (N,) are the prices; modes that lose more than `most_loss` in all are of no interest. The answer is inf where
    nothing loses at most `window`, and negative where there was no place to try. `spans` (2, N) and the arrays behind
    it are workspace.
    """
    free = 0
    for n in range(parent.size - 1, -1, -1):
        # A state of no watts to begin with.
        first = free
        if free + OPTIONS >= states.shape[1]:
            return -1.0
        states[0, free] = 0.0
        states[1, free] = 0.0
        links[0, free] = -1
        links[1, free] = -1
        free += 1
        last = free
        price = node_price[n]
        for k in range(member_start[n], member_start[n + 1]):
            i = int(member[k])
            if free + OPTIONS >= states.shape[1]:
                return -1.0
            option = free
            bottom = row_at(mode_start, mode_w, i, base_w[i])
            dearest = np.inf
            for row in range(bottom, mode_start[i + 1]):
                to_w = base_w[i] if row == bottom else mode_w[row]
                if row > bottom and to_w > upper_w[i] + EPS_W:
                    if not mode_continuous[row] or upper_w[i] <= max(mode_w[row - 1], base_w[i]) + EPS_W:
                        break
                    to_w = upper_w[i]
                states[0, free] = to_w
                states[1, free] = price * to_w - worth_at(
                    mode_start, mode_w, mode_value, mode_continuous, i, to_w, kept_value[i], start_share[i], bonus
                )
                dearest = min(dearest, states[1, free])
                links[0, free] = -1
                links[1, free] = i
                free += 1
                if row > bottom and mode_w[row] > upper_w[i] + EPS_W:
                    break
            for s in range(option, free):
                states[1, s] -= dearest
            end = _merge(
                price, most_loss, first, last, option, free, free, states, links, merged, sources, items, tally
            )
            if end < 0:
                return -1.0
            first, last, free = free, end, end
        for child in range(n + 1, parent.size):
            if parent[child] != n:
                continue
            end = _merge(
                price, window, first, last, spans[0, child], spans[1, child], free, states, links, merged, sources, items,
                tally,
            )  # fmt: skip
            if end < 0:
                return -1.0
            first, last, free = free, end, end
        # What stays unused of the node's own limit is lost; states that break it go.
        own_price = price - (node_price[parent[n]] if n > 0 else 0.0)
        dearest = np.inf
        for s in range(first, last):
            if states[0, s] > limit_w[n] + EPS_W:
                states[1, s] = np.inf
            elif own_price > 0.0:
                states[1, s] += own_price * (limit_w[n] - states[0, s])
            dearest = min(dearest, states[1, s])
        leaf = True
        for child in range(n + 1, parent.size):
            leaf &= parent[child] != n
        if not dearest <= (most_loss if leaf else window):
            return np.inf
        if n == 0:
            for s in range(first, last):
                if states[1, s] == dearest:
                    _take(s, states, links, watts, sources)
                    return float(dearest)
        must = dearest if leaf else 0.0
        kept = first
        for s in range(first, last):
            if states[1, s] - must <= window:
                states[0, kept] = states[0, s]
                states[1, kept] = states[1, s] - must
                links[0, kept] = links[0, s]
                links[1, kept] = links[1, s]
                kept += 1
        free = kept
        spans[0, n] = first
        spans[1, n] = kept
    return np.inf
