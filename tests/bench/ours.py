"""Our allocator behind the calls that the bench times. All that the bench knows of it stands here."""

from __future__ import annotations

import time

import numpy as np

from controller.core.kernels.allocate import allocate, release_bases, upper_bound
from controller.core.merit import Merit, merit_order
from controller.core.site import F64, I64, Devices, Tree
from tests.bench.referee import Answer


class Ours:
    """One site's allocator: built once, then asked as often as the data change."""

    def __init__(self, tree: Tree, devices: Devices) -> None:
        self._tree, self._devices = tree, devices
        self._merit: Merit | None = None

    def solve(self) -> Answer:
        """All data new: from modes, values and limits to every watt and the bound."""
        self._merit = merit_order(self._devices)
        return self.at_site_limit(float(self._tree.limit_w[0]))

    def at_site_limit(self, limit_w: float) -> Answer:
        """Only the site's limit is new."""
        tree, devices, merit = self._tree, self._devices, self._merit
        if merit is None:
            raise RuntimeError("solve first")
        room_w = tree.limit_w.copy()
        room_w[0] = limit_w
        watts, held_w = devices.off_w.copy(), devices.off_w
        release_bases(tree.parent, devices.node, merit.device_order, held_w, watts, room_w)
        bound = upper_bound(
            tree.parent, devices.node, merit.order, merit.device, merit.from_w, merit.to_w, merit.density,
            watts, devices.max_w, room_w.copy(),
        )  # fmt: skip
        allocate(
            tree.parent, devices.node, merit.held_order, merit.held_density, merit.new_order, merit.new_density,
            merit.device, merit.from_w, merit.to_w, merit.density, merit.divisible, devices.max_w, held_w, room_w, watts,
        )  # fmt: skip
        return Answer(watts=watts, bound_per_h=bound)


class Rolling:
    """Our allocator from minute to minute: what ran lately stays, what was just stopped rests, a start has to pay."""

    #: Seconds over which a start has to pay.
    _HORIZON_H = 1.0

    def __init__(
        self, tree: Tree, devices: Devices, *, start_cost: F64, min_up_s: float, min_down_s: float, calm: bool
    ) -> None:
        self._tree, self._start_cost, self._calm = tree, start_cost, calm
        self._min_up_s, self._min_down_s = min_up_s, min_down_s
        self._watts = devices.off_w.copy()
        self._changed_s = np.full(devices.node.size, -np.inf)
        first_on = np.minimum(devices.mode_start[:-1] + 1, devices.mode_start[1:] - 1)
        self._on_w = devices.mode_w[first_on]
        self.spent_s = 0.0

    def tick(self, now_s: float, limit_w: float, devices: Devices) -> F64:
        """Return the watts of each device (D,) from now on."""
        tree, merit = self._tree, merit_order(devices)
        begun_s = time.perf_counter()
        on = self._watts > devices.off_w
        locked_on = self._calm & on & (now_s - self._changed_s < self._min_up_s)
        locked_off = self._calm & ~on & (now_s - self._changed_s < self._min_down_s)
        room_w = tree.limit_w.copy()
        room_w[0] = min(limit_w, room_w[0])
        watts = np.where(locked_on, self._on_w, devices.off_w)
        upper_w = np.where(locked_off, devices.off_w, devices.max_w)
        release_bases(tree.parent, devices.node, merit.device_order, devices.off_w, watts, room_w)
        held_w, new = devices.off_w, (merit.order, merit.density[merit.order])
        if self._calm:
            held_w, new = self._watts, self._dear_starts(devices, merit)
        allocate(
            tree.parent, devices.node, merit.held_order, merit.held_density, *new,
            merit.device, merit.from_w, merit.to_w, merit.density, merit.divisible, upper_w, held_w, room_w, watts,
        )  # fmt: skip
        self.spent_s = time.perf_counter() - begun_s
        self._changed_s[(watts > devices.off_w) != on] = now_s
        self._watts = watts
        return watts

    def _dear_starts(self, devices: Devices, merit: Merit) -> tuple[I64, F64]:
        starts = merit.from_w <= devices.off_w[merit.device]
        dearer = self._start_cost[merit.device] / self._HORIZON_H / (merit.to_w - merit.from_w)
        density = merit.density - np.where(starts, dearer, 0.0)
        for k in range(1, density.size):
            if merit.device[k] == merit.device[k - 1]:
                density[k] = min(density[k], density[k - 1])
        order = np.argsort(-density, kind="stable")
        return order, density[order]
