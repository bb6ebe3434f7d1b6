"""Our allocator behind the calls that the bench times. All that the bench knows of it stands here."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from controller.core.kernels.allocate import allocate, release_bases, upper_bound
from controller.core.merit import Merit, merit_order
from controller.core.site import F64, Bool, Devices, Tree
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
    _HORIZON_H = 0.5

    def __init__(self, tree: Tree, devices: Devices, *, start_cost: F64, least_s: float, calm: bool) -> None:
        self._tree, self._start_cost, self._calm = tree, start_cost, calm
        self._least_s = least_s
        self._watts = devices.off_w.copy()
        self._changed_s = np.full(devices.node.size, -np.inf)
        first_on = np.minimum(devices.mode_start[:-1] + 1, devices.mode_start[1:] - 1)
        self._on_w = devices.mode_w[first_on]
        self.spent_s = 0.0

    def tick(self, now_s: float, limit_w: float, devices: Devices) -> F64:
        """Return the watts of each device (D,) from now on."""
        tree, on = self._tree, self._watts > devices.off_w
        begun_s = time.perf_counter()
        merit = merit_order(self._with_starts(devices, on) if self._calm else devices)
        locked = self._calm & (now_s - self._changed_s < self._least_s)
        room_w = tree.limit_w.copy()
        room_w[0] = min(limit_w, room_w[0])
        watts = np.where(locked & on, self._on_w, devices.off_w)
        upper_w = np.where(locked & ~on, devices.off_w, devices.max_w)
        release_bases(tree.parent, devices.node, merit.device_order, devices.off_w, watts, room_w)
        allocate(
            tree.parent, devices.node, merit.order, merit.density[merit.order], merit.order, merit.density[merit.order],
            merit.device, merit.from_w, merit.to_w, merit.density, merit.divisible, upper_w, devices.off_w, room_w, watts,
        )  # fmt: skip
        self.spent_s = time.perf_counter() - begun_s
        self._changed_s[(watts > devices.off_w) != on] = now_s
        self._watts = watts
        return watts

    def _with_starts(self, devices: Devices, on: Bool) -> Devices:
        """Return the devices with a start's wear taken from the modes of what is off and added to what runs."""
        per_h = np.where(on, self._start_cost, -self._start_cost) / self._HORIZON_H
        value = devices.mode_value + np.repeat(per_h, np.diff(devices.mode_start))
        value[devices.mode_start[:-1]] = 0.0
        return replace(devices, mode_value=value)
