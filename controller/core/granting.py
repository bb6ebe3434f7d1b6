"""The fourth stage of a tick: of what is allotted as much is granted as committed power and the ramps allow, down first."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.allocation.tables import Tables
from controller.core.allotting import Allotted
from controller.core.fleet.cap_turns import late_last, turns, without_slack
from controller.core.kernels.grant import Asked, grant
from controller.core.limiting import Limited
from controller.core.limits.ramps import ramp_rooms
from controller.core.masks import some
from controller.core.modes import Mode
from controller.core.sensing import Sensed
from controller.core.site import F64
from controller.core.snapshot import Snapshot
from controller.core.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The setpoints (D,); `rise_w`, `fall_w`: what the ramps allowed, and what is left of it.

    `current_w` (D,): what each device is taken to run on, where a cap above its draw counts as what it is lowered to.
    """

    setpoint_w: F64
    current_w: F64
    rise_w: float
    fall_w: float
    rise_left_w: float
    fall_left_w: float


def grant_raises(
    tables: Tables, state: State, snapshot: Snapshot, sensed: Sensed, limited: Limited, allotted: Allotted
) -> Granted:
    """Grant of what is wanted as much as committed power and the ramps allow."""
    leases, caps = sensed.leases, limited.caps
    forced = sensed.mode.mode is Mode.FAILSAFE or some(limited.usable_w < limited.current_w)
    if sensed.locked is not None:
        forced = forced or some(sensed.locked.devices & (leases.current_w > tables.site.devices.off_w))
    if sensed.cut is not None:
        forced = forced or some(sensed.cut.held & (leases.current_w > tables.site.devices.failsafe_w))
    saved_w, elapsed_s = (state.rise_room_w, state.fall_room_w), state.elapsed_s(snapshot.now_s)
    rise_w, fall_w = ramp_rooms(tables.site.rules, saved_w, tables.largest_start_w, elapsed_s, forced=forced)
    room_w = limited.room_w
    room_w[0] = min(room_w[0], limited.economic_w - limited.committed_w[0])
    current_w, idle = without_slack(caps, tables.site.devices, leases.current_w, allotted.allotment.watts)
    asked = Asked(
        current_w=current_w,
        target_w=allotted.allotment.watts,
        high_w=leases.high_w,
        tolerance=tables.site.devices.tolerance,
        least_step_w=tables.least_step_w,
    )
    setpoint_w, order = current_w.copy(), late_last(tables.device_order, leases.waiting.late)
    rise_left_w, fall_left_w = rise_w, fall_w
    for turn, reserve_w in turns(caps, order, idle, allotted.reserve_w):
        room_w[0] -= reserve_w
        rise_left_w, fall_left_w = grant(
            tables.paths, turn, tables.modes, asked, room_w, rise_left_w, fall_left_w, setpoint_w
        )
        room_w[0] += reserve_w
    return Granted(
        setpoint_w=setpoint_w,
        current_w=current_w,
        rise_w=rise_w,
        fall_w=fall_w,
        rise_left_w=rise_left_w,
        fall_left_w=fall_left_w,
    )
