"""What follows from the site alone and is worked out once: the allocator, tolerances, smallest useful steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.core.allocation.allocator import ROUNDS, Allocator, make_allocator
from controller.core.allocation.answers import Answers
from controller.core.allocation.merit import by_value, start_share
from controller.core.floor import declared_floor_w, watts_below
from controller.core.kernels.changes import ChangeCosts, levels
from controller.core.kernels.columns import ModeTable, PathsUp
from controller.core.limits.envelope import StandingLimits, standing_limits
from controller.core.site import F64, I64, Bool, Devices, Site

#: A raise of a running device by less than this share of its maximum is not worth a change.
_LEAST_STEP = 0.01
#: Hours in which a start or a change has to pay: about how long a surplus lasts as it is.
PAYS_WITHIN_H: Final = 0.5
#: With more devices than this an allocation is good enough at once, and improving it would cost the tick its bound.
_MANY = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The site and what is derived from it.

    `allocator`: with the working memory of one thread; `answers`: what it has answered of late. `device_order` (D,): devices by value per watt, the best first.
    `on_w` (D,): watts of each device's lowest running mode; `kept_on_w` (D,): those down to which a protected one may be lowered,
    ``inf`` where that restarts it, which is no better than to switch it off. `least_step_w` (D,): no smaller raise. `in_place` (D,):
    every running mode is reached from every other without a step. `change_costs`: of a
    start and of another discrete mode, spread over the time in which they have to pay; `changes_cost`: some are not 0.
    `paths`, `modes`: columns of the site as the kernels take them. `largest_start_w`: the biggest step that a start makes.
    `standing`: the limits of the nodes that never change. `tolerance` (N,): the largest below each node. `metered` (N,): nodes with a meter of their own. `off_below_w`, `max_below_w` (N,):
    residual watts, and signed maxima, below each node. `declared_floor_w` (N,): the former and the declared house load. `pays_w` (D,): watts beyond which no mode of a device earns more,
    `pays_below_w` (N,): their sums.
    """

    site: Site
    paths: PathsUp
    modes: ModeTable
    allocator: Allocator
    answers: Answers
    device_order: I64
    on_w: F64
    kept_on_w: F64
    least_step_w: F64
    in_place: Bool
    change_costs: ChangeCosts
    changes_cost: bool
    largest_start_w: float
    standing: StandingLimits
    tolerance: F64
    metered: Bool
    off_below_w: F64
    max_below_w: F64
    pays_w: F64
    pays_below_w: F64
    declared_floor_w: F64


def make_tables(site: Site) -> Tables:
    """Return the tables of a site."""
    devices, count = site.devices, len(site.tree.ids)
    first_on = np.minimum(devices.mode_start[:-1] + 1, devices.mode_start[1:] - 1)
    on_w = devices.mode_w[first_on]
    modes = ModeTable(devices.mode_start, devices.mode_w, devices.mode_value, devices.mode_continuous)
    metered, pays_w = np.zeros(count, dtype=np.bool_), _pays_w(devices)
    metered[site.meters.node] = True
    allocator = make_allocator(site.tree, devices, rounds=ROUNDS if len(devices.ids) <= _MANY else 1)
    return Tables(
        site=site,
        paths=PathsUp(parent=site.tree.parent, node=devices.node),
        modes=modes,
        allocator=allocator,
        answers=Answers(allocator),
        device_order=by_value(devices, devices.mode_value),
        on_w=on_w,
        kept_on_w=np.where(devices.restarts & devices.protected, np.inf, on_w),
        least_step_w=_LEAST_STEP * devices.max_w,
        in_place=_in_place(devices),
        change_costs=ChangeCosts(
            level=_levels(modes),
            start_per_h=devices.start_cost / PAYS_WITHIN_H,
            change_per_h=devices.change_cost / PAYS_WITHIN_H,
            start_share=start_share(devices),
        ),
        changes_cost=bool(np.any((devices.start_cost != 0.0) | (devices.change_cost != 0.0))),
        largest_start_w=float(np.max((on_w - devices.off_w) * (1.0 + devices.tolerance), initial=0.0)),
        standing=standing_limits(site),
        tolerance=_largest_below(site),
        metered=metered,
        off_below_w=watts_below(site, devices.off_w),
        max_below_w=watts_below(site, devices.max_w),
        pays_w=pays_w,
        pays_below_w=watts_below(site, pays_w),
        declared_floor_w=declared_floor_w(site),
    )


def _pays_w(devices: Devices) -> F64:
    """Return the lowest watts (D,) at which each device earns the most that it can."""
    first = devices.mode_start[:-1]
    if not first.size:
        return np.zeros(0)
    most = np.repeat(np.maximum.reduceat(devices.mode_value, first), np.diff(devices.mode_start))
    watts: F64 = np.minimum.reduceat(np.where(devices.mode_value >= most, devices.mode_w, np.inf), first)
    return watts


def _in_place(devices: Devices) -> Bool:
    steps = np.concatenate([[0], np.cumsum(~devices.mode_continuous)])
    end = devices.mode_start[1:]
    return np.asarray(steps[end] == steps[np.minimum(devices.mode_start[:-1] + 2, end)], dtype=np.bool_)


def _levels(modes: ModeTable) -> I64:
    level = np.empty(modes.watts.size, dtype=np.int64)
    levels(modes, level)
    return level


def _largest_below(site: Site) -> F64:
    largest = np.zeros(len(site.tree.ids))
    np.maximum.at(largest, site.devices.node, site.devices.tolerance)
    for n in range(len(site.tree.ids) - 1, 0, -1):
        parent = site.tree.parent[n]
        largest[parent] = max(largest[parent], largest[n])
    return largest
