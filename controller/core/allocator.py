"""The allocator: which device draws how much, so that the site earns the most inside every limit, and the proof of it.

Every answer comes with an upper bound on what any allocation could be worth, so its gap is known in every tick. All memory
is taken when the allocator is made. The watts that are handed out are overwritten by the next call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.core.kernels.greedy import OPEN, admit, cut, fill_site, program_rest
from controller.core.kernels.hull import ROWS, hulls
from controller.core.kernels.order import sort_items
from controller.core.kernels.refine import (
    dual_bound,
    earnings,
    fill_leaves,
    fill_nodes,
    prices,
    rooms,
    stand,
    top_up,
    unused_worth,
)
from controller.core.kernels.search import CHANGES, SETS
from controller.core.site import F64, Devices, Tree

#: What runs already is worth this share more, so that near-equal devices do not swap.
HELD_BONUS: Final = 0.05
#: Seconds over which a start has to pay: a device that needs `up_s` to start earns that much less of it.
START_HORIZON_S: Final = 300.0
#: A solution whose certified gap is at most this share is good; else the prices are improved, in so many rounds.
GOOD_GAP: Final = 1e-5
ROUNDS: Final = 6
SMALL = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotment:
    """Watts of each device (D,) and what they are worth.

    `value_per_h` is what they earn. `worth_per_h` counts the bonus of what runs already and the cost of starts too: it is
    what was maximised. No allocation is worth more than `bound_per_h`, nor, with divisible modes, than `program_per_h` (the
    optimum of the linear program). `released`: devices whose lower limit had to be given up.
    """

    watts: F64
    value_per_h: float
    worth_per_h: float
    bound_per_h: float
    program_per_h: float
    released: int


class Allocator:
    """The allocator of one site, see `make_allocator`."""

    def __init__(self, tree: Tree, devices: Devices) -> None:
        nodes, count, modes = len(tree.ids), len(devices.ids), devices.mode_w.size
        self._tree, self._devices = tree, devices
        self._preorder = _preorder(tree.parent)
        rank = np.empty(nodes, dtype=np.int64)
        rank[self._preorder] = np.arange(nodes)
        self._parent = np.concatenate([[-1], rank[tree.parent[self._preorder[1:]]]]).astype(np.int64)
        self._size = _sizes(self._parent)
        self._home = rank[devices.node].astype(np.int32)
        self._member = np.argsort(self._home, kind="stable").astype(np.int32)
        self._member_start = np.searchsorted(self._home[self._member], np.arange(nodes + 1)).astype(np.int64)
        self._start_share = np.clip(1.0 - devices.up_s / START_HORIZON_S, 0.0, 1.0)
        self._off_w = devices.off_w.copy()
        self._device_bits = max(20, int(count).bit_length())
        self._mode_value = devices.mode_value

        edges = modes - count
        self._items = np.zeros(edges, dtype=np.uint64)
        # The sorting needs a second list only until the sums of the first are known.
        self._spare = np.zeros(edges, dtype=np.uint64)
        self._sum_w = self._spare.view(np.float64)
        self._from_w = np.zeros(edges)
        self._climb = np.zeros(modes, dtype=np.uint8)
        self._kept_value, self._level_w, self._try_w, self._watts = np.zeros((4, count))
        self._base_w, self._upper_w = np.zeros((2, count))
        self._at = np.zeros(count, dtype=np.int32)
        self._limit_w, self._room_w, self._cut_w, self._recut_w = np.zeros((4, nodes))
        self._price_above, self._rest_w, self._unproven, self._node_price, self._next_price = np.zeros((5, nodes))
        self._closed_at, self._now_at, self._next_at = np.zeros((3, nodes), dtype=np.int64)
        self._cut_device, self._recut_device = np.zeros((2, nodes), dtype=np.int64)
        self._corner, self._corners = np.zeros(ROWS + 1, dtype=np.int64), np.zeros((2, ROWS + 1))
        self._tally = np.zeros((4, 2048), dtype=np.int64)
        self._changes = np.zeros((3, CHANGES))
        self._change_device = np.zeros(CHANGES, dtype=np.int64)
        self._near = np.zeros(2 * CHANGES, dtype=np.int32)
        self._lists = np.zeros((2, 3, 2, SETS))
        self._masks = np.zeros((2, 3, SETS), dtype=np.uint64)
        self._count = self._end = self._released = 0
        self._site_room_w = 0.0

    def solve(self, *, limit_w: F64, base_w: F64, upper_w: F64, held_w: F64) -> Allotment:
        devices = self._devices
        np.take(limit_w, self._preorder, out=self._limit_w)
        self._base_w[:] = base_w
        self._upper_w[:] = upper_w
        self._count = hulls(
            devices.mode_start, devices.mode_w, self._mode_value, devices.mode_continuous, self._start_share,
            self._base_w, self._upper_w, held_w, HELD_BONUS, self._kept_value, self._at, self._climb, self._items,
            self._device_bits, self._corner, self._corners,
        )  # fmt: skip
        sort_items(self._items, self._spare, self._count, self._device_bits, self._tally)
        self._level_w[:] = self._base_w
        rooms(self._parent, self._home, self._limit_w, self._base_w, self._room_w)
        self._site_room_w = self._room_w[0]
        self._closed_at[:] = OPEN
        self._cut_device[:] = -1
        admit(
            self._parent, self._size, 0, self._home, devices.mode_w, devices.mode_continuous, self._upper_w,
            self._climb, self._items, self._count, self._device_bits, self._room_w, self._level_w, self._at,
            self._from_w, self._sum_w, self._closed_at, self._cut_device, self._cut_w,
        )  # fmt: skip
        self._end = self._count
        self._cut()
        return self.refined()

    def site_limit(self, limit_w: float) -> F64:
        self._site_room_w += limit_w - self._limit_w[0]
        self._limit_w[0] = limit_w
        self._cut()
        devices = self._devices
        self._watts[:] = self._level_w
        fill_site(
            devices.mode_start, devices.mode_w, devices.mode_continuous, self._upper_w, self._climb, self._items,
            self._count, self._device_bits, self._from_w, self._sum_w, self._closed_at, self._cut_device, self._cut_w,
            self._end, self._site_room_w, self._watts,
        )  # fmt: skip
        return self._watts

    def refined(self) -> Allotment:
        """Return the best whole modes for the site limit as it is, with the tightest bound."""
        devices = self._devices
        stand(devices.mode_start, devices.mode_w, self._level_w, self._at)
        program = self._earnings(self._level_w)[0] + program_rest(
            self._items, self._count, self._device_bits, self._sum_w, self._closed_at, self._cut_device, self._cut_w,
            self._end, self._site_room_w,
        )  # fmt: skip
        order = (self._items, self._count, self._device_bits)
        np.minimum(self._closed_at, self._end if self._end < self._count else OPEN, out=self._now_at)
        prices(*order, self._now_at, self._node_price)
        bound, worth, value = program, -np.inf, 0.0
        for turn in range(ROUNDS if len(devices.ids) > SMALL else 30):
            *new, new_bound = self._fill()
            bound = min(bound, new_bound)
            if new[0] > worth:
                worth, value = new
                self._watts[:] = self._try_w
            if bound - worth <= GOOD_GAP * abs(bound):
                break
            # Leaves that are filled at too high a price leave room above, at too low a one they leave none: go between.
            prices(*order, self._now_at, self._next_price)
            if turn == 0:
                first = self._node_price.copy()
            if turn < ROUNDS:
                self._node_price += self._next_price
                self._node_price *= 0.5
            else:
                self._node_price[:] = first * (turn - ROUNDS) / 24
        return Allotment(
            watts=self._watts,
            value_per_h=value,
            worth_per_h=worth,
            bound_per_h=bound,
            program_per_h=program,
            released=self._released,
        )

    def _fill(self) -> tuple[float, float, float]:
        """Fill the tree with the leaves at the prices `_node_price`; return worth, value and bound."""
        devices, parent, watts = self._devices, self._parent, self._try_w
        modes = (devices.mode_start, devices.mode_w, self._mode_value, devices.mode_continuous)
        worths = (self._start_share, self._kept_value, HELD_BONUS)
        order = (self._items, self._count, self._device_bits)
        lists = (self._changes, self._change_device)
        watts[:] = self._level_w
        stand(devices.mode_start, devices.mode_w, watts, self._at)
        np.minimum(self._closed_at, self._end if self._end < self._count else OPEN, out=self._now_at)
        self._price_above[:] = -1.0
        cuts = (self._cut_device, self._cut_w)
        while True:
            filled = fill_leaves(
                parent, self._size, self._member_start, self._member, self._home, *modes, *worths, self._base_w,
                self._upper_w, *order, self._now_at, self._node_price, *cuts, watts, self._at, self._price_above, self._rest_w,
                self._unproven, *lists, self._lists, self._masks,
            )  # fmt: skip
            if filled == 0 and cuts[0] is self._recut_device:
                break
            cuts = (self._recut_device, self._recut_w)
            rooms(parent, self._home, self._limit_w, watts, self._room_w)
            top_up(
                parent, self._size, self._member_start, self._home, devices.mode_w, devices.mode_continuous,
                self._upper_w, self._climb, *order, self._now_at, self._price_above, self._room_w, watts, self._at,
                self._next_at, *cuts,
            )  # fmt: skip
            self._now_at, self._next_at = self._next_at, self._now_at
        rooms(parent, self._home, self._limit_w, watts, self._room_w)
        worth, value = self._earnings(watts)
        bound = worth + unused_worth(
            parent, *order, self._now_at, *cuts, self._room_w, self._price_above, self._rest_w, self._unproven
        )
        if bound - worth > GOOD_GAP * abs(bound):
            dual = dual_bound(
                parent, self._size, self._member_start, self._member, *modes, *worths, self._base_w, self._upper_w,
                self._climb, watts, self._limit_w, self._node_price, self._price_above, self._unproven,
            )  # fmt: skip
            bound = min(bound, dual)
        more = fill_nodes(
            parent, self._size, self._member_start, self._member, self._home, *modes, *worths, self._base_w,
            self._upper_w, *order, self._now_at, self._price_above, self._recut_device, self._room_w, watts, *lists,
            self._near,
            self._lists, self._masks,
        )  # fmt: skip
        return worth + more[0], value + more[1], bound

    def _earnings(self, watts: F64) -> tuple[float, float]:
        """Return worth and value of `watts`, at which `_at` stands."""
        devices = self._devices
        worth, value = earnings(
            devices.mode_w, self._mode_value, devices.mode_continuous, self._start_share, self._kept_value, HELD_BONUS,
            self._at, watts,
        )  # fmt: skip
        return worth, value

    def _cut(self) -> None:
        devices = self._devices
        self._end = cut(
            devices.mode_start, devices.mode_w, self._upper_w, self._climb, self._items, self._count,
            self._device_bits, self._from_w, self._sum_w, self._level_w, self._end, self._site_room_w,
        )  # fmt: skip


def _preorder(parent):
    below = [[] for _ in parent]
    for n in range(1, len(parent)):
        below[parent[n]].append(n)
    order, waiting = [], [0]
    while waiting:
        n = waiting.pop()
        order.append(n)
        waiting.extend(reversed(below[n]))
    return np.array(order, dtype=np.int64)


def _sizes(parent):
    size = np.ones(len(parent), dtype=np.int64)
    for n in range(len(parent) - 1, 0, -1):
        size[parent[n]] += size[n]
    return size


def make_allocator(tree: Tree, devices: Devices) -> Allocator:
    return Allocator(tree, devices)
