"""Our allocator behind the calls that the bench times. All that the bench knows of it stands here."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from controller.core.allocator import make_allocator
from controller.core.site import F64, Bool, Devices, Tree
from tests.bench.referee import Answer


class Ours:
    """One site's allocator: built once, then asked as often as the data change."""

    def __init__(self, tree: Tree, devices: Devices) -> None:
        self._tree, self._devices = tree, devices
        self._allocator = make_allocator(tree, devices)
        self._off_w, self._max_w = devices.off_w, devices.max_w

    def solve(self) -> Answer:
        """All data new: from modes, values and limits to every watt and the bound."""
        found = self._allocator.solve(
            limit_w=self._tree.limit_w, base_w=self._off_w, upper_w=self._max_w, held_w=self._off_w
        )
        return Answer(watts=found.watts, bound_per_h=found.bound_per_h, program_per_h=found.program_per_h)

    def at_site_limit(self, limit_w: float) -> F64:
        """Only the site's limit is new: return every watt."""
        return self._allocator.site_limit(limit_w)

    def refined(self) -> Answer:
        """Return what is decided with the time that is left, and the bound."""
        found = self._allocator.refined()
        return Answer(watts=found.watts, bound_per_h=found.bound_per_h, program_per_h=found.program_per_h)


class Rolling:
    """Our allocator from minute to minute: what ran lately stays, what was just stopped rests, a start has to pay."""

    #: Hours over which a start has to pay.
    _HORIZON_H = 0.5

    def __init__(self, tree: Tree, devices: Devices, *, start_cost: F64, least_s: float, calm: bool) -> None:
        self._tree, self._start_cost, self._calm, self._least_s = tree, start_cost, calm, least_s
        self._watts = devices.off_w.copy()
        self._changed_s = np.full(devices.node.size, -np.inf)
        first_on = np.minimum(devices.mode_start[:-1] + 1, devices.mode_start[1:] - 1)
        self._on_w = devices.mode_w[first_on]
        self.spent_s = 0.0

    def tick(self, now_s: float, limit_w: float, devices: Devices) -> F64:
        """Return the watts of each device (D,) from now on."""
        on = self._watts > devices.off_w
        allocator = make_allocator(self._tree, self._with_starts(devices, on) if self._calm else devices)
        limits_w = self._tree.limit_w.copy()
        limits_w[0] = min(limit_w, limits_w[0])
        begun_s = time.perf_counter()
        locked = self._calm & (now_s - self._changed_s < self._least_s)
        watts = allocator.solve(
            limit_w=limits_w,
            base_w=np.where(locked & on, self._on_w, devices.off_w),
            upper_w=np.where(locked & ~on, devices.off_w, devices.max_w),
            held_w=self._watts if self._calm else devices.off_w,
        ).watts.copy()
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
