"""The best settings of a small site, whole modes and ranges together: by dynamic programming over the tree, from the leaves up.

Against the linear program's prices every setting loses something: each device for its watts, each node for the watts of its
limit that stay unused. The states of a node (`states`) are watts and what is lost below it, beyond the least that each of
its leaf nodes must lose. Only what loses no more than a window is kept. A limit closes an open range: it takes the
remainder. If the site's best state is inside the window and nothing as good was left out, there is none better.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.columns import EPS_W, Branches, Choices, at
from controller.core.kernels.crossing import BareBranches
from controller.core.kernels.hull import row_at, worth_at
from controller.core.kernels.states import CLOSED, OWN, Piece, Span, StateLists, Sums, loss_at, merge, piece_of, put
from controller.core.kernels.stock import rooms
from controller.core.site import F64, I64

#: No device has as many options.
OPTIONS: Final = 128
#: No bucket is smaller.
LEAST_WIDTH_W: Final = 1e-3

BareChoices = Annotated[tuple[Any, ...], Choices]
BareStates = Annotated[tuple[Any, ...], StateLists]


class Sought(NamedTuple):
    """What is looked for: settings that lose no more than the `window` beyond what the leaf nodes must, and `most_loss` in all.

    `width_w`: of the buckets.
    """

    window: float
    most_loss: float
    width_w: float


class NodeLimit(NamedTuple):
    """A node's own limit: the price of a watt of it, what the bases leave of it, the most that all limits above it leave too.

    States that lose more than the `window` are not kept; of a `leaf`, beyond the least that it must lose.
    """

    own_price: float
    room_w: float
    most_w: float
    window: float
    leaf: bool


@kernel
def _options(choices: Choices, device: int, price: float, free: int, lists: StateLists) -> tuple[int, int, float]:
    """Append all that a device can be set to, in watts beyond its base; return where its ranges begin, the end, the best gain."""
    i, mode_w, continuous = at(device), choices.watts, choices.continuous
    base_w, upper_w = choices.base_w[i], choices.upper_w[i]
    bottom = row_at(choices.start, mode_w, device, base_w)
    end = int(choices.start[at(device + 1)])
    best = -np.inf
    top_w = base_w
    begin = free
    for row in range(bottom, end):
        to_w = base_w if row == bottom else mode_w[at(row)]
        if row > bottom and to_w > upper_w + EPS_W:
            if not continuous[at(row)] or upper_w <= top_w + EPS_W:
                break
            to_w = upper_w
        gain = worth_at(choices, device, to_w) - price * (to_w - base_w)
        best = max(best, gain)
        put(free, Piece(to_w - base_w, to_w - base_w, -gain, 0.0), OWN, device, lists)
        free += 1
        top_w = to_w
    piece = free
    for s in range(begin, piece):
        lists.states[2, at(s)] += best
    for k in range(1, piece - begin):
        if continuous[at(bottom + k)]:
            low, high = piece_of(begin + k - 1, lists), piece_of(begin + k, lists)
            slope = (high.loss - low.loss) / (high.low_w - low.low_w)
            put(free, Piece(low.low_w, high.low_w, low.loss, slope), OWN, device, lists)
            free += 1
    return piece, free, best


@kernel
def _close(limit: NodeLimit, span: Span, free: int, lists: StateLists) -> tuple[int, int, float]:
    """Append the states of a node, made from those of all below it, from `free` on.

    What stays unused of its limit is lost, and the remainder of its limit closes a piece. Return where the pieces begin, the end, and
    the least that is lost.
    """
    own_price, room_w, most_w = limit.own_price, limit.room_w, limit.most_w
    least, closed, by = np.inf, np.inf, OWN
    for s in range(span.piece, span.last):
        piece = piece_of(s, lists)
        reaches = room_w <= most_w + EPS_W and piece.low_w <= room_w <= piece.high_w + EPS_W
        if reaches and loss_at(piece, room_w) < closed:
            closed, by = loss_at(piece, room_w), s
    for s in range(span.first, span.piece):
        unused_w = max(room_w - lists.states[0, at(s)], 0.0) if own_price > 0.0 else 0.0
        if lists.states[0, at(s)] <= most_w + EPS_W:
            least = min(least, lists.states[2, at(s)] + own_price * unused_w)
    least = min(least, closed)
    must = least if limit.leaf else 0.0
    for s in range(span.first, span.piece):
        point = piece_of(s, lists)
        unused_w = max(room_w - point.low_w, 0.0) if own_price > 0.0 else 0.0
        loss = point.loss + own_price * unused_w - must
        if point.low_w <= most_w + EPS_W and loss <= limit.window:
            put(free, Piece(point.low_w, point.low_w, loss, 0.0), lists.links[0, at(s)], lists.links[1, at(s)], lists)
            free += 1
    if closed - must <= limit.window:
        put(free, Piece(room_w, room_w, closed - must, 0.0), by, CLOSED, lists)
        free += 1
    begin = free
    for s in range(span.piece, span.last):
        piece = piece_of(s, lists)
        high_w = min(piece.high_w, most_w)
        if high_w <= piece.low_w + EPS_W:
            continue
        unused_w = room_w - piece.low_w if own_price > 0.0 else 0.0
        open_piece = Piece(piece.low_w, high_w, piece.loss + own_price * unused_w - must, piece.slope - own_price)
        if min(open_piece.loss, loss_at(open_piece, high_w)) <= limit.window:
            put(free, open_piece, lists.links[0, at(s)], lists.links[1, at(s)], lists)
            free += 1
    return begin, free, least


@kernel
def _take(state: int, choices: Choices, lists: StateLists, watts: F64) -> None:
    """Write what a state is made of into `watts`."""
    links, waiting, target_w = lists.links, lists.sources, lists.points
    count = 1
    waiting[0, 0] = state
    target_w[0, 0] = lists.states[0, at(state)]
    while count > 0:
        count -= 1
        s, to_w = waiting[0, at(count)], target_w[0, at(count)]
        some, other = links[0, at(s)], links[1, at(s)]
        if some >= 0:
            # Of a sum the point has its own watts, and the piece, or the other point, the rest.
            if other >= 0:
                waiting[0, at(count)] = other
                target_w[0, at(count)] = lists.states[0, at(other)]
                to_w -= lists.states[0, at(other)]
                count += 1
            waiting[0, at(count)] = some
            target_w[0, at(count)] = to_w
            count += 1
        elif other >= 0:
            own = piece_of(s, lists)
            watts[at(other)] = choices.base_w[at(other)] + min(max(to_w, own.low_w), own.high_w)


@kernel
def _rooms(branches: Branches, choices: Choices, lists: StateLists) -> float:
    """Write what the bases leave of each limit into `room_w` of the lists; return what can be drawn beyond them."""
    rooms(branches, 0, choices.base_w, lists.room_w)
    range_w = 0.0
    for i in range(choices.base_w.size):
        range_w += max(choices.upper_w[i] - choices.base_w[i], 0.0)
    for n in range(lists.room_w.size):
        lists.room_w[n] = max(lists.room_w[n], 0.0)
    return float(min(range_w, lists.room_w[0]))


@kernel
def _most_w(n: int, parent: I64, room_w: F64) -> float:
    """Return the most that is left for the devices below a node, by its limit and by all above it."""
    most_w = room_w[at(n)]
    m = parent[at(n)]
    while m >= 0:
        most_w = min(most_w, room_w[at(m)])
        m = parent[at(m)]
    return float(most_w)


@kernel
def _all_below(
    n: int, sums: Sums, branches: Branches, choices: Choices, free: int, lists: StateLists
) -> tuple[Span, int, float]:
    """Append what all below a node come to, from `free` on, as its own limit has not closed it yet.

    Return the states, none where nothing is worth keeping, the end, negative where there is no place, and the least that anything loses
    that was left out for no better one.
    """
    member_start, spans, most = branches.member_start, lists.spans, lists.states.shape[1]
    left_out = np.inf
    now = Span(free, free, free)
    if free + OPTIONS >= most:
        return now, -1, 0.0
    child = n + 1
    for k in range(member_start[at(n)], member_start[at(n + 1)] + branches.parent.size):
        if k < member_start[at(n + 1)]:
            if free + OPTIONS >= most:
                return now, -1, 0.0
            device = int(branches.member[at(k)])
            piece, end, gain = _options(choices, device, sums.price, free, lists)
            lists.gains[at(device)] = gain
            theirs = Span(free, piece, end)
            free = end
        else:
            if child >= n + branches.size[at(n)]:
                break
            theirs = Span(spans[0, at(child)], spans[1, at(child)], spans[2, at(child)])
            child += branches.size[at(child)]
        if now.last == now.first:
            now = theirs
            continue
        piece, end, more = merge(sums, now, theirs, free, lists)
        if end < 0:
            return now, -1, 0.0
        if end == free:
            return Span(free, free, free), free, 0.0
        left_out = min(left_out, more)
        now, free = Span(free, piece, end), end
    if now.last == now.first:
        # There is nothing below the node: no watts, and nothing lost.
        put(free, Piece(0.0, 0.0, 0.0, 0.0), OWN, OWN, lists)
        now, free = Span(free, free + 1, free + 1), free + 1
    return now, free, left_out


@kernel
def _leaf(
    n: int, sums: Sums, branches: Branches, choices: Choices, free: int, lists: StateLists
) -> tuple[Span, int, float]:
    """Return what the devices of a leaf node come to, as `_all_below`; whatever the window is, so it is listed once."""
    if lists.leaves[0, at(n)] < 0:
        now, free, left_out = _all_below(n, sums, branches, choices, free, lists)
        if free < 0:
            return now, -1, 0.0
        lists.leaves[0, at(n)], lists.leaves[1, at(n)], lists.leaves[2, at(n)] = now.first, now.piece, now.last
        lists.left_out[at(n)] = left_out
    now = Span(lists.leaves[0, at(n)], lists.leaves[1, at(n)], lists.leaves[2, at(n)])
    return now, free, lists.left_out[at(n)]


@kernel
def _inside(
    branches: Branches, choices: Choices, node_price: F64, sought: Sought, free: int, watts: F64, lists: StateLists
) -> tuple[float, float, int]:
    """Write the best settings that are `sought` into `watts`; states are appended from `free` on.

    Return what they lose and what any must, as `best_settings`, and the end.
    """
    parent, spans, states, room_w = branches.parent, lists.spans, lists.states, lists.room_w
    # Of a leaf some states are left out; what it must lose is sure only where those lose no less.
    musts, sure, left_out, least = 0.0, 0.0, sought.window, 0.0
    for n in range(parent.size - 1, -1, -1):
        price, most_w = node_price[n], _most_w(n, parent, room_w)
        leaf = branches.size[n] == 1 and n > 0
        sums = Sums(price, sought.most_loss if leaf else sought.window, most_w, sought.width_w)
        if leaf:
            now, free, left_out_here = _leaf(n, sums, branches, choices, free, lists)
        else:
            now, free, left_out_here = _all_below(n, sums, branches, choices, free, lists)
        if free < 0:
            return -1.0, 0.0, free
        if now.last == now.first:
            return np.inf, 0.0, free
        if free + now.last - now.first + 1 > states.shape[1]:
            return -1.0, 0.0, free
        own_price = price - (node_price[at(parent[n])] if n > 0 else 0.0)
        piece, end, least = _close(NodeLimit(own_price, room_w[n], most_w, sought.window, leaf), now, free, lists)
        must = least if leaf else 0.0
        if end == free or least > sums.most_loss:
            return np.inf, 0.0, end
        least_here = min(must, left_out_here)
        musts, sure = musts + must, sure + least_here
        left_out = min(left_out, left_out_here - least_here)
        spans[0, n], spans[1, n], spans[2, n] = free, piece, end
        free = end
    for s in range(spans[0, 0], spans[1, 0]):
        if states[2, at(s)] == least:
            _take(s, choices, lists, watts)
            return least + musts, min(left_out + sure, least + musts), free
    return np.inf, 0.0, free


@kernel
def _lost_of(branches: Branches, node_price: F64, lists: StateLists) -> float:
    """Return the worth that settings lose of: what the devices gain at most, and what the limits are worth."""
    parent, member_start, member = branches.parent, branches.member_start, branches.member
    total = 0.0
    for n in range(parent.size - 1, -1, -1):
        for k in range(member_start[n], member_start[n + 1]):
            total += lists.gains[at(member[at(k)])]
        own_price = node_price[n] - (node_price[at(parent[n])] if n > 0 else 0.0)
        if own_price > 0.0:
            total += own_price * lists.room_w[n]
    return total


@kernel
def best_settings(
    branches: BareBranches,
    choices: BareChoices,
    node_price: F64,
    windows: F64,
    most_loss: float,
    watts: F64,
    lists: BareStates,
    buckets: int,
) -> tuple[float, float, float, float]:
    """Write the best settings into `watts` (D,); return what they lose, what any must lose, the worth that is lost of, and the window.

    A site has so many `buckets`. `node_price` (N,) are the prices; settings that lose more than `most_loss` in all are of no interest.
    The first of the `windows`, ascending, counts inside which something is: settings that lose at most that beyond what the leaf nodes
    must. The first answer is inf where nothing was found in any, and negative where there was no place or no time to try; the others
    then mean nothing.
    """
    branches, choices, lists = Branches(*branches), Choices(*choices), StateLists(*lists)
    width_w = max(_rooms(branches, choices, lists) / buckets, LEAST_WIDTH_W)
    lists.leaves[0, :] = -1
    free = 0
    for window in windows:
        sought = Sought(window, most_loss, width_w)
        loss, least, free = _inside(branches, choices, node_price, sought, free, watts, lists)
        if loss < np.inf:
            return loss, least, _lost_of(branches, node_price, lists), window
    return np.inf, 0.0, 0.0, 0.0
