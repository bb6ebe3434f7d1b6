"""What the devices below each node draw, within bounds: by their setpoints, and by what they report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from controller.core.fleet.leases import Leases, heard_of_late
from controller.core.fleet.power_cut import PowerCut
from controller.core.masks import every, some
from controller.core.site import F64, Bool, Devices, Site
from controller.core.snapshot import FleetColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetBelow:
    """Watts of the devices below each node (N,).

    `least_w`, `most_w`: what they may be drawing, but for the error of their setpoints, which is the device's own and hardly
    changes from one instant to another. `told_w`: what those draw that report, by themselves; `told_least_w`: that less
    what such reports may be off.
    """

    least_w: F64
    most_w: F64
    told_w: F64
    told_least_w: F64


class SumBelow(Protocol):
    """Sums device watts (D,) to the watts below each node (N,)."""

    def __call__(self, device_w: F64, /) -> F64:
        """Return the sums of one column."""

    def each(self, *device_w: F64) -> Iterable[F64]:
        """Return the sums of each column: up to four take hardly longer than one."""


def fleet_below(
    site: Site, leases: Leases, fleet: FleetColumns, now_s: float, below: SumBelow, cut: PowerCut | None = None
) -> FleetBelow:
    """Return the bounds of every node; what agents say of devices that a contactor may have `cut` off counts for nothing."""
    devices = site.devices
    reported = heard_of_late(devices, fleet, now_s)
    reported = reported if cut is None else reported & ~cut.held
    # Of a number and NaN, fmax is the number.
    told_w = np.fmax(fleet.measured_w, 0.0)
    told_w = told_w if every(reported) else np.where(reported, told_w, 0.0)
    least_w, most_w = _device_bounds(site, leases, fleet.measured_w, reported)
    most_w = most_w if cut is None else np.where(cut.dark, 0.0, most_w)
    least_below_w, most_below_w, told_below_w, told_least_w = below.each(
        least_w, most_w, told_w, told_w * (1.0 - devices.report_error)
    )
    return FleetBelow(least_w=least_below_w, most_w=most_below_w, told_w=told_below_w, told_least_w=told_least_w)


def nobody_below(site: Site) -> FleetBelow:
    """Return the bounds where no agent is listened to: anything may be drawn, and nobody says anything."""
    nothing_w = np.zeros(len(site.tree.ids))
    return FleetBelow(
        least_w=nothing_w, most_w=np.full_like(nothing_w, np.inf), told_w=nothing_w, told_least_w=nothing_w
    )


def _device_bounds(site: Site, leases: Leases, told_w: F64, reported: Bool) -> tuple[F64, F64]:
    """Return the least and the most that each device (D,) may be drawing.

    A report that the error of a setpoint cannot explain widens the bounds: the device is dead, or does not obey. Where
    nothing is measured (NaN), the setpoint alone bounds what follows it.
    """
    devices, least_w, most_w = site.devices, leases.low_w, leases.high_w
    under, over = told_w < least_w * devices.least_told, told_w > most_w * devices.most_told
    if not every(devices.steady) or some(under) or some(over):
        least_w, most_w = _widened(devices, leases, told_w, under, over)
    if every(reported & leases.known):
        return least_w, most_w
    most_w = np.where(leases.known, np.where(reported, most_w, leases.high_w), devices.max_w)
    return np.where(reported, least_w, 0.0), most_w


def _widened(devices: Devices, leases: Leases, told_w: F64, under: Bool, over: Bool) -> tuple[F64, F64]:
    """Return the bounds of devices (D,) that a setpoint only caps, or that say less (`under`) or more (`over`) than it explains."""
    low_w, high_w = leases.low_w, leases.high_w
    least_told_w = np.where(np.isnan(told_w), 0.0, told_w) * (1.0 - devices.report_error)
    most_told_w = np.where(np.isnan(told_w), high_w, told_w * (1.0 + devices.report_error))
    least_w = np.where(~devices.steady | under, np.minimum(low_w, least_told_w), low_w)
    most_w = np.where(devices.steady, high_w, np.clip(most_told_w, low_w, high_w))
    return least_w, np.where(over, most_told_w, most_w)
