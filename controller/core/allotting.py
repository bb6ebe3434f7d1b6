"""The third stage of a tick: the usable watts are allotted by value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from controller.core.allocation.allocator import Allotment
from controller.core.allocation.answers import Question
from controller.core.allocation.economic import fitting_economic_w, on_the_way_w, with_cost
from controller.core.allocation.minimum_times import kept_w
from controller.core.allocation.raises import is_calm, with_room_to_rise
from controller.core.allocation.tables import Tables
from controller.core.allocation.values import changes_per_h, earned_per_h, values_now, values_with_power
from controller.core.fleet.cap_memory import Caps
from controller.core.fleet.trouble import unled
from controller.core.limiting import Limited
from controller.core.limits.demand import DemandNow
from controller.core.limits.usable import within_cut_w
from controller.core.masks import either
from controller.core.modes import Mode
from controller.core.reasons import Reason
from controller.core.safe import emergency_fall, failsafe_setpoints
from controller.core.sensing import Sensed
from controller.core.site import F64, Site
from controller.core.snapshot import Snapshot
from controller.core.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotted:
    """What is wanted of the devices (D,): the allotment, its watts beside the most that each may be set to, and what gave way.

    `room_w` (N,): watts for the devices below each node. `reserve_w`: those beside that only caps may be raised by; `demand_w`: those that are kept
    free for what is billed. `demand`: with what it costs.
    `fall_left_w`: what is left of the emergency ramp, ``inf`` outside FAILSAFE. `economic_w`: what devices have come to on their way down to
    what is billed, else ``inf``.
    """

    allotment: Allotment
    between_w: tuple[F64, F64]
    room_w: F64
    reserve_w: float
    demand_w: float
    fall_left_w: float
    economic_w: float
    demand: DemandNow | None
    overruled: tuple[Reason, ...]


def allot(tables: Tables, state: State, snapshot: Snapshot, sensed: Sensed, limited: Limited) -> Allotted:
    """Allot the usable watts by value, within what is stuck, what minimum times want, and the most."""
    leases, caps = sensed.leases, limited.caps
    kept = kept_w(tables, leases, state.minimum_times, snapshot.now_s)
    most_w = np.minimum(np.minimum(tables.site.devices.max_w, snapshot.fleet.max_w), kept.high_w)
    upper_w, fall_left_w = _upper(tables.site, state, sensed, caps, most_w, snapshot.now_s)
    room_w = within_cut_w(limited.usable_w, limited.current_w, tables.tolerance)
    without_w, bounds_w = float(room_w[0]), (limited.stuck_w, upper_w)
    allowed_w, economic_w = _economic_w(tables.site, state, sensed, limited, snapshot.now_s)
    room_w, base_w, overruled = fitting_economic_w(tables, kept, bounds_w, room_w, limited.bounds.binding, allowed_w)
    demand_w, reserve_w = without_w - float(room_w[0]), _reserve_w(sensed, caps, float(room_w[0] - base_w.sum()))
    if reserve_w > 0.0:
        room_w = room_w.copy()
        room_w[0] -= reserve_w
    solve = _solver(tables, sensed, Question(room_w, base_w, upper_w, leases.current_w, limited.stuck_w))
    calm = is_calm(state, tables.site.rules, float(limited.bounds.limit_w[0]), snapshot.now_s)
    answer = with_room_to_rise(tables, solve, room_w, base_w, leases, calm=calm)
    allotment = _of_those_led(tables, sensed, answer, upper_w)
    used_w, most_useful_w = float(room_w[0]) + reserve_w, float(upper_w.sum())
    demand = with_cost(limited.demand, tables.allocator, answer, used_w, without_w, most_useful_w)
    return Allotted(
        allotment=allotment,
        between_w=(allotment.watts, upper_w),
        room_w=room_w,
        reserve_w=reserve_w,
        demand_w=demand_w,
        fall_left_w=fall_left_w,
        economic_w=economic_w,
        demand=demand,
        overruled=overruled,
    )


def _solver(tables: Tables, sensed: Sensed, question: Question) -> Callable[..., Allotment]:
    """Return what answers the `question` at any limits."""
    powered = values_with_power(tables, sensed.cut)
    values = partial(values_now, tables, question.held_w, powered)

    def solve(*, limit_w: F64) -> Allotment:
        asked = question._replace(limit_w=limit_w)
        if powered is None:
            return tables.answers.to(asked, values)
        return tables.allocator.solve(**asked._asdict(), mode_value=values())

    return solve


def _economic_w(site: Site, state: State, sensed: Sensed, limited: Limited, now_s: float) -> tuple[float, float]:
    """Return what all devices may be set to for what is billed, by the ramp of the mode, and what they have come to on their way there."""
    failing, elapsed_s = sensed.mode.mode is Mode.FAILSAFE, state.elapsed_s(now_s)
    ramp_w_s = site.rules.emergency_ramp_w_s if failing else site.rules.ramp_down_w_s
    return on_the_way_w(state.economic_w, limited.economic_w, float(limited.current_w[0]), ramp_w_s * elapsed_s)


def _of_those_led(tables: Tables, sensed: Sensed, answer: Allotment, upper_w: F64) -> Allotment:
    """Return what was allotted, with what it earns of the devices that are led, and before what changes cost."""
    current_w = sensed.leases.current_w
    value_per_h = answer.value_per_h + changes_per_h(tables, current_w, answer.watts)
    return Allotment(
        watts=np.minimum(answer.watts, upper_w),
        value_per_h=value_per_h - earned_per_h(tables, unled(sensed.trouble, tables.site.devices), answer.watts),
        worth_per_h=answer.worth_per_h,
        bound_per_h=answer.bound_per_h,
        program_per_h=answer.program_per_h,
        released=answer.released,
        price_below=answer.price_below,
    )


def _reserve_w(sensed: Sensed, caps: Caps, left_w: float) -> float:
    """Return the watts that are kept free for caps that rise, where there are as many beyond what has to run."""
    return min(caps.reserve_w, max(left_w, 0.0)) if sensed.mode.mode is Mode.NORMAL else 0.0


def _upper(site: Site, state: State, sensed: Sensed, caps: Caps, most_w: F64, now_s: float) -> tuple[F64, float]:
    """No device is set above this (D,): `most_w` only where everything allows a raise, else what it runs on.

    And what is left of the emergency ramp, ``inf`` outside FAILSAFE.
    """
    upper_w, fall_left_w = _by_mode(site, state, sensed, most_w, now_s)
    if sensed.mode.mode is Mode.NORMAL and caps.devices.size:
        upper_w = upper_w.copy()
        upper_w[caps.devices] = np.minimum(upper_w[caps.devices], caps.cap_w)
    if sensed.cut is not None:
        upper_w = np.where(sensed.cut.held, failsafe_setpoints(site.devices, upper_w), upper_w)
    if sensed.locked is not None:
        upper_w = np.where(sensed.locked.devices, site.devices.off_w, upper_w)
    return upper_w, fall_left_w


def _by_mode(site: Site, state: State, sensed: Sensed, most_w: F64, now_s: float) -> tuple[F64, float]:
    current_w = sensed.leases.current_w
    if sensed.mode.mode is Mode.FAILSAFE:
        return emergency_fall(site, state, current_w, now_s)
    if sensed.mode.mode is not Mode.NORMAL:
        return current_w, np.inf
    return either(sensed.trouble.asked, most_w, current_w), np.inf
