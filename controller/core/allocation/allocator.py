"""The allocator: which device draws how much, so that the site earns the most inside every limit, and the proof of it.

Every answer comes with an upper bound on what any allocation could be worth, so its gap is known in every tick. All memory
is taken when the allocator is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.core.allocation.checks import BadSite, check_devices, check_tree
from controller.core.allocation.program import Program
from controller.core.allocation.refinement import Refinement
from controller.core.kernels.stock import usable
from controller.core.site import F64, Devices, Tree

#: How often an answer that is not good yet is improved.
ROUNDS: Final = 6
_NO_WATTS: Final = (np.zeros(0),) * 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotment:
    """Watts of each device (D,), overwritten by the next call, and what they are worth per hour.

    `value_per_h` is what they earn. `worth_per_h` counts the bonus of what runs already and the cost of starts too: it is
    what is maximised. No allocation is worth more than `bound_per_h`; `program_per_h` is the bound with every mode
    divisible, the optimum of the linear program. `released`: devices whose lower limit did not fit and was given up. `price_below` (N,):
    what a watt below each node was worth to that program, in its own order of the nodes (`Allocator.limit_prices`).
    """

    watts: F64
    value_per_h: float
    worth_per_h: float
    bound_per_h: float
    program_per_h: float
    released: int
    price_below: F64


class Allocator:
    """The allocator of one site, made by `make_allocator`.

    `orders`: how often the edges of the devices have been put in order.
    """

    def __init__(self, tree: Tree, devices: Devices, rounds: int) -> None:
        self._node_ids, self._device_ids = tree.ids, devices.ids
        self._program = Program(tree, devices)
        self._refinement = Refinement(self._program, rounds)
        self._watts = self._refinement.watts
        self._released, self.orders = 0, 0

    def solve(
        self,
        *,
        limit_w: F64,
        base_w: F64,
        upper_w: F64,
        held_w: F64,
        stuck_w: F64 | None = None,
        mode_value: F64 | None = None,
    ) -> Allotment:
        """Decide with all data new.

        `limit_w` (N,): watts that the devices below each node may draw. `base_w`, `upper_w` (D,): between these each device
        is kept (minimum times, protection); a base above the upper limit stays. Where bases do not fit, the least valuable
        devices are released to `stuck_w` (D,; off where None). `held_w` (D,): what they run at now. `mode_value` (M,):
        from now on.
        """
        self._check(limit_w, base_w, upper_w, held_w)
        self.orders += 1
        self._released = self._program.solve(limit_w, (base_w, upper_w), held_w, stuck_w, mode_value)
        return self.refined()

    def at_other_limits(self, limit_w: F64) -> Allotment | None:
        """Decide at other limits (N,), all else as in the last `solve`, whose order of edges stands. None where not all bases fit, now or then."""
        self._check(limit_w)
        if self._released or not self._program.other_limits(limit_w):
            return None
        return self.refined()

    def site_limit(self, limit_w: float) -> F64:
        """Return the watts (D,) at another limit of the site: best whole modes but for the leaves' rests (`refined`)."""
        self._program.site_limit(limit_w, self._watts)
        return self._watts

    def node_limit(self, node: int, limit_w: float) -> F64:
        """Return the watts (D,) at another limit of one node, as `site_limit`; only its branch of the tree is decided."""
        if node == 0:
            return self.site_limit(limit_w)
        self._program.node_limit(node, limit_w, self._watts)
        return self._watts

    def device(self, device: int, *, base_w: float, upper_w: float, held_w: float) -> F64:
        """Return the watts (D,) with other limits of one device, as `node_limit`. A base that does not fit is kept."""
        self.orders += 1
        self._program.device(device, (base_w, upper_w), held_w, self._watts)
        return self._watts

    def refined(self) -> Allotment:
        """Return the best whole modes for the limits as they are, with the bound."""
        found = self._refinement.refine()
        return Allotment(
            watts=self._watts,
            value_per_h=found.value,
            worth_per_h=found.worth,
            bound_per_h=found.bound,
            program_per_h=found.program,
            released=self._released,
            price_below=self._refinement.prices(),
        )

    def limit_prices(self, answer: Allotment) -> F64:
        """Return what a watt more of each node's limit (N,) was worth an hour to an answer, with every mode divisible."""
        return self._program.own_prices(answer.price_below)

    def _check(self, limit_w: F64, *device_w: F64) -> None:
        if limit_w.shape != (len(self._node_ids),) or any(column.shape != self._watts.shape for column in device_w):
            raise BadSite("the limits are not one a node, or the watts not one a device")
        if usable(limit_w, *(device_w or _NO_WATTS)):
            return
        for n in np.flatnonzero(np.isnan(limit_w)):
            raise BadSite(f"the limit of node {self._node_ids[n]} is no number")
        for column in device_w:
            for i in np.flatnonzero(~np.isfinite(column) | (column < 0.0)):
                raise BadSite(f"device {self._device_ids[i]} is given {column[i]} W")


def make_allocator(tree: Tree, devices: Devices, *, rounds: int = ROUNDS) -> Allocator:
    """Return the allocator of a site; raise BadSite, which names what is wrong, where the site cannot be right.

    `rounds`: how often at most the answer is improved; each costs as much as a solve, or several where nodes are small.
    """
    check_tree(tree)
    check_devices(tree, devices)
    return Allocator(tree, devices, rounds)
