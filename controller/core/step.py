"""The control: one pure step from what is known to what is wanted done.

Samples are judged, limits become the envelope, the house load is kept free, the rest is allotted by value, and what
may be raised now is granted: down first, by the ramp, and never while committed power stands in the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.core.allocation.allocator import Allotment
from controller.core.allocation.minimum_times import fitting_w, kept_w, minimum_times_after
from controller.core.allocation.tables import Tables
from controller.core.allocation.values import changes_per_h, earned_per_h, values_now
from controller.core.decision import Decision
from controller.core.fleet.bounds import SumBelow
from controller.core.fleet.cap_memory import Caps, caps_now
from controller.core.fleet.cap_turns import earned_elsewhere, late_last, turns, without_slack
from controller.core.fleet.caps import follow_jobs
from controller.core.fleet.leases import Leases, committed_w, least_w, send, unheard_w
from controller.core.fleet.trouble import stuck_w as stuck_of
from controller.core.fleet.trouble import unled
from controller.core.kernels.grant import Asked, grant
from controller.core.kernels.tree import PathSums
from controller.core.limits.compliance import orders_now, unseen
from controller.core.limits.contactors import Trips
from controller.core.limits.envelope import (
    Envelope,
    Limit,
    envelope,
    failsafe_cap_w,
    follow_orders,
    step_limits,
    surplus_limit,
)
from controller.core.limits.house_load import HOUSE_DRIFT, HouseLoad, estimate_house
from controller.core.limits.locked import locked_limits
from controller.core.limits.orders import OrderNow, OrderRamp
from controller.core.limits.overrun import allow
from controller.core.limits.ramps import ramp_rooms
from controller.core.limits.recent_power import RecentPower, remember
from controller.core.limits.reclosing import close_where_it_fits
from controller.core.limits.trip import hold_to
from controller.core.limits.usable import usable_w
from controller.core.masks import every, some
from controller.core.modes import Mode
from controller.core.reasons import Reason
from controller.core.safe import emergency_fall, failsafe_setpoints
from controller.core.self_check import Claims, check
from controller.core.sensing import Sensed, compared, sense, taught
from controller.core.site import F64, Bool, Site
from controller.core.snapshot import Snapshot
from controller.core.state import State
from controller.core.trust.node_power import least_trusted_w


def step(tables: Tables, state: State, snapshot: Snapshot) -> tuple[State, Decision]:
    """Return the next state and the decision of this tick.

    Raises InvariantBroken where the decision would break an invariant of the control.
    """
    below = PathSums(tables.paths)
    sensed = sense(tables.site, state, snapshot, below)
    limited = _limit(tables, state, snapshot, sensed, below)
    wanted = _allot(tables, state, snapshot, sensed, limited)
    granted = _grant(tables, state, snapshot, sensed, limited, wanted)
    sent = send(sensed.leases, granted.setpoint_w, snapshot.now_s)
    room_w = limited.usable_w - limited.committed_w
    trips = close_where_it_fits(sensed.trips, tables.site, room_w, sensed.mode.mode, snapshot.now_s)
    decision = _decision(tables, state, snapshot, sensed, limited, wanted, sent, trips, below)
    check(tables.site, state, decision, _claims(snapshot, sensed, limited, granted), below)
    after = minimum_times_after(
        tables, state.minimum_times, sensed.leases.current_w, granted.setpoint_w, snapshot.now_s
    )
    state = State(
        seq=decision.seq,
        now_s=snapshot.now_s,
        mode=sensed.mode,
        trust=sensed.trust,
        leases=sent,
        surplus=sensed.surplus,
        minimum_times=after,
        house=limited.house,
        rise_room_w=granted.rise_left_w,
        fall_room_w=min(granted.fall_left_w, wanted.fall_left_w),
        failsafe_cap_w=limited.cap_w,
        order_ramps=limited.order_ramps,
        orders=decision.orders,
        recent=limited.recent,
        overrun=allow(sensed.overrun, tables.site, limited.bounds, limited.sure_floor_w, snapshot.now_s),
        trips=hold_to(trips, tables.site, limited.lasting, limited.sure_floor_w, snapshot.now_s),
        caps=limited.caps,
        elsewhere_per_wh=earned_elsewhere(limited.caps, tables.site, wanted.between_w, wanted.room_w, below),
    )
    return state, decision


def _claims(snapshot: Snapshot, sensed: Sensed, limited: _Limited, granted: _Granted) -> Claims:
    return Claims(
        current_w=granted.current_w,
        stuck_w=limited.stuck_below_w,
        committed_w=limited.committed_w,
        rise_w=granted.rise_w,
        fall_w=granted.fall_w,
        held=None if sensed.cut is None else sensed.cut.held,
        locked=None if sensed.locked is None else sensed.locked.devices,
        resets=snapshot.resets,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limited:
    """The envelope, and what of it devices may use, per node (N,).

    `current_w`: setpoints that devices run on, `committed_w`: the most that they may be drawing, both below each node.
    `lasting`: the envelope without the steps that prove meters, which nobody is cut off for. `sure_floor_w`: with everything off, of the
    house load that is estimated no more than what is declared: what devices draw against their word looks like house load.
    `usable_w`: watts that they may be set to. `stuck_w` (D,): watts of each device that cannot be freed; `stuck_below_w`: their sum below each node. `order_limits`:
    what each order in force asks for now. `recent`: what nodes drew lately. `caps`: what jobs on
    capped devices may be set to.
    """

    house: HouseLoad
    current_w: F64
    committed_w: F64
    bounds: Envelope
    lasting: Envelope
    sure_floor_w: F64
    usable_w: F64
    stuck_w: F64
    stuck_below_w: F64
    cap_w: float
    order_ramps: tuple[OrderRamp, ...]
    order_limits: tuple[Limit, ...]
    recent: RecentPower
    caps: Caps


def _limit(tables: Tables, state: State, snapshot: Snapshot, sensed: Sensed, below: SumBelow) -> _Limited:
    """Work out the house load, and the smallest limit of every node."""
    site, devices, leases, power = tables.site, tables.site.devices, sensed.leases, sensed.judgement.power
    elapsed_s, stuck_w = state.elapsed_s(snapshot.now_s), _stuck_w(tables, sensed)
    committed_below_w, current_below_w, least_below_w, stuck_below_w = below.each(
        committed_w(leases, devices), leases.current_w, least_w(leases, devices, snapshot.fleet.measured_w), stuck_w
    )
    house = estimate_house(
        state.house, compared(sensed), taught(sensed), least_below_w, committed_below_w, snapshot.now_s, elapsed_s
    )
    house_w, most_house_w, off_below_w = house.watts, house.watts * (1.0 + HOUSE_DRIFT), tables.off_below_w
    drawn_w = np.where(power.known, power.watts, house_w + current_below_w)
    cap_w = failsafe_cap_w(state.failsafe_cap_w, site, sensed.mode.mode, float(drawn_w[0]), elapsed_s)
    recent = remember(state.recent, least_trusted_w(site, sensed.judgement.meters, snapshot.now_s), snapshot.now_s)
    order_ramps, limits = follow_orders(state.order_ramps, snapshot, drawn_w, (recent.cut_from_w, least_below_w))
    order_limits = tuple(limits)
    limits += locked_limits(snapshot.locks, most_house_w, off_below_w)
    limits += [*surplus_limit(site, sensed.surplus.surplus_w), Limit(node=0, limit_w=cap_w, name="failsafe")]
    steps = step_limits(site, sensed.judgement.step_to_w, most_house_w, off_below_w)
    floors_w = house_w + off_below_w, house_w + stuck_below_w
    lasting = envelope(tables.standing, limits, *floors_w)
    bounds = envelope(tables.standing, [*limits, *steps], *floors_w) if steps else lasting
    unheard_below_w = _unheard_below_w(tables, sensed, below)
    return _Limited(
        house=house,
        current_w=current_below_w,
        committed_w=committed_below_w,
        bounds=bounds,
        lasting=lasting,
        sure_floor_w=np.minimum(bounds.floor_w, tables.declared_floor_w),
        usable_w=usable_w(bounds.limit_w, house_w, unheard_below_w, tables.metered, tables.tolerance),
        stuck_w=stuck_w,
        stuck_below_w=stuck_below_w,
        cap_w=cap_w,
        order_ramps=order_ramps,
        order_limits=order_limits,
        recent=recent,
        caps=follow_jobs(state.caps, site, leases, snapshot, state.elsewhere_per_wh, elapsed_s),
    )


def _stuck_w(tables: Tables, sensed: Sensed) -> F64:
    """Return the watts of each device (D,) that cannot be freed; of one that may have started by itself, all of them."""
    stuck_w = stuck_of(sensed.leases, tables.site.devices, sensed.trouble)
    return stuck_w if sensed.cut is None else np.where(sensed.cut.anything, tables.site.devices.max_w, stuck_w)


def _unheard_below_w(tables: Tables, sensed: Sensed, below: SumBelow) -> F64:
    """Return what devices below each node (N,) may draw that were never heard of; one without power draws nothing."""
    if every(sensed.leases.known):
        return np.zeros(len(tables.site.tree.ids))
    watts = unheard_w(sensed.leases, tables.site.devices)
    return below(watts if sensed.cut is None else np.where(sensed.cut.quiet, 0.0, watts))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is wanted of the devices (D,): the allotment, its watts beside the most that each may be set to, and what gave way.

    `room_w` (N,): watts for the devices below each node. `reserve_w`: those beside that only caps may be raised by.
    `fall_left_w`: what is left of the emergency ramp, ``inf`` outside FAILSAFE.
    """

    allotment: Allotment
    between_w: tuple[F64, F64]
    room_w: F64
    reserve_w: float
    fall_left_w: float
    overruled: tuple[Reason, ...]


def _allot(tables: Tables, state: State, snapshot: Snapshot, sensed: Sensed, limited: _Limited) -> _Wanted:
    """Allot the usable watts by value, within what is stuck, what minimum times want, and the most."""
    leases, now_s, caps = sensed.leases, snapshot.now_s, limited.caps
    kept, stuck_w = kept_w(tables, leases, state.minimum_times, now_s), limited.stuck_w
    most_w = np.minimum(np.minimum(tables.site.devices.max_w, snapshot.fleet.max_w), kept.high_w)
    upper_w, fall_left_w = _upper(tables.site, state, sensed.mode.mode, leases, sensed.trouble.asked, most_w, now_s)
    if sensed.mode.mode is Mode.NORMAL and caps.devices.size:
        upper_w[caps.devices] = np.minimum(upper_w[caps.devices], caps.cap_w)
    if sensed.cut is not None:
        upper_w = np.where(sensed.cut.held, failsafe_setpoints(tables.site.devices, upper_w), upper_w)
    if sensed.locked is not None:
        upper_w = np.where(sensed.locked.devices, tables.site.devices.off_w, upper_w)
    room_w = _room(tables, limited.usable_w, limited.current_w)
    base_w, overruled = fitting_w(tables, kept, (stuck_w, upper_w), room_w, limited.bounds.binding)
    reserve_w = _reserve_w(sensed, caps, float(room_w[0] - base_w.sum()))
    if reserve_w > 0.0:
        room_w = room_w.copy()
        room_w[0] -= reserve_w
    answer = tables.allocator.solve(
        limit_w=room_w, base_w=base_w, upper_w=upper_w, held_w=leases.current_w, stuck_w=stuck_w,
        mode_value=values_now(tables, leases.current_w, _earned(tables, sensed)),
    )  # fmt: skip
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
    return _Wanted(
        allotment=allotment,
        between_w=(allotment.watts, upper_w),
        room_w=room_w,
        reserve_w=reserve_w,
        fall_left_w=fall_left_w,
        overruled=overruled,
    )


def _reserve_w(sensed: Sensed, caps: Caps, left_w: float) -> float:
    """Return the watts that are kept free for caps that rise, where there are as many beyond what has to run."""
    return min(caps.reserve_w, max(left_w, 0.0)) if sensed.mode.mode is Mode.NORMAL else 0.0


def _earned(tables: Tables, sensed: Sensed) -> F64 | None:
    """Return the value per hour of each mode (M,): of devices without power, nothing; None where it is as the site says."""
    if sensed.cut is None or not some(sensed.cut.dark):
        return None
    dark = np.repeat(sensed.cut.dark, np.diff(tables.site.devices.mode_start))
    return np.where(dark, 0.0, tables.modes.value)


def _room(tables: Tables, usable_w: F64, current_w: F64) -> F64:
    """Usable watts, less what a cut may fall short by because devices draw less than they are set to."""
    cut_w = current_w - usable_w
    falls = cut_w > 0.0
    return np.where(falls, current_w - cut_w / (1.0 - tables.tolerance), usable_w) if some(falls) else usable_w


def _upper(
    site: Site, state: State, mode: Mode, leases: Leases, asked: Bool, most_w: F64, now_s: float
) -> tuple[F64, float]:
    """No device is set above this (D,): `most_w` only where everything allows a raise, else what it runs on.

    And what is left of the emergency ramp, ``inf`` outside FAILSAFE.
    """
    if mode is Mode.FAILSAFE:
        return emergency_fall(site, state, leases.current_w, now_s)
    if mode is not Mode.NORMAL:
        return leases.current_w, np.inf
    return np.where(asked, most_w, leases.current_w), np.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class _Granted:
    """The setpoints (D,); `rise_w`, `fall_w`: what the ramps allowed, and what is left of it.

    `current_w` (D,): what each device is taken to run on, where a cap above its draw counts as what it is lowered to.
    """

    setpoint_w: F64
    current_w: F64
    rise_w: float
    fall_w: float
    rise_left_w: float
    fall_left_w: float


def _grant(
    tables: Tables, state: State, snapshot: Snapshot, sensed: Sensed, limited: _Limited, wanted: _Wanted
) -> _Granted:
    """Grant of what is wanted as much as committed power and the ramps allow."""
    leases, caps = sensed.leases, limited.caps
    forced = sensed.mode.mode is Mode.FAILSAFE or some(limited.usable_w < limited.current_w)
    if sensed.locked is not None:
        forced = forced or some(sensed.locked.devices & (leases.current_w > tables.site.devices.off_w))
    if sensed.cut is not None:
        forced = forced or some(sensed.cut.held & (leases.current_w > tables.site.devices.failsafe_w))
    saved_w, elapsed_s = (state.rise_room_w, state.fall_room_w), state.elapsed_s(snapshot.now_s)
    rise_w, fall_w = ramp_rooms(tables.site.rules, saved_w, tables.largest_start_w, elapsed_s, forced=forced)
    room_w = limited.usable_w - limited.committed_w
    current_w, idle = without_slack(caps, leases.current_w, wanted.allotment.watts)
    asked = Asked(
        current_w=current_w,
        target_w=wanted.allotment.watts,
        high_w=leases.high_w,
        tolerance=tables.site.devices.tolerance,
        least_step_w=tables.least_step_w,
    )
    setpoint_w, order = current_w.copy(), late_last(tables.device_order, leases.waiting.late)
    rise_left_w, fall_left_w = rise_w, fall_w
    for turn, reserve_w in turns(caps, order, idle, wanted.reserve_w):
        room_w[0] -= reserve_w
        rise_left_w, fall_left_w = grant(
            tables.paths, turn, tables.modes, asked, room_w, rise_left_w, fall_left_w, setpoint_w
        )
        room_w[0] += reserve_w
    return _Granted(
        setpoint_w=setpoint_w,
        current_w=current_w,
        rise_w=rise_w,
        fall_w=fall_w,
        rise_left_w=rise_left_w,
        fall_left_w=fall_left_w,
    )


def _decision(
    tables: Tables,
    state: State,
    snapshot: Snapshot,
    sensed: Sensed,
    limited: _Limited,
    wanted: _Wanted,
    sent: Leases,
    trips: Trips,
    below: SumBelow,
) -> Decision:
    bounds, allotment, orders = limited.bounds, wanted.allotment, _orders_now(state, snapshot, sensed, limited)
    planned_w, committed_below_w = below.each(sent.setpoint_w, committed_w(sent, tables.site.devices))
    return Decision(
        at_s=snapshot.now_s,
        seq=state.seq + 1,
        mode=sensed.mode.mode,
        reasons=sensed.mode.reasons,
        sources=sensed.reasons,
        power_w=sensed.judgement.power.shown_w, unconfirmed=sensed.judgement.unconfirmed,
        cut_from_w=limited.recent.cut_from_w,
        surplus_w=sensed.surplus.surplus_w,
        envelope_w=bounds.limit_w,
        binding=bounds.binding,
        floor_w=bounds.floor_w,
        achievable_w=bounds.achievable_w,
        infeasible=bounds.infeasible,
        house_w=limited.house.watts,
        planned_w=planned_w,
        committed_w=committed_below_w,
        setpoint_w=sent.setpoint_w,
        value_per_h=allotment.value_per_h, worth_per_h=allotment.worth_per_h, bound_per_h=allotment.bound_per_h,
        overruled=wanted.overruled,
        orders_in_force=tuple(ramp.id for ramp in limited.order_ramps),
        warnings=(*sensed.warnings, *unseen(tables.site, orders)),
        orders=orders,
        contactors=trips.contactors,
        caps=caps_now(limited.caps),
        locks=() if sensed.locked is None else sensed.locked.locks,
    )  # fmt: skip


def _orders_now(state: State, snapshot: Snapshot, sensed: Sensed, limited: _Limited) -> tuple[OrderNow, ...]:
    """Return how each order in force is kept."""
    if not limited.order_ramps:
        return ()
    return orders_now(
        state.orders,
        limited.order_ramps,
        limited.order_limits,
        sensed.judgement.power.shown_w,
        limited.bounds,
        limited.sure_floor_w,
        sensed.overrun,
        snapshot.now_s,
    )
