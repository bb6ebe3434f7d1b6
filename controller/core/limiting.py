"""The second stage of a tick: what is known becomes the envelope, and what of it devices may use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.core.allocation.economic import economic_w
from controller.core.allocation.tables import Tables
from controller.core.fleet.bounds import SumBelow
from controller.core.fleet.cap_memory import Caps
from controller.core.fleet.caps import follow_jobs
from controller.core.fleet.leases import Leases, committed_w, first_heard_w, least_w
from controller.core.limits.carrying import carrying_limits
from controller.core.limits.demand import DemandNow, demand_now
from controller.core.limits.electrical import Electrical, follow_electrical
from controller.core.limits.envelope import (
    Envelope,
    Limit,
    envelopes,
    failsafe_cap_w,
    follow_orders,
    step_limits,
    surplus_limit,
)
from controller.core.limits.house_load import HOUSE_DRIFT, HouseLoad, estimate_house, sure_of, without_heard
from controller.core.limits.locked import locked_limits
from controller.core.limits.orders import OrderRamp
from controller.core.limits.recent_power import RecentPower, remember
from controller.core.limits.usable import usable_w
from controller.core.masks import every
from controller.core.sensing import Sensed, compared, stuck_w, taught, unheard_below_w
from controller.core.site import F64, Site
from controller.core.snapshot import Snapshot
from controller.core.state import State
from controller.core.trust.node_power import least_trusted_w


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """The envelope, and what of it devices may use, per node (N,).

    `current_w`: setpoints that devices run on, `committed_w`: the most that they may be drawing, both below each node.
    `lasting`: the envelope without the steps that prove meters, which nobody is cut off for. `sure_floor_w`: with everything off, of the
    house load that is estimated no more than what is declared: what devices draw against their word looks like house load.
    `usable_w`: watts that they may be set to, of which raises leave `hidden_w`; `unheard_w`: what those may draw that were never heard of. `stuck_w` (D,): watts of each device that cannot be freed; `stuck_below_w`: their sum below each node. `order_limits`:
    what each order in force asks for now. `recent`: what nodes drew lately. `caps`: what jobs on
    capped devices may be set to. `electrical`: what nodes carry, and what is billed; `demand`: what may be drawn for that.
    """

    house: HouseLoad
    current_w: F64
    committed_w: F64
    bounds: Envelope
    lasting: Envelope
    sure_floor_w: F64
    usable_w: F64
    hidden_w: F64
    unheard_w: F64
    stuck_w: F64
    stuck_below_w: F64
    cap_w: float
    order_ramps: tuple[OrderRamp, ...]
    order_limits: tuple[Limit, ...]
    recent: RecentPower
    caps: Caps
    electrical: Electrical
    demand: DemandNow | None

    @property
    def room_w(self) -> F64:
        """Watts that the devices below each node (N,) may be raised by."""
        return self.usable_w - self.hidden_w - self.committed_w

    @property
    def economic_w(self) -> float:
        """Watts that all devices may be set to for what is billed."""
        return economic_w(self.demand, float(self.house.watts[0]))


def limit(tables: Tables, state: State, snapshot: Snapshot, sensed: Sensed, below: SumBelow) -> Limited:
    """Work out the house load, and the smallest limit of every node."""
    site, devices, leases, power = tables.site, tables.site.devices, sensed.leases, sensed.judgement.power
    elapsed_s, held_w = state.elapsed_s(snapshot.now_s), stuck_w(site, sensed)
    committed_below_w, current_below_w, least_below_w, stuck_below_w = below.each(
        committed_w(leases, devices), leases.current_w, least_w(leases, devices, snapshot.fleet.measured_w), held_w
    )
    unheard_w = unheard_below_w(site, sensed, below)
    house = _house(site, state, snapshot, sensed, (least_below_w, committed_below_w, unheard_w), below)
    house_w, with_off_w = house.watts, (house.watts * (1.0 + HOUSE_DRIFT), tables.off_below_w)
    drawn_w = np.where(power.known, power.watts, house_w + current_below_w)
    cap_w = failsafe_cap_w(state.failsafe_cap_w, site, sensed.mode.mode, float(drawn_w[0]), elapsed_s)
    recent = remember(state.recent, least_trusted_w(site, sensed.judgement.meters, snapshot.now_s), snapshot.now_s)
    seen_w = recent.cut_from_w, least_below_w
    ramps, order_limits = follow_orders(state.order_ramps, snapshot, drawn_w, seen_w, unheard_w * ~power.known)
    electrical = follow_electrical(state.electrical, site, snapshot, sensed.trusted, house_w, committed_below_w)
    locks = locked_limits(snapshot.locks, *with_off_w)
    steps = step_limits(site, sensed.judgement.step_to_w, *with_off_w)
    limits = [*order_limits, *locks, *_found(site, sensed, electrical, cap_w)]
    lasting, bounds = envelopes(tables.standing, limits, steps, house_w + tables.off_below_w, house_w + stuck_below_w)
    return Limited(
        house=house,
        current_w=current_below_w,
        committed_w=committed_below_w,
        bounds=bounds,
        lasting=lasting,
        sure_floor_w=np.minimum(bounds.floor_w, tables.declared_floor_w),
        usable_w=usable_w(bounds.limit_w, house_w, unheard_w, tables.metered, tables.tolerance),
        hidden_w=_hidden_w(tables, snapshot, leases, unheard_w, below),
        unheard_w=unheard_w,
        stuck_w=held_w,
        stuck_below_w=stuck_below_w,
        cap_w=cap_w,
        order_ramps=ramps,
        order_limits=tuple(order_limits),
        recent=recent,
        caps=follow_jobs(state.caps, site, leases, snapshot, state.elsewhere_per_wh, elapsed_s),
        electrical=electrical,
        demand=demand_now(electrical.demand, site, float(house_w[0]), snapshot),
    )


def _hidden_w(tables: Tables, snapshot: Snapshot, leases: Leases, unheard_w: F64, below: SumBelow) -> F64:
    """Return what the devices below each metered node (N,) that were never heard of may draw beyond what counts as house load.

    What a meter shows is explained by caps first; what their jobs do not draw of them, the others may.
    """
    devices = tables.site.devices
    if every(leases.known) or every(devices.steady):
        return np.zeros_like(unheard_w)
    drawn_w = np.fmax(snapshot.fleet.measured_w * (1.0 - devices.report_error), 0.0)
    free_w = np.where(leases.known & ~devices.steady, np.maximum(committed_w(leases, devices) - drawn_w, 0.0), 0.0)
    return np.where(tables.metered, np.minimum(below(free_w), unheard_w), 0.0)


def _without_heard(site: Site, state: State, snapshot: Snapshot, sensed: Sensed, below: SumBelow) -> HouseLoad:
    """Return the house load as of the last tick, without what devices draw of which this one hears for the first time."""
    if every(state.leases.known):
        return state.house
    return without_heard(state.house, below(first_heard_w(state.leases, sensed.leases, site.devices, snapshot.fleet)))


def _house(
    site: Site, state: State, snapshot: Snapshot, sensed: Sensed, devices_w: tuple[F64, F64, F64], below: SumBelow
) -> HouseLoad:
    """Return the house load; per node (N,), what its devices draw at least, may be drawing, and may draw of which nobody has heard.

    While the control starts agents may be heard later than meters: what they lead is not taken for house load yet, and nothing is raised.
    """
    least_w, committed_w, unheard_w = devices_w
    most_w = committed_w + unheard_w
    power, elapsed_s = compared(sensed), state.elapsed_s(snapshot.now_s)
    counted_w = most_w if sensed.trusted.starting else committed_w
    before = _without_heard(site, state, snapshot, sensed, below)
    house = estimate_house(before, power, taught(sensed), least_w, counted_w, snapshot.now_s, elapsed_s)
    return sure_of(house, power, most_w)


def _found(site: Site, sensed: Sensed, electrical: Electrical, failsafe_w: float) -> list[Limit]:
    """Return the limits that nobody has ordered: they follow from what is seen."""
    failsafe = Limit(node=0, limit_w=failsafe_w, name="failsafe")
    return [*surplus_limit(site, sensed.surplus.surplus_w), *carrying_limits(site, electrical.carried), failsafe]
