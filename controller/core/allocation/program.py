"""The linear program of a site: the merit order of its hull edges, admitted to its tree."""

from __future__ import annotations

from typing import Final

import numpy as np

from controller.core.allocation.branches import make_branches
from controller.core.allocation.merit import HELD_BONUS, by_value, start_share
from controller.core.kernels.columns import Choices, Closings, Draft, MeritOrder
from controller.core.kernels.greedy import AHEAD, Ahead, admit, cut, quick, readmit, release
from controller.core.kernels.hull import ROWS, Corners, hulls
from controller.core.kernels.sorting import DIGIT, PASSES, replace_items, sort_items
from controller.core.kernels.stock import rooms
from controller.core.site import F64, Devices, Tree

#: So many bits of an item, at least, are not its density's.
_LOW_BITS: Final = 20


class Program:
    """The divisible program, solved: whole modes up to where the site's limit ends the order.

    Public are the columns that a refinement works on. `level`: what is whole at the end of the order.
    """

    def __init__(self, tree: Tree, devices: Devices) -> None:
        nodes, count, rows = len(tree.ids), len(devices.ids), devices.mode_w.size
        self._devices = devices
        self.branches, self._preorder = make_branches(tree, devices)
        self._place = np.argsort(self._preorder)
        self.choices = _choices(devices)
        rank_bits = int(np.diff(devices.mode_start).max(initial=1)).bit_length()
        # The order is sorted by way of a second list; its sums are known only when that is done.
        self._items, self._spare = np.zeros((2, rows - count), dtype=np.uint64)
        self.order = MeritOrder(
            items=self._items,
            climb=np.zeros(rows, dtype=np.uint8),
            from_w=np.zeros(rows - count),
            sum_w=self._spare.view(np.float64),
            length=0,
            end=0,
            room_w=0.0,
            low_bits=max(_LOW_BITS, count.bit_length()) + rank_bits,
            rank_bits=rank_bits,
        )
        # Where each node was closed, and behind them all where the order ends.
        self._positions = np.zeros(nodes + 1, dtype=np.int64)
        self.closings = Closings(
            closed_at=self._positions[:-1], cut_device=np.zeros(nodes, dtype=np.int64), cut_w=np.zeros(nodes)
        )
        self.level = Draft(watts=np.zeros(count), room_w=np.zeros(nodes))
        self.tally = np.zeros((PASSES, 1 << DIGIT), dtype=np.int32)
        self._ahead = Ahead(watts=np.zeros((2, AHEAD)), where=np.zeros((4, AHEAD), dtype=np.int64))
        self._corners = Corners(row=np.zeros(ROWS + 1, dtype=np.int64), points=np.zeros((2, ROWS + 1)))
        self._new_items = np.zeros(ROWS + 1, dtype=np.uint64)

    def solve(
        self, limit_w: F64, bounds_w: tuple[F64, F64], held_w: F64, stuck_w: F64 | None, mode_value: F64 | None
    ) -> int:
        """Solve with all data new, as `Allocator.solve`; return how many bases did not fit and were given up."""
        if mode_value is not None:
            self.choices = self.choices._replace(value=mode_value)
        choices, room_w, released = self.choices, self.level.room_w, 0
        np.take(limit_w, self._preorder, out=self.branches.limit_w)
        choices.base_w[:], choices.upper_w[:] = bounds_w
        rooms(self.branches, 0, choices.base_w, room_w)
        if np.min(room_w) < 0.0:
            least_w = self._devices.off_w if stuck_w is None else stuck_w
            released = release(self.branches, by_value(self._devices, choices.value), least_w, choices.base_w, room_w)
        self._sort(hulls(choices, held_w, 0, held_w.size, self.order, self._corners), float(room_w[0]))
        self.level.watts[:] = choices.base_w
        admit(self.branches, 0, choices, self.order, self.level, self.closings, self._ahead)
        self._move(cut(choices, self.order, self.level.watts), self.order.room_w)
        return released

    def site_limit(self, limit_w: float, watts: F64) -> None:
        """Write into `watts` (D,) what is whole at another limit of the site, and what still fits beside it."""
        self._move(self.order.end, self.order.room_w + (limit_w - float(self.branches.limit_w[0])))
        self.branches.limit_w[0] = limit_w
        end = quick(self.choices, self.order, self.closings, self.level.watts, watts)
        self._move(end, self.order.room_w)

    def node_limit(self, node: int, limit_w: float, watts: F64) -> None:
        """Decide the branch of one of the site's nodes anew, with another limit of that node, as `site_limit`."""
        place = int(self._place[node])
        self.branches.limit_w[place] = limit_w
        self._readmit(place, watts)

    def device(self, device: int, limits_w: tuple[float, float], held_w: float, watts: F64) -> None:
        """Decide the branch of a device anew, with other limits (base and upper) of the device, as `site_limit`."""
        choices, order, held = self.choices, self.order, self.level.watts
        room_w = order.room_w + (float(choices.base_w[device]) - limits_w[0])
        choices.base_w[device], choices.upper_w[device] = limits_w
        # What the device stands at is worked out anew below, as for its whole branch.
        held[device] = held_w
        new = order._replace(items=self._new_items)
        found = hulls(choices, held, device, device + 1, new, self._corners)
        self._positions[-1] = order.end
        length = replace_items(order, device, self._new_items, found, self._positions)
        self.order = order._replace(length=length, end=int(self._positions[-1]), room_w=room_w)
        self._readmit(int(self.branches.home[device]), watts)

    def _sort(self, length: int, room_w: float) -> None:
        """Sort the order, which all of its items are in for now."""
        if sort_items(self._items, self._spare, length, self.order.low_bits, self.tally):
            self._items, self._spare = self._spare, self._items
        self.order = self.order._replace(
            items=self._items, sum_w=self._spare.view(np.float64), length=length, end=length, room_w=room_w
        )

    def _move(self, end: int, room_w: float) -> None:
        """Note where the order ends now, and how much room there is at the site."""
        items, climb, from_w, sum_w, length, _, _, low_bits, rank_bits = self.order
        self.order = MeritOrder(items, climb, from_w, sum_w, length, end, room_w, low_bits, rank_bits)

    def _readmit(self, place: int, watts: F64) -> None:
        """Admit the branch of the tree that `place` belongs to once more; the others stay as admitted."""
        end = readmit(
            self.branches, self._branch(place), self.choices, self.order, self.level, self.closings, self._ahead, watts
        )
        self._move(end, self.order.room_w)

    def _branch(self, place: int) -> int:
        """Return the node right below the site that `place` belongs to; the site itself for the site."""
        while place > 0 and self.branches.parent[place] > 0:
            place = int(self.branches.parent[place])
        return place


def _choices(devices: Devices) -> Choices:
    count = len(devices.ids)
    return Choices(
        start=devices.mode_start,
        watts=devices.mode_w,
        value=devices.mode_value,
        continuous=devices.mode_continuous,
        start_share=start_share(devices),
        kept_value=np.zeros(count),
        bonus=HELD_BONUS,
        base_w=np.zeros(count),
        upper_w=np.zeros(count),
    )
