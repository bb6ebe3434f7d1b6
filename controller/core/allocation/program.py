"""The linear program of a site: the merit order of its hull edges, admitted to its tree."""

from __future__ import annotations

from typing import Final

import numpy as np

from controller.core.allocation.branches import make_branches
from controller.core.allocation.merit import HELD_BONUS, by_value, start_share
from controller.core.kernels.columns import Choices, Closings, Draft
from controller.core.kernels.crossing import Edges, bare
from controller.core.kernels.greedy import AHEAD, Ahead
from controller.core.kernels.hull import ROWS, Corners
from controller.core.kernels.program import Desk, Sorting, device_limits, node_limit, other_limits, site_limit, solve
from controller.core.kernels.sorting import DIGIT, PASSES
from controller.core.site import F64, I64, Devices, Tree

#: So many bits of an item, at least, are not its density's.
_LOW_BITS: Final = 20
_NOBODY: Final = np.zeros(0, dtype=np.int64)


class Program:
    """The divisible program, solved: whole modes up to where the site's limit ends the order.

    Public are the columns that a refinement works on; `bare`, `bare_branches`: as the kernels take them.
    """

    def __init__(self, tree: Tree, devices: Devices) -> None:
        nodes, count = len(tree.ids), len(devices.ids)
        self._devices, self._off_w = devices, devices.off_w
        self.branches, self._preorder = make_branches(tree, devices)
        self._place = np.argsort(self._preorder)
        self.choices, edges = _choices(devices), _edges(devices)
        closings = Closings(
            closed_at=np.zeros(nodes, dtype=np.int64),
            cut_device=np.zeros(nodes, dtype=np.int64),
            cut_w=np.zeros(nodes),
        )
        level = Draft(watts=np.zeros(count), room_w=np.zeros(nodes))
        self.tally = np.zeros((PASSES, 1 << DIGIT), dtype=np.int32)
        desk = Desk(
            ahead=Ahead(watts=np.zeros((2, AHEAD)), where=np.zeros((4, AHEAD), dtype=np.int64)),
            corners=Corners(row=np.zeros(ROWS + 1, dtype=np.int64), points=np.zeros((2, ROWS + 1))),
            sorting=Sorting(tally=self.tally, new_items=np.zeros(ROWS + 1, dtype=np.uint64)),
        )
        self.bare = bare((self.choices, edges, closings, level))
        self.bare_branches, self._desk = tuple(self.branches), bare(desk)

    def solve(
        self, limit_w: F64, bounds_w: tuple[F64, F64], held_w: F64, stuck_w: F64 | None, mode_value: F64 | None
    ) -> int:
        """Solve with all data new, as `Allocator.solve`; return how many bases did not fit and were given up."""
        if mode_value is not None:
            self.choices = self.choices._replace(value=mode_value)
            self.bare = (tuple(self.choices), *self.bare[1:])
        np.take(limit_w, self._preorder, out=self.branches.asked_w)
        least_w = self._off_w if stuck_w is None else stuck_w
        released = self._solve(bounds_w, held_w, least_w, _NOBODY)
        if released < 0:
            released = self._solve(bounds_w, held_w, least_w, by_value(self._devices, self.choices.value))
        return released

    def other_limits(self, limit_w: F64) -> bool:
        """Solve with other limits (N,), all else as in the last `solve`; return whether that could be done: all bases fit, now and then."""
        np.take(limit_w, self._preorder, out=self.branches.asked_w)
        return bool(other_limits(self.bare, self.bare_branches, self._desk))

    def site_limit(self, limit_w: float, watts: F64) -> None:
        """Write into `watts` (D,) what is whole at another limit of the site, and what still fits beside it."""
        site_limit(self.bare, self.bare_branches, limit_w, watts)

    def node_limit(self, node: int, limit_w: float, watts: F64) -> None:
        """Decide the branch of one of the site's nodes anew, with another limit of that node, as `site_limit`."""
        place = int(self._place[node])
        self.branches.asked_w[place] = limit_w
        node_limit(self.bare, self.bare_branches, self._desk, place, watts)

    def device(self, device: int, limits_w: tuple[float, float], held_w: float, watts: F64) -> None:
        """Decide the branch of a device anew, with other limits (base and upper) of the device, as `site_limit`."""
        device_limits(self.bare, self.bare_branches, self._desk, device, *limits_w, held_w)
        node_limit(self.bare, self.bare_branches, self._desk, int(self.branches.home[device]), watts)

    def own_prices(self, price_below: F64) -> F64:
        """Return what a watt of each node's own limit is worth, in the order of the site's tree (N,); `price_below`: one below it, in preorder."""
        own: F64 = price_below.copy()
        own[1:] -= price_below[self.branches.parent[1:]]
        return own[self._place]

    def _solve(self, bounds_w: tuple[F64, F64], held_w: F64, stuck_w: F64, by_value: I64) -> int:
        released = solve(self.bare, self.bare_branches, self._desk, *bounds_w, held_w, stuck_w, by_value)
        return int(released)


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


def _edges(devices: Devices) -> Edges:
    count, rows = len(devices.ids), devices.mode_w.size
    rank_bits = int(np.diff(devices.mode_start).max(initial=1)).bit_length()
    return Edges(
        lists=np.zeros((2, rows - count), dtype=np.uint64),
        climb=np.zeros(rows, dtype=np.uint8),
        from_w=np.zeros(rows - count),
        place=np.zeros(3, dtype=np.int64),
        site_w=np.zeros(2),
        low_bits=max(_LOW_BITS, count.bit_length()) + rank_bits,
        rank_bits=rank_bits,
    )
