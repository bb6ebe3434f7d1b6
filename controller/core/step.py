"""The control: one pure step from what is known to what is wanted done.

Readings are judged, limits become the envelope, the house load is kept free, the rest is allotted by value, and what
may be raised now is granted: down first, by the ramp, and never while committed power stands in the way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controller.core.allocation.allocator import Allotment
from controller.core.allocation.minimum_times import Kept, fitting_w, kept_w, minimum_times_after
from controller.core.allocation.tables import Tables
from controller.core.allocation.values import changes_per_h, values_now
from controller.core.decision import Decision
from controller.core.fleet.leases import committed_w, in_contact, in_step, least_w, observe, send, unheard_w
from controller.core.kernels.grant import grant
from controller.core.kernels.tree import device_watts_below
from controller.core.limits.envelope import (
    Envelope,
    Limit,
    envelope,
    failsafe_cap_w,
    follow_orders,
    standing_limits,
    surplus_limit,
)
from controller.core.limits.house_load import HOUSE_DRIFT, estimate_house
from controller.core.modes import Mode, next_mode
from controller.core.safe import emergency_setpoints
from controller.core.site import F64, Bool
from controller.core.snapshot import Snapshot
from controller.core.state import Belief, State
from controller.core.surplus.estimate import estimate_surplus
from controller.core.trust.cross_check import contradictions, lasting
from controller.core.trust.node_power import NodePower, node_power, trust_inputs
from controller.core.trust.step_test import fleet_bounds, judged, prove, proven_nodes


def step(tables: Tables, state: State, snapshot: Snapshot) -> tuple[State, Decision]:
    """Return the next state and the decision of this tick."""
    site, now_s = tables.site, snapshot.now_s
    elapsed_s = state.elapsed_s(now_s)
    shown, snapshot = snapshot.meters, replace(snapshot, meters=judged(snapshot.meters, state.proofs))
    power = node_power(site, snapshot.meters, now_s)
    belief = observe(state.belief, site.devices, snapshot)
    least_below, most_below = (_below(tables, watts) for watts in fleet_bounds(site, belief, snapshot.fleet, now_s))
    proofs = prove(state.proofs, site, shown, (least_below, most_below), now_s)
    proven = proven_nodes(site, snapshot.meters, proofs, now_s)
    site_power = (float(power.taken_s[0]), float(power.watts[0])) if power.known[0] else None
    surplus = estimate_surplus(state.surplus, site.rules, snapshot.surplus, site_power, now_s)
    found = contradictions(site, snapshot, power)
    doubted, counting = lasting(state.doubted, found, state.mode.mode, now_s)
    mode = next_mode(state.mode, trust_inputs(site, snapshot, surplus, counting), site.rules, now_s)

    committed = committed_w(belief, site.devices)
    committed_below = _below(tables, committed)
    current_below = _below(tables, belief.current_w)
    house_w = _house(tables, state.house_w, power, proven, belief, snapshot, committed_below, elapsed_s)
    drawn_w = np.where(power.known, power.watts, house_w + current_below)
    cap_w = failsafe_cap_w(state.failsafe_cap_w, site, mode.mode, float(drawn_w[0]), elapsed_s)
    order_ramps, order_limits = follow_orders(state.order_ramps, snapshot, drawn_w)
    limits = [*standing_limits(site), *order_limits, *surplus_limit(site, surplus.estimate_w)]
    limits.append(Limit(node=0, limit_w=cap_w, name="failsafe"))
    bounds = envelope(site, limits, np.maximum(house_w, 0.0) + tables.off_below_w)

    usable_w = _usable(tables, bounds, house_w, _below(tables, unheard_w(belief, site.devices)))
    kept = kept_w(tables, belief, state.minimum_times, now_s)
    upper_w = _upper(tables, mode.mode, belief, kept, snapshot, elapsed_s)
    stuck_w = _stuck(tables, belief, snapshot)
    room_w = _room(tables, usable_w, current_below)
    base_w, overruled = fitting_w(tables, kept, (stuck_w, upper_w), room_w, bounds.binding)
    allotment = _allot(tables, belief, (stuck_w, base_w, upper_w), room_w)
    rooms = _ramp_rooms(
        tables, state, elapsed_s, forced=mode.mode is Mode.FAILSAFE or bool(np.any(usable_w < current_below))
    )
    setpoint_w, rise_room_w, fall_room_w = _grant(tables, belief, allotment.watts, usable_w - committed_below, rooms)

    sent = send(belief, setpoint_w, now_s)
    decision = Decision(
        at_s=now_s,
        seq=state.seq + 1,
        mode=mode.mode,
        reason=mode.reason,
        power_w=tuple(float(w) if known else None for w, known in zip(power.watts, power.known, strict=True)),
        surplus_w=surplus.estimate_w,
        envelope_w=bounds.limit_w,
        binding=bounds.binding,
        floor_w=bounds.floor_w,
        infeasible=bounds.infeasible,
        house_w=house_w,
        planned_w=_below(tables, setpoint_w),
        committed_w=_below(tables, committed_w(sent, site.devices)),
        setpoint_w=setpoint_w,
        value_per_h=allotment.value_per_h,
        worth_per_h=allotment.worth_per_h,
        bound_per_h=allotment.bound_per_h,
        overruled=overruled,
        orders_in_force=tuple(ramp.id for ramp in order_ramps),
    )
    state = replace(
        state,
        seq=decision.seq,
        now_s=now_s,
        mode=mode,
        doubted=doubted,
        proofs=proofs,
        belief=sent,
        surplus=surplus,
        minimum_times=minimum_times_after(tables, state.minimum_times, belief.current_w, setpoint_w, now_s),
        house_w=house_w,
        rise_room_w=rise_room_w,
        fall_room_w=fall_room_w,
        failsafe_cap_w=cap_w,
        order_ramps=order_ramps,
    )
    return state, decision


def _below(tables: Tables, device_w: F64) -> F64:
    return device_watts_below(tables.site.tree.parent, tables.site.devices.node, device_w)


def _house(
    tables: Tables,
    house_w: F64,
    power: NodePower,
    proven: Bool,
    belief: Belief,
    snapshot: Snapshot,
    most_w: F64,
    elapsed_s: float,
) -> F64:
    devices = tables.site.devices
    least = _below(tables, least_w(belief, devices, snapshot.fleet.measured_w))
    slack = _below(tables, belief.low_w * devices.tolerance)
    return estimate_house(house_w, power, proven, least, most_w, slack, elapsed_s)


def _usable(tables: Tables, bounds: Envelope, house_w: F64, unheard_w: F64) -> F64:
    """Watts of each node's envelope that its devices may be set to, with room for what the house may rise by meanwhile.

    Without a meter of its own, a node keeps their tolerance free, and the nameplate of what was never heard of.
    """
    free_w = bounds.limit_w - house_w - HOUSE_DRIFT * np.maximum(house_w, 0.0)
    blind_w = free_w - unheard_w
    blind_w = np.where(blind_w <= 0.0, blind_w, blind_w / (1.0 + tables.tolerance))
    return np.where(tables.metered, free_w, blind_w)


def _room(tables: Tables, usable_w: F64, current_w: F64) -> F64:
    """Usable watts, less what a cut may fall short by because devices draw less than they are set to."""
    cut_w = np.maximum(current_w - usable_w, 0.0)
    return np.where(cut_w > 0.0, current_w - cut_w / (1.0 - tables.tolerance), usable_w)


def _upper(tables: Tables, mode: Mode, belief: Belief, kept: Kept, snapshot: Snapshot, elapsed_s: float) -> F64:
    """No device is set above this (D,): its maximum only where everything allows a raise, else what it runs on."""
    devices, now_s = tables.site.devices, snapshot.now_s
    if mode is Mode.FAILSAFE:
        return emergency_setpoints(devices, belief.current_w, tables.site.rules.emergency_ramp_w_s * elapsed_s)
    if mode is not Mode.NORMAL:
        return belief.current_w
    free = in_contact(devices, snapshot) & in_step(belief, now_s)
    most_w = np.minimum(np.minimum(devices.max_w, snapshot.fleet.max_w), kept.high_w)
    return np.where(free, most_w, belief.current_w)


def _stuck(tables: Tables, belief: Belief, snapshot: Snapshot) -> F64:
    """Watts of each device (D,) that cannot be freed: what nobody leads now goes on, and the others absorb the cut."""
    devices = tables.site.devices
    led = in_contact(devices, snapshot) & in_step(belief, snapshot.now_s)
    return np.where(led | ~belief.known, devices.off_w, belief.high_w)


def _allot(tables: Tables, belief: Belief, bounds_w: tuple[F64, F64, F64], room_w: F64) -> Allotment:
    """Allot `room_w` (N,) within `bounds_w`: what cannot be freed, what minimum times and protection want, the most; each (D,)."""
    stuck_w, base_w, upper_w = bounds_w
    answer = tables.allocator.solve(
        limit_w=room_w, base_w=base_w, upper_w=upper_w, held_w=belief.current_w, stuck_w=stuck_w,
        mode_value=values_now(tables, belief.current_w),
    )  # fmt: skip
    value_per_h = answer.value_per_h + changes_per_h(tables, belief.current_w, answer.watts)
    return replace(answer, watts=np.minimum(answer.watts, upper_w), value_per_h=value_per_h)


def _ramp_rooms(tables: Tables, state: State, elapsed_s: float, *, forced: bool) -> tuple[float, float]:
    """Return the watts by which the site may be raised and lowered in this tick; a limit lowers without any ramp.

    A step bigger than a tick's share has to be saved up.
    """
    rules = tables.site.rules
    rise_w = _saved(tables, max(state.rise_room_w, 0.0), rules.ramp_up_w_s * elapsed_s)
    fall_w = _saved(tables, 0.0 if np.isinf(state.fall_room_w) else state.fall_room_w, rules.ramp_down_w_s * elapsed_s)
    return rise_w, float("inf") if forced else fall_w


def _saved(tables: Tables, saved_w: float, gained_w: float) -> float:
    return min(saved_w + gained_w, max(gained_w, tables.largest_start_w))


def _grant(
    tables: Tables, belief: Belief, target_w: F64, room_w: F64, rooms: tuple[float, float]
) -> tuple[F64, float, float]:
    tree, devices = tables.site.tree, tables.site.devices
    setpoint_w = np.empty_like(target_w)
    rise_w, fall_w = grant(
        tree.parent, devices.node, tables.device_order, belief.current_w, target_w, belief.high_w,
        devices.tolerance, tables.least_step_w, devices.mode_start, devices.mode_w, devices.mode_continuous,
        room_w, *rooms, setpoint_w,
    )  # fmt: skip
    return setpoint_w, rise_w, fall_w
