"""What devices below a node of a small site may draw together, and what that loses: states, and the sums of two lists of them.

A state is a point: so many watts beyond the bases. Or it is a piece: from so many watts to so many, on a line, because one range of
one device is still open. No more than one need be: of two that share a limit, one can take what the other gives until it
is at its end. The best point and the best piece of each bucket of watts are kept; what that leaves out is told.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from controller.core.kernels import joined, kernel
from controller.core.kernels.columns import EPS_W, I32, F64x2, I32x2, I64x2, at
from controller.core.site import F64, I64

#: Losses that differ by less are the same.
EPS_LOSS: Final = 1e-12
#: What a link says of a state that is no sum: it is a device's own, or that of nothing; the piece it links to is closed in it.
OWN: Final = -1
CLOSED: Final = -2
#: So many pieces of a merge are kept although a bucket has a better one, for that may end where they go on.
FEW: Final = 64


class StateLists(NamedTuple):
    """Workspace: S states at most, B buckets.

    `spans` (3, N): the states of each node, see `Span`. `states` (4, S): watts from and to, what is lost at the lower, and how
    much more a watt. `links` (2, S): the two states that each is the sum of, the piece first; a piece and CLOSED; or OWN and
    a device, or OWN for none. Of each bucket: `points` (3, B), watts and loss of the best point, and the most that any
    point of fewer watts gains; `sources` (2, B), what it is the sum of; `pieces` (B,), the best piece. `room_w` (N,): what
    the bases leave of the limits. `tries` (1,): so many more pairs of points, and buckets of pieces, may be looked at. Of the leaf nodes (N,), before their limits close them: `leaves` (3, N), the states, from -1 on where
    they are not listed yet, and `left_out`, the least that others lose. `gains` (D,): the most that each device gains.
    """

    spans: I64x2
    states: F64x2
    links: I32x2
    points: F64x2
    sources: I32x2
    pieces: I32
    room_w: F64
    tries: I64
    leaves: I64x2
    left_out: F64
    gains: F64


class Span(NamedTuple):
    """The states from `first` to before `last`; from `piece` on they are pieces."""

    first: int
    piece: int
    last: int


class Sums(NamedTuple):
    """What sums are worth keeping: those that lose no more than `most_loss` at `price` a watt, up to `most_w`.

    `width_w`: of a bucket.
    """

    price: float
    most_loss: float
    most_w: float
    width_w: float


class Piece(NamedTuple):
    """A piece, as in `StateLists`."""

    low_w: float
    high_w: float
    loss: float
    slope: float


@joined
def put(state: int, piece: Piece, link: int, other: int, lists: StateLists) -> None:
    """Write a state."""
    lists.states[0, at(state)] = piece.low_w
    lists.states[1, at(state)] = piece.high_w
    lists.states[2, at(state)] = piece.loss
    lists.states[3, at(state)] = piece.slope
    lists.links[0, at(state)] = link
    lists.links[1, at(state)] = other


@joined
def piece_of(state: int, lists: StateLists) -> Piece:
    """Return a state; a point is a piece from its watts to these."""
    states, s = lists.states, at(state)
    return Piece(states[0, s], states[1, s], states[2, s], states[3, s])


@joined
def loss_at(piece: Piece, watts: float) -> float:
    """Return what a piece loses at `watts`."""
    return piece.loss + piece.slope * (watts - piece.low_w)


@kernel
def _sum_points(sums: Sums, some: Span, others: Span, lists: StateLists) -> float:
    """Find the best sum of two points for each bucket; return the least loss of those that are left out for no better one."""
    states, points, sources = lists.states, lists.points, lists.sources
    price, most_loss, most_w = sums.price, sums.most_loss, sums.most_w + EPS_W
    a_bucket = 1.0 / sums.width_w
    left_out = np.inf
    for a in range(some.first, some.piece):
        a_w, a_loss = states[0, at(a)], states[2, at(a)]
        for b in range(others.first, others.piece):
            loss, watts = a_loss + states[2, at(b)], a_w + states[0, at(b)]
            if loss > most_loss or watts > most_w:
                continue
            k = at(int(watts * a_bucket))
            more_w, more = watts - points[0, k], loss - points[1, k]
            if points[1, k] < np.inf:
                if more_w >= -EPS_W and more >= price * more_w - EPS_LOSS:
                    continue
                if more_w > EPS_W or more > price * more_w + EPS_LOSS:
                    left_out = min(left_out, max(loss, points[1, k]))
                    if more >= 0.0:
                        continue
            points[0, k] = watts
            points[1, k] = loss
            sources[0, k] = a
            sources[1, k] = b
    return left_out


@kernel
def _keep_points(sums: Sums, buckets: int, free: int, lists: StateLists) -> int:
    """Append the points of the buckets that gain more than all of fewer watts; return the new end."""
    points, sources = lists.points, lists.sources
    most = -np.inf
    for k in range(buckets):
        points[2, at(k)] = most
        gain = sums.price * points[0, at(k)] - points[1, at(k)]
        if points[1, at(k)] < np.inf and gain > most + EPS_LOSS:
            most = gain
            watts = points[0, at(k)]
            put(free, Piece(watts, watts, points[1, at(k)], 0.0), sources[0, at(k)], sources[1, at(k)], lists)
            free += 1
    return free


@joined
def _contest(piece: Piece, bucket: int, sums: Sums, lists: StateLists) -> tuple[bool, float]:
    """Return whether a piece is the best of a bucket, and what the worse one loses at least; inf where it is needless."""
    low_w, high_w = bucket * sums.width_w, (bucket + 1) * sums.width_w
    from_w, to_w = max(piece.low_w, low_w), min(piece.high_w, high_w)
    from_loss, to_loss = loss_at(piece, from_w), loss_at(piece, to_w)
    if max(sums.price * from_w - from_loss, sums.price * to_w - to_loss) <= lists.points[2, at(bucket)] + EPS_LOSS:
        return False, np.inf
    if lists.pieces[at(bucket)] < 0:
        return True, np.inf
    other = piece_of(lists.pieces[at(bucket)], lists)
    least = min(from_loss, to_loss)
    other_from_w, other_to_w = max(other.low_w, low_w), min(other.high_w, high_w)
    other_least = min(loss_at(other, other_from_w), loss_at(other, other_to_w))
    both_from_w, both_to_w = max(from_w, other_from_w), min(to_w, other_to_w)
    if both_from_w > both_to_w:
        return least < other_least, max(least, other_least)
    less_from = loss_at(other, both_from_w) - loss_at(piece, both_from_w)
    less_to = loss_at(other, both_to_w) - loss_at(piece, both_to_w)
    if less_from + less_to <= EPS_LOSS:
        covered = both_from_w <= from_w + EPS_W and both_to_w >= to_w - EPS_W
        return False, np.inf if covered and max(less_from, less_to) <= EPS_LOSS else least
    covered = both_from_w <= other_from_w + EPS_W and both_to_w >= other_to_w - EPS_W
    return True, np.inf if covered and min(less_from, less_to) >= -EPS_LOSS else other_least


@kernel
def _sum_pieces(sums: Sums, some: Span, others: Span, begin: int, free: int, lists: StateLists) -> tuple[int, float]:
    """Append the sums of pieces of `some` and points of `others` that are the best of a bucket as yet, behind those from `begin` on.

    Return the new end, -1 where there is no place or no time, and the least loss of what is left out for no better one.
    """
    left_out = np.inf
    few = begin + FEW
    tries = lists.tries[0]
    for a in range(some.piece, some.last):
        piece = piece_of(a, lists)
        for b in range(others.first, others.piece):
            low_w = piece.low_w + lists.states[0, at(b)]
            high_w = min(piece.high_w + lists.states[0, at(b)], sums.most_w)
            loss = piece.loss + lists.states[2, at(b)]
            # The part that loses too much is cut off.
            if loss > sums.most_loss:
                if piece.slope >= 0.0:
                    continue
                low_w += (loss - sums.most_loss) / -piece.slope
                loss = sums.most_loss
            elif piece.slope > 0.0:
                high_w = min(high_w, low_w + (sums.most_loss - loss) / piece.slope)
            if high_w <= low_w + EPS_W:
                continue
            if free == lists.states.shape[1]:
                return -1, left_out
            whole = Piece(low_w, high_w, loss, piece.slope)
            best = False
            lowest, highest = int(low_w / sums.width_w), int(high_w / sums.width_w)
            tries -= highest - lowest + 1
            for k in range(lowest, highest + 1):
                wins, worse = _contest(whole, k, sums, lists)
                if free >= few:
                    left_out = min(left_out, worse)
                best |= wins or (worse < np.inf and free < few)
                if wins:
                    lists.pieces[at(k)] = free
            if best:
                put(free, whole, a, b, lists)
                free += 1
        if tries < 0:
            return -1, left_out
    lists.tries[0] = tries
    return free, left_out


@kernel
def _keep_pieces(sums: Sums, begin: int, end: int, lists: StateLists) -> int:
    """Drop pieces behind the first few from `begin` to before `end` that no bucket holds for its best; return the new end."""
    kept = begin
    for s in range(begin, end):
        piece = piece_of(s, lists)
        held = s < begin + FEW
        for k in range(int(piece.low_w / sums.width_w), int(piece.high_w / sums.width_w) + 1):
            held |= lists.pieces[at(k)] == s
        if held:
            put(kept, piece, lists.links[0, at(s)], lists.links[1, at(s)], lists)
            kept += 1
    return kept


@joined
def _most_w(span: Span, lists: StateLists) -> float:
    most = 0.0
    for s in range(span.first, span.last):
        most = max(most, lists.states[1, at(s)])
    return most


@kernel
def merge(sums: Sums, some: Span, others: Span, free: int, lists: StateLists) -> tuple[int, int, float]:
    """Append every sum of one of `some` states and one of the `others` that is worth keeping, from `free` on.

    Return where their pieces begin, their end, and the least that anything loses that was left out for no better one. The end
    is -1 where there is no place for them, or no time to try them.
    """
    lists.tries[0] -= (some.piece - some.first) * (others.piece - others.first)
    most_w = min(_most_w(some, lists) + _most_w(others, lists), sums.most_w)
    buckets = int((most_w + EPS_W) / sums.width_w) + 1
    if free + buckets >= lists.states.shape[1] or lists.tries[0] < 0:
        return free, -1, 0.0
    for k in range(buckets):
        lists.points[1, at(k)] = np.inf
        lists.pieces[at(k)] = OWN
    left_out = _sum_points(sums, some, others, lists)
    begin = _keep_points(sums, buckets, free, lists)
    end, more = _sum_pieces(sums, some, others, begin, begin, lists)
    if end >= 0:
        left_out = min(left_out, more)
        end, more = _sum_pieces(sums, others, some, begin, end, lists)
    if end < 0:
        return begin, -1, 0.0
    return begin, _keep_pieces(sums, begin, end, lists), min(left_out, more)
