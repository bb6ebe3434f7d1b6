"""Leases as the controller sees them: what every device may be drawing, whatever has been lost on the way.

A setpoint commits its power from the moment it is sent; a lower one frees power only after the device's agent has
confirmed it and the device has had its time to come down.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controller.core.site import F64, Bool, Devices
from controller.core.snapshot import Snapshot
from controller.core.state import Belief

#: An agent that has not reported for this long is out of contact: nothing of its devices is raised.
CONTACT_S = 5.0
#: A setpoint that is not confirmed after this long was not taken: the device runs on what it reports.
_CONFIRM_S = 4.0
#: From a device's settling to a meter reading that shows all of it: a poll, a refresh of the meter, a tick.
_VISIBLE_S = 1.5
#: Share by which a settled device may still be moving after its stated time.
_SETTLE_FACTOR = 1.25


def in_contact(devices: Devices, snapshot: Snapshot) -> Bool:
    """Return which devices (D,) belong to an agent that can be given a lease now: heard of late, its clock known."""
    fleet = snapshot.fleet
    reachable = fleet.echo & (snapshot.now_s - fleet.heard_s <= CONTACT_S)
    return np.asarray(reachable[devices.agent], dtype=np.bool_)


def in_step(belief: Belief, now_s: float) -> Bool:
    """Return which devices (D,) run on the newest setpoint, or still have time to say so."""
    return np.asarray(np.isfinite(belief.steady_s) | (now_s - belief.changed_s < _CONFIRM_S), dtype=np.bool_)


def observe(belief: Belief, devices: Devices, snapshot: Snapshot) -> Belief:
    """Return the belief after this snapshot's reports."""
    fleet, now_s = snapshot.fleet, snapshot.now_s
    heard_s = fleet.heard_s[devices.agent]
    known = np.isfinite(heard_s)
    applied_w = np.where(known, fleet.applied_w, belief.applied_w)
    confirmed = known & (fleet.confirmed_s[devices.agent] >= belief.changed_s)
    moved = applied_w != belief.applied_w
    fresh = confirmed & (np.isinf(belief.steady_s) | moved)
    steady_s = np.where(confirmed, np.where(fresh, now_s, belief.steady_s), np.inf)
    stable_s = now_s - steady_s
    low_w = np.minimum(belief.low_w, applied_w)
    low_w = np.where(_settled(stable_s, devices.up_s), applied_w, low_w)
    low_w = np.where(now_s - heard_s <= CONTACT_S, low_w, devices.off_w)
    high_w = np.maximum(belief.high_w, applied_w)
    high_w = np.where(_settled(stable_s, devices.down_s), applied_w, high_w)
    seen_w = np.where(low_w >= high_w, high_w, belief.seen_w)
    taken = ~confirmed & (now_s - belief.changed_s < _CONFIRM_S)
    current_w = np.where(taken, belief.setpoint_w, np.minimum(belief.setpoint_w, applied_w))
    current_w = np.where(np.isinf(belief.changed_s), applied_w, current_w)
    return replace(
        belief,
        applied_w=applied_w,
        steady_s=steady_s,
        low_w=low_w,
        high_w=high_w,
        seen_w=seen_w,
        current_w=np.where(known, current_w, devices.failsafe_w),
        known=known,
    )


def _settled(stable_s: F64, device_s: F64) -> Bool:
    return np.asarray(stable_s >= _SETTLE_FACTOR * device_s + _VISIBLE_S, dtype=np.bool_)


def unheard_w(belief: Belief, devices: Devices) -> F64:
    """Return what each device (D,) may draw that has never been heard of, beyond its residual watts.

    It cannot be led, so where there is a meter it is part of what the meter shows; elsewhere its nameplate counts.
    """
    return np.asarray(np.where(belief.known, 0.0, devices.max_w - devices.off_w), dtype=np.float64)


def committed_w(belief: Belief, devices: Devices) -> F64:
    """Return the most that each device (D,) may be drawing; what no meter has shown yet counts with its tolerance."""
    unseen_w = np.maximum(belief.high_w - belief.seen_w, 0.0)
    return np.asarray(belief.high_w + unseen_w * devices.tolerance, dtype=np.float64)


def least_w(belief: Belief, devices: Devices, measured_w: F64) -> F64:
    """Return the least that each device (D,) may be drawing; a cap that is not used up is not power that is free."""
    drawn_w = np.minimum(belief.low_w, measured_w * (1.0 - devices.report_error))
    return np.asarray(np.where(devices.steady, belief.low_w, np.maximum(drawn_w, 0.0)), dtype=np.float64)


def send(belief: Belief, setpoint_w: F64, now_s: float) -> Belief:
    """Return the belief after `setpoint_w` (D,) has been handed to the fleet."""
    # A device that has fallen from its setpoint, by the end of its lease, is raised by sending the same setpoint again.
    changed = (setpoint_w != belief.setpoint_w) | (setpoint_w > belief.current_w)
    return replace(
        belief,
        setpoint_w=setpoint_w,
        changed_s=np.where(changed, now_s, belief.changed_s),
        steady_s=np.where(changed, np.inf, belief.steady_s),
        low_w=np.minimum(belief.low_w, setpoint_w),
        high_w=np.maximum(belief.high_w, setpoint_w),
    )
