"""Devices that restart when they are changed: what is better left alone now, unless a limit asks for it.

A restart costs minutes of income. So a device that has been switched on, or set to another of its discrete modes, keeps
that for its `lock_s`; one that has been switched off stays off for as long as its start takes. What can be changed in
place may be changed at any time.
"""

from __future__ import annotations

import numpy as np

from controller.core.plan import Plan
from controller.core.site import F64, Bool
from controller.core.state import Belief


def locks_after(plan: Plan, until_s: F64, before_w: F64, setpoint_w: F64, now_s: float) -> F64:
    """Return until when each device (D,) is locked, once it has been set from `before_w` to `setpoint_w`."""
    devices = plan.site.devices
    is_off = setpoint_w <= devices.off_w
    switched = (before_w <= devices.off_w) != is_off
    restarts = (devices.lock_s > 0.0) & (switched | ((setpoint_w != before_w) & ~plan.in_place))
    return np.where(restarts, now_s + np.where(is_off, devices.up_s, devices.lock_s), until_s)


def held_on_w(plan: Plan, belief: Belief, locked: Bool) -> F64:
    """Return the least watts that the locks want of each device (D,).

    A device that is still starting has nothing yet that would be lost by sending it off again.
    """
    running = locked & (belief.low_w >= plan.on_w)
    return np.where(running, np.where(plan.in_place, plan.on_w, belief.current_w), 0.0)


def may_rise(plan: Plan, belief: Belief, locked: Bool) -> Bool:
    """Return which devices (D,) the locks let rise: those without one, and those that run and can rise in place."""
    return np.asarray(~locked | (plan.in_place & (belief.current_w > plan.site.devices.off_w)), dtype=np.bool_)
