"""The best whole modes of a small site: all of them that could still be the best, by dynamic programming over the tree.

Against the linear program's prices every choice of modes loses something: each device for its mode, each node for the
watts of its limit that stay unused. The states of a node are its watts and what is lost below it, beyond the least that
each of its leaf nodes must lose. Only states are kept that lose no more than a window and that no state of fewer watts
beats. If the site's best state is inside the window, nothing better was left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.columns import EPS_W, Branches, Choices, F64x2, I32x2, I64x2, U64x2, at
from controller.core.kernels.hull import row_at, worth_at
from controller.core.kernels.sorting import sort_items
from controller.core.site import F64

#: Most states of all nodes together, and most that come of one merge.
STATES = 1 << 18
MERGED = 1 << 16
#: Options of a device are numbered within it.
OPTIONS = 128


class StateLists(NamedTuple):
    """Workspace: S states at most.

    `spans` (2, N): from which state on, and to before which one, each node has its own. `states` (2, S): watts and loss.
    `links` (2, S): the two states that each is the sum of; or -1 and its device, or -1 for none. `merged`, `sources`,
    `items` (2, MERGED), `tally`: of one merge.
    """

    spans: I64x2
    states: F64x2
    links: I32x2
    merged: F64x2
    sources: I32x2
    items: U64x2
    tally: I32x2


class Span(NamedTuple):
    """The states from `first` to before `last`."""

    first: int
    last: int


@kernel
def _merge(price: float, most_loss: float, some: Span, others: Span, free: int, lists: StateLists) -> int:
    """Append every sum of one of `some` states and one of the `others` that is worth keeping, from `free` on.

    Return the new end, or -1 where there is no place for them.
    """
    states, links, merged, sources, items = lists.states, lists.links, lists.merged, lists.sources, lists.items
    count = 0
    for a in range(some.first, some.last):
        for b in range(others.first, others.last):
            loss = states[1, at(a)] + states[1, at(b)]
            if loss > most_loss:
                continue
            if count == merged.shape[1]:
                return -1
            watts = states[0, at(a)] + states[0, at(b)]
            merged[0, at(count)] = watts
            merged[1, at(count)] = loss
            sources[0, at(count)] = a
            sources[1, at(count)] = b
            bits = np.float64(watts + 1.0).view(np.uint64)
            items[0, at(count)] = ((bits >> np.uint64(19)) << np.uint64(20)) | np.uint64(count)
            count += 1
    ordered = items[1] if sort_items(items[0], items[1], count, 20, lists.tally) else items[0]
    best = -np.inf
    for k in range(count):
        c = ordered[k] & np.uint64(0xFFFFF)
        gain = price * merged[0, c] - merged[1, c]
        if gain <= best:
            continue
        if free == states.shape[1]:
            return -1
        best = gain
        states[0, at(free)] = merged[0, c]
        states[1, at(free)] = merged[1, c]
        links[0, at(free)] = sources[0, c]
        links[1, at(free)] = sources[1, c]
        free += 1
    return free


@kernel
def _take(state: int, lists: StateLists, watts: F64) -> None:
    """Write the modes that a state is made of into `watts`."""
    states, links, waiting = lists.states, lists.links, lists.sources
    count = 1
    waiting[0, 0] = state
    while count > 0:
        count -= 1
        s = at(waiting[0, at(count)])
        if links[0, s] >= 0:
            waiting[0, at(count)] = links[0, s]
            waiting[0, at(count + 1)] = links[1, s]
            count += 2
        elif links[1, s] >= 0:
            watts[at(links[1, s])] = states[0, s]


@kernel
def best_modes(  # noqa: PLR0911  # found, nothing found, no place
    branches: Branches,
    choices: Choices,
    node_price: F64,
    window: float,
    most_loss: float,
    watts: F64,
    lists: StateLists,
) -> float:
    """Write the best modes into `watts` (D,) and return what they lose beyond what the leaf nodes must.

    `node_price` (N,) are the prices; modes that lose more than `most_loss` in all are of no interest. The answer is inf where
    nothing loses at most `window`, and negative where there was no place to try.
    """
    parent, member_start, member = branches.parent, branches.member_start, branches.member
    mode_start, mode_w, continuous = choices.start, choices.watts, choices.continuous
    base_w, upper_w = choices.base_w, choices.upper_w
    limit_w, spans, states, links = branches.limit_w, lists.spans, lists.states, lists.links
    free = 0
    for n in range(parent.size - 1, -1, -1):
        # A state of no watts to begin with.
        first = free
        if free + OPTIONS >= states.shape[1]:
            return -1.0
        states[0, at(free)] = 0.0
        states[1, at(free)] = 0.0
        links[0, at(free)] = -1
        links[1, at(free)] = -1
        free += 1
        last = free
        price = node_price[n]
        for k in range(member_start[n], member_start[n + 1]):
            device = int(member[at(k)])
            i = at(device)
            if free + OPTIONS >= states.shape[1]:
                return -1.0
            option = free
            bottom = row_at(mode_start, mode_w, device, base_w[i])
            dearest = np.inf
            for row in range(bottom, mode_start[at(device + 1)]):
                to_w = base_w[i] if row == bottom else mode_w[at(row)]
                if row > bottom and to_w > upper_w[i] + EPS_W:
                    if not continuous[at(row)] or upper_w[i] <= max(mode_w[at(row - 1)], base_w[i]) + EPS_W:
                        break
                    to_w = upper_w[i]
                states[0, at(free)] = to_w
                states[1, at(free)] = price * to_w - worth_at(choices, device, to_w)
                dearest = min(dearest, states[1, at(free)])
                links[0, at(free)] = -1
                links[1, at(free)] = device
                free += 1
            for s in range(option, free):
                states[1, at(s)] -= dearest
            end = _merge(price, most_loss, Span(first, last), Span(option, free), free, lists)
            if end < 0:
                return -1.0
            first, last, free = free, end, end
        for child in range(n + 1, parent.size):
            if parent[child] != n:
                continue
            others = Span(spans[0, child], spans[1, child])
            end = _merge(price, window, Span(first, last), others, free, lists)
            if end < 0:
                return -1.0
            first, last, free = free, end, end
        # What stays unused of the node's own limit is lost; states that break it go.
        own_price = price - (node_price[at(parent[n])] if n > 0 else 0.0)
        dearest = np.inf
        for s in range(first, last):
            if states[0, at(s)] > limit_w[n] + EPS_W:
                states[1, at(s)] = np.inf
            elif own_price > 0.0:
                states[1, at(s)] += own_price * (limit_w[n] - states[0, at(s)])
            dearest = min(dearest, states[1, at(s)])
        leaf = True
        for child in range(n + 1, parent.size):
            leaf &= parent[child] != n
        if not dearest <= (most_loss if leaf else window):
            return np.inf
        if n == 0:
            for s in range(first, last):
                if states[1, at(s)] == dearest:
                    _take(s, lists, watts)
                    return float(dearest)
        must = dearest if leaf else 0.0
        kept = first
        for s in range(first, last):
            if states[1, at(s)] - must <= window:
                states[0, at(kept)] = states[0, at(s)]
                states[1, at(kept)] = states[1, at(s)] - must
                links[0, at(kept)] = links[0, at(s)]
                links[1, at(kept)] = links[1, at(s)]
                kept += 1
        free = kept
        spans[0, n] = first
        spans[1, n] = kept
    return np.inf
