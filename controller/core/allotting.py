"""The third stage of a tick: the usable watts are allotted by value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from controller.core.allocation.allocator import Allotment
from controller.core.allocation.economic import fitting_economic_w, with_cost
from controller.core.allocation.minimum_times import kept_w
from controller.core.allocation.raises import is_calm, with_room_to_rise
from controller.core.allocation.tables import Tables
from controller.core.allocation.values import changes_per_h, earned_per_h, values_now, values_with_power
from controller.core.fleet.cap_memory import Caps
from controller.core.fleet.leases import Leases
from controller.core.fleet.trouble import unled
from controller.core.limiting import Limited
from controller.core.limits.demand import DemandNow
from controller.core.limits.usable import within_cut_w
from controller.core.modes import Mode
from controller.core.reasons import Reason
from controller.core.safe import emergency_setpoints, failsafe_setpoints
from controller.core.sensing import Sensed
from controller.core.site import F64, Bool
from controller.core.snapshot import Snapshot
from controller.core.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotted:
    """What is wanted of the devices (D,): the allotment, its watts beside the most that each may be set to, and what gave way.

    `room_w` (N,): watts for the devices below each node. `reserve_w`: those beside that only caps may be raised by; `demand_w`: those that are kept
    free for what is billed. `demand`: with what it costs.
    """

    allotment: Allotment
    between_w: tuple[F64, F64]
    room_w: F64
    reserve_w: float
    demand_w: float
    demand: DemandNow | None
    overruled: tuple[Reason, ...]


def allot(tables: Tables, state: State, snapshot: Snapshot, sensed: Sensed, limited: Limited) -> Allotted:
    """Allot the usable watts by value, within what is stuck, what minimum times want, and the most."""
    leases, now_s, caps = sensed.leases, snapshot.now_s, limited.caps
    kept = kept_w(tables, leases, state.minimum_times, now_s)
    most_w = np.minimum(np.minimum(tables.site.devices.max_w, snapshot.fleet.max_w), kept.high_w)
    upper_w = _upper(tables, sensed.mode.mode, leases, sensed.trouble.led, most_w, state.elapsed_s(now_s))
    if sensed.mode.mode is Mode.NORMAL and caps.devices.size:
        upper_w[caps.devices] = np.minimum(upper_w[caps.devices], caps.cap_w)
    if sensed.cut is not None:
        upper_w = np.where(sensed.cut.held, failsafe_setpoints(tables.site.devices, upper_w), upper_w)
    if sensed.locked is not None:
        upper_w = np.where(sensed.locked.devices, tables.site.devices.off_w, upper_w)
    room_w = within_cut_w(limited.usable_w, limited.current_w, tables.tolerance)
    without_w, bounds_w = float(room_w[0]), (limited.stuck_w, upper_w)
    room_w, base_w, overruled = fitting_economic_w(
        tables, kept, bounds_w, room_w, limited.bounds.binding, limited.economic_w
    )
    demand_w, reserve_w = without_w - float(room_w[0]), _reserve_w(sensed, caps, float(room_w[0] - base_w.sum()))
    if reserve_w > 0.0:
        room_w = room_w.copy()
        room_w[0] -= reserve_w
    solve = partial(
        tables.allocator.solve, base_w=base_w, upper_w=upper_w, held_w=leases.current_w, stuck_w=limited.stuck_w,
        mode_value=values_now(tables, leases.current_w, values_with_power(tables, sensed.cut)),
    )  # fmt: skip
    calm = is_calm(state, tables.site.rules, float(limited.bounds.limit_w[0]), now_s)
    answer = with_room_to_rise(tables, solve, room_w, leases.high_w, calm=calm)
    value_per_h = answer.value_per_h + changes_per_h(tables, leases.current_w, answer.watts)
    value_per_h -= earned_per_h(tables, unled(sensed.trouble, tables.site.devices), answer.watts)
    allotment = Allotment(
        watts=np.minimum(answer.watts, upper_w),
        value_per_h=value_per_h,
        worth_per_h=answer.worth_per_h,
        bound_per_h=answer.bound_per_h,
        program_per_h=answer.program_per_h,
        released=answer.released,
    )
    between_w = allotment.watts, upper_w
    demand = with_cost(limited.demand, tables.allocator, float(room_w[0]) + reserve_w, without_w, float(upper_w.sum()))
    return Allotted(
        allotment=allotment,
        between_w=between_w,
        room_w=room_w,
        reserve_w=reserve_w,
        demand_w=demand_w,
        demand=demand,
        overruled=overruled,
    )


def _reserve_w(sensed: Sensed, caps: Caps, left_w: float) -> float:
    """Return the watts that are kept free for caps that rise, where there are as many beyond what has to run."""
    return min(caps.reserve_w, max(left_w, 0.0)) if sensed.mode.mode is Mode.NORMAL else 0.0


def _upper(tables: Tables, mode: Mode, leases: Leases, led: Bool, most_w: F64, elapsed_s: float) -> F64:
    """No device is set above this (D,): `most_w` only where everything allows a raise, else what it runs on."""
    devices = tables.site.devices
    if mode is Mode.FAILSAFE:
        return emergency_setpoints(devices, leases.current_w, tables.site.rules.emergency_ramp_w_s * elapsed_s)
    if mode is not Mode.NORMAL:
        return leases.current_w
    return np.where(led, most_w, leases.current_w)
