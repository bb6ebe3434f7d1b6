"""What the core remembers from tick to tick."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from controller.core.fleet.cap_memory import Caps, no_caps
from controller.core.fleet.leases import Leases, no_leases
from controller.core.limits.contactors import Trip, Trips, no_trips
from controller.core.limits.demand import NO_DEMAND_USE, DemandUse
from controller.core.limits.electrical import Electrical, first_electrical
from controller.core.limits.house_load import HouseLoad, declared_house, remembered_house
from controller.core.limits.orders import OrderNow, OrderRamp
from controller.core.limits.overrun import Overrun, no_overrun
from controller.core.limits.recent_power import RecentPower, no_recent_power
from controller.core.modes import ModeState, first_mode
from controller.core.site import F64, LONGEST_TICK_S, Site
from controller.core.snapshot import ConfirmedMeter
from controller.core.surplus.estimate import SurplusState
from controller.core.trust.judge import Trust, no_trust


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumTimes:
    """Until when each device (D,) stays on if it is, and off if it is; and from when a running one may be set to another mode.

    The two ends are apart: one that was switched on, and did not come up or has fallen, was not switched off.
    """

    on_until_s: F64
    off_until_s: F64
    settled_from_s: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that one tick hands to the next.

    `trust`: in the meters and the surplus source. `minimum_times`: which devices are left alone for now. `house`: the estimate
    of what is not a device. `rise_room_w`, `fall_room_w`: what the ramps have left over. `failsafe_cap_w`: the
    site's limit while it comes down to failsafe, else ``inf``. `orders`: how those in force were kept. `recent`: what nodes drew lately. `overrun`: which nodes draw more than they may. `trips`: which contactors are
    told what. `electrical`: what nodes carry, and what is billed. `caps`: what jobs on capped devices want. `elsewhere_per_wh`: what one more watt hour would have earned by the
    other devices in the last tick. `economic_w`: what devices have come to on their way down to what is billed, else ``inf``.
    """

    seq: int
    now_s: float
    mode: ModeState
    trust: Trust
    leases: Leases
    surplus: SurplusState
    minimum_times: MinimumTimes
    house: HouseLoad
    rise_room_w: float
    fall_room_w: float
    failsafe_cap_w: float
    order_ramps: tuple[OrderRamp, ...]
    orders: tuple[OrderNow, ...]
    recent: RecentPower
    overrun: Overrun
    trips: Trips
    electrical: Electrical
    caps: Caps
    elsewhere_per_wh: float
    economic_w: float

    def elapsed_s(self, now_s: float) -> float:
        """Return the seconds since the last tick by which ramps and filters go on; a long pause counts as a short one."""
        return min(max(now_s - self.now_s, 0.0), LONGEST_TICK_S)


def initial_state(
    site: Site,
    now_s: float,
    trips: Iterable[Trip] = (),
    house_w: F64 | None = None,
    confirmed: Iterable[ConfirmedMeter] = (),
    demand: DemandUse = NO_DEMAND_USE,
) -> State:
    """Return the state of a controller that has just started and knows nothing of its fleet.

    `trips`: what nobody has ended. `house_w` (N,): the house load before the start, None where it is not known. `confirmed`:
    the meters that people have confirmed. `demand`: what was written down of the window that is billed.
    """
    never_s = np.full(len(site.devices.ids), -np.inf)
    return State(
        seq=0,
        now_s=now_s,
        mode=first_mode(site.tree.ids[0], now_s),
        trust=no_trust(site, confirmed, now_s),
        leases=no_leases(site.devices, now_s),
        minimum_times=MinimumTimes(on_until_s=never_s, off_until_s=never_s, settled_from_s=never_s),
        surplus=SurplusState(),
        house=_house(site, house_w),
        rise_room_w=0.0,
        fall_room_w=0.0,
        failsafe_cap_w=np.inf,
        order_ramps=(),
        orders=(),
        recent=no_recent_power(site),
        overrun=no_overrun(site),
        trips=no_trips(site, now_s, trips),
        electrical=first_electrical(site, demand),
        caps=no_caps(site),
        elsewhere_per_wh=0.0,
        economic_w=np.inf,
    )


def _house(site: Site, house_w: F64 | None) -> HouseLoad:
    declared_w = site.tree.house_w
    return declared_house(declared_w) if house_w is None else remembered_house(declared_w, house_w)
