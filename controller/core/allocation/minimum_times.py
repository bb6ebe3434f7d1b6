"""Devices that are better left alone now, unless a limit asks for it: the watts between which each is kept in a tick.

What has been switched on stays on for its minimum up time, what has been switched off stays off for its minimum down
time. What has been started, or set to another level (a discrete mode), keeps that for its settle time. A protected
device that runs is never switched off for revenue.

Priority, where all that does not fit: hard limits and orders, and a surplus that is gone; then minimum times and protection;
then revenue. Who has to give way first: devices that are still starting, then minimum times, then protected devices; among equals
the least valuable per watt. A protected device gives up its settle time, and runs on as low as it can, before it is switched off.
What gives way is said in the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.core.allocation.tables import Tables
from controller.core.fleet.leases import Leases
from controller.core.kernels.changes import fit_kept
from controller.core.kernels.columns import EPS_W
from controller.core.kernels.tree import device_watts_below
from controller.core.masks import infinite, some
from controller.core.reasons import Code, Parameter, Reason
from controller.core.site import F64, Bool
from controller.core.state import MinimumTimes

#: Devices that are named when protected ones have to give way.
_MOST_NAMES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Watts (D,) between which minimum times and protection keep each device; ``0`` and ``inf`` where they do not.

    `on_w` (D,): the least that one which is on runs on as it is. `starting` (D,): it is on, but does not draw yet.
    """

    low_w: F64
    high_w: F64
    on_w: F64
    starting: Bool


def minimum_times_after(
    tables: Tables, times: MinimumTimes, before_w: F64, setpoint_w: F64, now_s: float
) -> MinimumTimes:
    """Return the times once the devices (D,) have been set from `before_w` to `setpoint_w`."""
    devices = tables.site.devices
    was_on, is_on = before_w > devices.off_w, setpoint_w > devices.off_w
    switched_on, switched_off = is_on & ~was_on, was_on & ~is_on
    settles = switched_on | (is_on & (setpoint_w != before_w) & ~tables.in_place)
    if not (some(switched_off) or some(settles)):
        return times
    return MinimumTimes(
        on_until_s=np.where(switched_on, now_s + devices.min_up_s, times.on_until_s),
        off_until_s=np.where(switched_off, now_s + devices.min_down_s, times.off_until_s),
        settled_from_s=np.where(settles, now_s + devices.settle_s, times.settled_from_s),
    )


def kept_w(tables: Tables, leases: Leases, times: MinimumTimes, now_s: float) -> Kept:
    """Return the interval of each device in this tick."""
    devices, current_w = tables.site.devices, leases.current_w
    on = current_w > devices.off_w
    settling = on & (now_s < times.settled_from_s)
    stays_on = on & ((now_s < times.on_until_s) | devices.protected)
    on_w = np.minimum(tables.kept_on_w, current_w)
    low_w, high_w = np.zeros(current_w.size), infinite(current_w.size).copy()
    np.putmask(low_w, stays_on, on_w)
    np.putmask(low_w, settling, current_w)
    np.putmask(high_w, settling | (~on & (now_s < times.off_until_s)), current_w)
    return Kept(low_w=low_w, high_w=high_w, on_w=on_w, starting=on & (leases.low_w < tables.on_w))


def fitting_w(
    tables: Tables, kept: Kept, bounds_w: tuple[F64, F64], room_w: F64, binding: Sequence[str]
) -> tuple[F64, tuple[Reason, ...]]:
    """Return what each device (D,) is to draw at least, and which minimum times had to give way to which limits.

    `bounds_w`: what cannot be freed, and the most, of each device (D,). `room_w` (N,): watts for the devices below each
    node. `binding` (N,): names of the limits that the rooms come from.
    """
    devices = tables.site.devices
    stuck_w, upper_w = bounds_w
    wanted_w = np.maximum(np.minimum(kept.low_w, upper_w), stuck_w)
    left_w = room_w - device_watts_below(tables.paths, wanted_w)
    short = left_w < -EPS_W
    if not some(short):
        return wanted_w, ()
    base_w, protected = wanted_w.copy(), devices.protected
    rank = np.where(protected, np.int8(0), np.where(kept.starting, np.int8(2), np.int8(1)))[tables.device_order]
    order = tables.device_order[np.argsort(rank, kind="stable")]
    runs_w = np.where(protected, np.maximum(np.minimum(kept.on_w, wanted_w), stuck_w), wanted_w)
    for least_w, most_w in ((np.where(protected, runs_w, stuck_w), wanted_w), (stuck_w, runs_w)):
        fit_kept(tables.paths, order, least_w, most_w, base_w, left_w)
    given_up = base_w < wanted_w
    if not some(given_up):
        return base_w, ()
    limits = dict.fromkeys(name for name, is_short in zip(binding, short, strict=True) if is_short)
    subject = tables.site.tree.ids[int(np.argmax(short))]
    return base_w, _given_up(tables, given_up, protected & (base_w < runs_w), ", ".join(limits), subject)


def _given_up(tables: Tables, given_up: Bool, unprotected: Bool, limits: str, subject: str) -> tuple[Reason, ...]:
    """Say which devices (D,) have `given_up` something to limits, and which of them are `unprotected` by that."""
    devices, protected = tables.site.devices, np.flatnonzero(unprotected)
    others = int(np.count_nonzero(given_up)) - protected.size
    reasons = []
    if others:
        reasons.append(Reason(Code.TIMES_OVERRULED, subject, {"limits": limits, "count": others}))
    if protected.size:
        names = ", ".join(devices.ids[i] for i in protected[:_MOST_NAMES])
        more = max(0, protected.size - _MOST_NAMES)
        figures: dict[str, Parameter] = {"limits": limits, "devices": names, "more": more}
        reasons.append(Reason(Code.PROTECTION_OVERRULED, subject, figures))
    return tuple(reasons)
