"""Failsafe setpoints: the part of the control that needs nothing but numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from controller.core.decision import Decision
from controller.core.fleet.bounds import fleet_below
from controller.core.fleet.leases import Leases, committed_w, observe, send
from controller.core.fleet.trouble import find_trouble, stuck_w, told_of
from controller.core.floor import NodeSums, declared_floor_w, watts_below
from controller.core.limits.locked import hold_locked, locked_devices
from controller.core.limits.orders import in_force
from controller.core.limits.tripped import told_of_trips
from controller.core.modes import Mode, ModeState
from controller.core.reasons import Code, Reason
from controller.core.site import F64, Devices, Site
from controller.core.snapshot import Snapshot
from controller.core.state import MinimumTimes, State
from controller.core.trust.judge import Trust, judge


def failsafe_setpoints(devices: Devices, current_w: F64) -> F64:
    """Return min(current, failsafe) of every device (D,): never a raise."""
    return np.minimum(current_w, devices.failsafe_w)


def emergency_setpoints(devices: Devices, current_w: F64, ramp_w: float) -> F64:
    """Return the setpoints (D,) one tick further on the emergency ramp to failsafe, lowering by `ramp_w` and at most one device more.

    Devices come down one after the other in the order of their columns.
    """
    goal_w = failsafe_setpoints(devices, current_w)
    fall_w = current_w - goal_w
    before_w = np.cumsum(fall_w) - fall_w
    return np.where(before_w < ramp_w, goal_w, current_w)


def emergency_fall(site: Site, state: State, current_w: F64, now_s: float) -> tuple[F64, float]:
    """Return these setpoints, and what they leave of the ramp: below 0 where a device took more, which the next ticks wait for.

    So the ramp holds however often a tick comes.
    """
    ramp_w = min(state.fall_room_w, 0.0) + site.rules.emergency_ramp_w_s * state.elapsed_s(now_s)
    setpoint_w = emergency_setpoints(site.devices, current_w, ramp_w)
    return setpoint_w, ramp_w - float((current_w - setpoint_w).sum())


def safe_step(site: Site, state: State, snapshot: Snapshot, *, blind: bool = False) -> tuple[State, Decision]:
    """Return a tick that trusts nothing but the agents' reports: FAILSAFE, every device on its way to failsafe.

    What the sources have said is judged, so that it is told truly, but nothing follows from it; `blind`: it is left aside.
    Under an order everything goes off: what it leaves cannot be worked out without the control. Contactors stay as they are.
    """
    devices, now_s, leases = site.devices, snapshot.now_s, observe(state.leases, site.devices, snapshot)
    trust, sources = (state.trust, {}) if blind else _judged(site, state, leases, snapshot)
    orders = tuple(order.id for order in snapshot.orders if in_force(order, snapshot))
    limit_w, trouble = _limit_w(site), find_trouble(leases, devices, snapshot, site.rules.lease_s)
    setpoint_w, left_w = _one_tick_down(site, state, snapshot, leases.current_w, all_off=bool(orders))
    leases = send(leases, setpoint_w, now_s)
    achievable_w = site.tree.house_w + watts_below(site, stuck_w(leases, devices, trouble))
    mode, unshown = _failed(site, state.mode, now_s), np.zeros(len(limit_w), dtype=np.bool_)
    locked, told = hold_locked(site, snapshot, leases), told_of(trouble, site, leases, unshown)[0]
    decision = Decision(
        at_s=now_s,
        seq=state.seq + 1,
        mode=mode.mode,
        reasons=mode.reasons,
        sources=sources,
        power_w=(None,) * len(limit_w),
        surplus_w=None,
        envelope_w=limit_w,
        binding=("failsafe",) + ("unlimited",) * (len(limit_w) - 1),
        floor_w=declared_floor_w(site),
        achievable_w=achievable_w,
        infeasible=np.asarray(limit_w < achievable_w, dtype=np.bool_),
        house_w=site.tree.house_w,
        planned_w=watts_below(site, setpoint_w),
        committed_w=watts_below(site, committed_w(leases, devices)),
        setpoint_w=setpoint_w,
        value_per_h=0.0, worth_per_h=0.0, bound_per_h=0.0,
        orders_in_force=orders,
        warnings=(*told, *told_of_trips(state.trips, site, None, now_s), *(locked.warnings if locked else ())),
        contactors=state.trips.contactors,
        locks=locked.locks if locked else (),
    )  # fmt: skip
    after = replace(state, seq=decision.seq, now_s=now_s, mode=mode, trust=trust, leases=leases, fall_room_w=left_w)
    return replace(after, minimum_times=_stays_off(devices, state, leases.current_w, setpoint_w, now_s)), decision


def _stays_off(devices: Devices, state: State, before_w: F64, setpoint_w: F64, now_s: float) -> MinimumTimes:
    """Return the minimum times once devices (D,) have been set from `before_w` to `setpoint_w`: what is off now is so for as long as ever."""
    switched_off, times = (before_w > devices.off_w) & (setpoint_w <= devices.off_w), state.minimum_times
    return replace(times, off_until_s=np.where(switched_off, now_s + devices.min_down_s, times.off_until_s))


def _failed(site: Site, before: ModeState, now_s: float) -> ModeState:
    reasons = (Reason(Code.STEP_FAILED, site.tree.ids[0]),)
    since_s = before.since_s if before.mode is Mode.FAILSAFE else now_s
    return ModeState(mode=Mode.FAILSAFE, since_s=since_s, reasons=reasons, trusted_since_s=float("inf"))


def _limit_w(site: Site) -> F64:
    """Return the failsafe watts of the site as the only limit of the nodes (N,)."""
    limit_w = np.full(len(site.tree.ids), np.inf)
    limit_w[0] = min(site.rules.failsafe_w, site.rules.contract_w)
    return limit_w


def _one_tick_down(site: Site, state: State, snapshot: Snapshot, current_w: F64, *, all_off: bool) -> tuple[F64, float]:
    setpoint_w, left_w = emergency_fall(site, state, current_w, snapshot.now_s)
    off_w = site.devices.off_w
    return off_w if all_off else np.where(locked_devices(site, snapshot.locks), off_w, setpoint_w), left_w


def _judged(
    site: Site, state: State, leases: Leases, snapshot: Snapshot
) -> tuple[Trust, Mapping[str, tuple[Reason, ...]]]:
    fleet = fleet_below(site, leases, snapshot.fleet, snapshot.now_s, NodeSums(site))
    trust, judgement = judge(
        state.trust, site, snapshot.heard, fleet, snapshot.now_s, starting=False, confirmed=snapshot.confirmed
    )
    return trust, judgement.reasons
