"""What the kernels are given: columns that belong together, as named tuples.

N nodes of the limit tree in preorder: node n and all below it are ``n .. n + size[n] - 1``, the site is node 0. D devices
with M modes in all.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from controller.core.site import F64, I64, Bool

U8 = NDArray[np.uint8]
I32 = NDArray[np.int32]
U64 = NDArray[np.uint64]
#: Columns with more than one dimension.
F64x2 = Annotated[NDArray[np.float64], 2]
F64x3 = Annotated[NDArray[np.float64], 3]
F64x4 = Annotated[NDArray[np.float64], 4]
I64x2 = Annotated[NDArray[np.int64], 2]
I32x2 = Annotated[NDArray[np.int32], 2]
U64x2 = Annotated[NDArray[np.uint64], 2]
U64x3 = Annotated[NDArray[np.uint64], 3]

#: An index that does not count from the end. Of a signed one that was read from a column every use asks for its sign.
at = np.uintp

#: Watts that differ by less are the same.
EPS_W: Final = 1e-6
#: Position at which a node that is open was closed.
OPEN: Final = np.iinfo(np.int64).max


class Branches(NamedTuple):
    """The limit tree with its devices.

    `parent`, `size` (N,): nodes from this one down. Node n has the devices
    ``member[member_start[n]:member_start[n + 1]]``; `home` (D,): the node of each. `divisible` (N,): it has continuous
    devices of its own. `asked_w` (N,): the limits as they were asked. `limit_w` (N,): watts that the devices below it may
    draw, never less than what they must, whatever was asked.
    """

    parent: I64
    size: I64
    member_start: I64
    member: I32
    home: I32
    divisible: Bool
    asked_w: F64
    limit_w: F64


class ModeTable(NamedTuple):
    """Device i owns the rows ``start[i] .. start[i + 1] - 1`` of `watts`, `value` per hour and `continuous` (M,)."""

    start: I64
    watts: F64
    value: F64
    continuous: Bool


class Choices(NamedTuple):
    """What each device can be set to, what that is worth, and between which watts it is kept.

    The modes as in `ModeTable`. `start_share`, `kept_value` (D,), `bonus`: what their value is worth to a device, see
    `hull.worth`. `base_w`, `upper_w` (D,): watts that it must draw, and that it may draw.
    """

    start: I64
    watts: F64
    value: F64
    continuous: Bool
    start_share: F64
    kept_value: F64
    bonus: float
    base_w: F64
    upper_w: F64


class MeritOrder(NamedTuple):
    """The first `length` of the sorted hull edges `items`, and how they were admitted to the tree.

    `climb` (M,): where each edge leads. Per item: `from_w`, where its device stood before it, negative if the item has not
    raised it; `sum_w`, the watts that all items up to this one add at the site, parts included. The items before `end` fit
    into `room_w`, what the bases leave of the site's limit. `low_bits`, `rank_bits`: see `hull`.
    """

    items: U64
    climb: U8
    from_w: F64
    sum_w: F64
    length: int
    end: int
    room_w: float
    low_bits: int
    rank_bits: int


class Closings(NamedTuple):
    """Where in the order each node (N,) was closed, else OPEN; and the edge that was cut there and cannot be divided.

    `cut_device` is -1 where there is none, `cut_w` the part of it that would have fitted.
    """

    closed_at: I64
    cut_device: I64
    cut_w: F64


class Draft(NamedTuple):
    """A solution in the making: `watts` (D,) of the devices and what they leave of each limit, `room_w` (N,)."""

    watts: F64
    room_w: F64


class FixedLeaves(NamedTuple):
    """Leaf nodes (N,) that have been filled by themselves.

    `price_above`: the price of a watt above it that it was filled at, negative where it is not fixed. `rest_w`: what
    rounding left of its limit. `unproven`: by how much its filling may be worse than the best.
    """

    price_above: F64
    rest_w: F64
    unproven: F64


class Rest(NamedTuple):
    """What is unused of a node's limit.

    `price`, `own_price`: of a watt below the node, and of the node's own limit. A set of changes that is within `slack` of
    the cheapest is good. As far as is known a set loses `lost`, and none loses less than `least`.
    """

    watts: float
    price: float
    own_price: float
    slack: float
    least: float
    lost: float


class ChangeSets(NamedTuple):
    """Workspace of the search for the cheapest set of changes (C at most).

    `changes` (3, C): watts more, what is lost, new watts; ascending in what is lost. `device` (C,) of each. `groups` (3, C),
    `lists` (2, 3, 2, sets), `masks` (2, 3, sets): see `search`. `near`: devices that are looked at.
    """

    changes: F64x2
    device: I64
    groups: I64x2
    lists: F64x4
    masks: U64x3
    near: I32


class PathsUp(NamedTuple):
    """A limit tree in any order of parents before children: `parent` (N,), -1 at the site, and the `node` of each device (D,)."""

    parent: I64
    node: I64
