"""Our allocator behind the calls that the bench times. All that the bench knows of it stands here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from controller.core.allocation.allocator import Allotment, make_allocator
from controller.core.allocation.minimum_times import fitting_w, kept_w, minimum_times_after
from controller.core.allocation.tables import make_tables
from controller.core.allocation.values import values_now
from controller.core.site import F64, Devices, Meters, Rules, Site, SurplusModel, Tree
from controller.core.state import initial_state
from tests.bench.referee import Answer
from tests.bench.small_sites import Case


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

    def at_node_limit(self, node: int, limit_w: float) -> F64:
        """Only the limit of one node is new: return every watt."""
        return self._allocator.node_limit(node, limit_w)

    def with_device(self, device: int, upper_w: float) -> F64:
        """Only the most that one device may draw is new: return every watt."""
        off_w = float(self._off_w[device])
        return self._allocator.device(device, base_w=off_w, upper_w=upper_w, held_w=off_w)

    def refined(self) -> Answer:
        """Return what is decided with the time that is left, and the bound."""
        found = self._allocator.refined()
        return Answer(watts=found.watts, bound_per_h=found.bound_per_h, program_per_h=found.program_per_h)


def answered(case: Case) -> Callable[[], Allotment]:
    """Return what decides a case as often as it is called, with all data new."""
    allocator = make_allocator(case.tree, case.devices)
    return partial(
        allocator.solve,
        limit_w=case.tree.limit_w,
        base_w=case.base_w,
        upper_w=case.upper_w,
        held_w=case.held_w,
        stuck_w=case.base_w,
        mode_value=case.mode_value,
    )


class Rolling:
    """Our decisions from minute to minute, by the parts that the daemon's step is made of.

    Unless `calm`, every minute is decided as if it were the first: by its values and its limit alone.
    """

    def __init__(self, tree: Tree, devices: Devices, *, calm: bool) -> None:
        site = Site(id="bench", tree=tree, devices=devices, meters=_NO_METERS, agents=("agent",), rules=_rules(devices))
        self._tables, self._calm = make_tables(site), calm
        state = initial_state(site, 0.0)
        self._leases, self._minimum_times = state.leases, state.minimum_times
        self.spent_s = 0.0

    def tick(self, now_s: float, limit_w: float, mode_value: F64) -> F64:
        """Return the watts of each device (D,) from now on; the modes are worth `mode_value` (M,) now."""
        tables, devices = self._tables, self._tables.site.devices
        limits_w = tables.site.tree.limit_w.copy()
        limits_w[0] = min(limit_w, limits_w[0])
        begun_s = time.perf_counter()
        base_w, upper_w, held_w = devices.off_w, devices.max_w, devices.off_w
        if self._calm:
            held_w = self._leases.current_w
            kept = kept_w(tables, self._leases, self._minimum_times, now_s)
            upper_w = np.minimum(upper_w, kept.high_w)
            base_w, _ = fitting_w(tables, kept, (devices.off_w, upper_w), limits_w, tables.site.tree.ids)
            mode_value = values_now(tables, held_w, mode_value)
        watts = tables.allocator.solve(
            limit_w=limits_w, base_w=base_w, upper_w=upper_w, held_w=held_w, mode_value=mode_value
        ).watts.copy()
        self.spent_s = time.perf_counter() - begun_s
        self._minimum_times = minimum_times_after(tables, self._minimum_times, self._leases.current_w, watts, now_s)
        self._leases = replace(self._leases, current_w=watts, low_w=watts)
        return watts


_NO_METERS = Meters(ids=(), node=np.zeros(0, dtype=np.int64), rating_w=np.zeros(0), accuracy=np.zeros(0))


def _rules(devices: Devices) -> Rules:
    """Return rules that bind nothing: the bench's limits do."""
    most_w = float(devices.max_w.sum())
    return Rules(
        contract_w=most_w, firm_w=0.0, failsafe_w=most_w, ramp_up_w_s=most_w, ramp_down_w_s=most_w,
        emergency_ramp_w_s=most_w, settle_s=1.0, lease_s=30.0, surplus_model=SurplusModel.DIRECT,
        surplus_rating_w=most_w, surplus_stale_s=60.0,
    )  # fmt: skip
