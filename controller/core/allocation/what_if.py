"""What a site would do at other limits, once all has settled: from its tables and its limits alone, whatever runs now."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from controller.core.allocation.allocator import make_allocator
from controller.core.allocation.parts import Offered, use_at_rest
from controller.core.allocation.tables import Tables
from controller.core.floor import NodeSums, watts_below
from controller.core.limits.parts import EnvelopeParts
from controller.core.limits.usable import usable_w
from controller.core.site import F64, Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """What is supposed: the limit of each node (N,), the house load that it keeps free, and the devices (D,) that are off."""

    limit_w: F64
    house_w: F64
    off: Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SupposedAllotment:
    """What the site would do: watts of each device (D,), what they earn an hour, and what nothing earns more than.

    Per node (N,): `used_w`, what the devices below draw of `usable_w`; `next_kw_per_h`, what a kW more of its limit would earn,
    with every mode divisible, 0 where the limit does not bind. `parts`: where each watt of the limits would go.
    """

    watts: F64
    value_per_h: float
    bound_per_h: float
    used_w: F64
    usable_w: F64
    next_kw_per_h: F64
    parts: EnvelopeParts


def what_if(tables: Tables, supposed: Supposed) -> SupposedAllotment:
    """Return what the site would do; a start costs nothing there, for what runs then has long been started."""
    site = tables.site
    devices = replace(site.devices, up_s=np.zeros(len(site.devices.ids)))
    all_heard = np.zeros(len(site.tree.ids))
    room_w = usable_w(supposed.limit_w, supposed.house_w, all_heard, tables.metered, tables.tolerance)
    allocator = make_allocator(site.tree, devices)
    off_w = devices.off_w
    upper_w = np.where(supposed.off, off_w, devices.max_w)
    found = allocator.solve(limit_w=room_w, base_w=off_w, upper_w=upper_w, held_w=off_w)
    prices, used_w = allocator.limit_prices(found), watts_below(site, found.watts)
    offered = Offered(
        limit_w=supposed.limit_w,
        house_w=supposed.house_w,
        room_w=room_w,
        reserve_w=0.0,
        demand_w=0.0,
        unheard_w=all_heard,
        allotted_w=found.watts,
        upper_w=upper_w,
        stuck_w=off_w,
    )
    return SupposedAllotment(
        watts=found.watts,
        value_per_h=found.value_per_h,
        bound_per_h=found.bound_per_h,
        used_w=used_w,
        usable_w=room_w,
        next_kw_per_h=1e3 * prices,
        parts=use_at_rest(tables, offered, prices, NodeSums(site)).parts(),
    )
