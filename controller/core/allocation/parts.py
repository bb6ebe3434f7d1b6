"""What was made of the envelopes in a tick, from what the step has worked out anyway."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.core.allocation.allocator import Allotment
from controller.core.allocation.tables import Tables
from controller.core.fleet.bounds import SumBelow
from controller.core.fleet.leases import CONTACT_S, Leases, committed_w
from controller.core.kernels.tree import PathSums
from controller.core.limits.envelope_use import EnvelopeUse
from controller.core.limits.parts import EnvelopePart
from controller.core.masks import every, some
from controller.core.site import F64
from controller.core.snapshot import FleetColumns, Snapshot
from controller.core.trust.node_power import NodePower


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What of the envelopes was offered to the devices, and what was made of it.

    Per node (N,): `limit_w`, its envelope; `house_w`; `room_w` that was allotted from, for the site without the `reserve_w` that only
    caps may be raised by and the `demand_w` that is kept free for what is billed; `unheard_w` that devices may draw that were never heard of. Per device (D,): `allotted_w`, `upper_w` that it might
    have been allotted, `stuck_w` that cannot be freed.
    """

    limit_w: F64
    house_w: F64
    room_w: F64
    reserve_w: float
    demand_w: float
    unheard_w: F64
    allotted_w: F64
    upper_w: F64
    stuck_w: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class UseOfTick:
    """What a tick made of the envelopes: the columns that it left, which nobody changes any more. Whoever asks sums them.

    `least_w` (N,): the smallest that a trusted meter of each node shows. `allotment`: with what a watt more of each limit would have earned.
    `sent`: the leases after it.
    """

    tables: Tables
    snapshot: Snapshot
    power: NodePower
    least_w: F64
    offered: Offered
    sent: Leases
    allotment: Allotment

    def by_node(self) -> dict[int, dict[EnvelopePart, float]]:
        """Return the watts by node and part."""
        return self.use().by_node()

    def use(self) -> EnvelopeUse:
        """Return what was made of the envelopes."""
        tables, offered, sent, below = self.tables, self.offered, self.sent, PathSums(self.tables.paths)
        planned_w, committed_below_w, taken_w, could_w = below.each(
            sent.setpoint_w,
            committed_w(sent, tables.site.devices),
            np.maximum(offered.allotted_w, offered.stuck_w),
            np.minimum(offered.upper_w, tables.pays_w),
        )
        return EnvelopeUse(
            limit_w=offered.limit_w,
            power_w=self.power.watts, least_w=self.least_w, known=self.power.known,
            house_w=offered.house_w, metered=tables.metered,
            room_w=offered.room_w, reserve_w=offered.reserve_w, demand_w=offered.demand_w, unheard_w=offered.unheard_w,
            most_w=tables.max_below_w, pays_w=tables.pays_below_w, could_w=could_w, taken_w=taken_w,
            planned_w=planned_w, committed_w=committed_below_w,
            price_per_h=tables.allocator.limit_prices(self.allotment),
            under_way_w=_under_way(tables, self.snapshot, offered, sent, below, short=some(taken_w > planned_w)),
        )  # fmt: skip


def use_at_rest(tables: Tables, offered: Offered, price_per_h: F64, below: SumBelow) -> EnvelopeUse:
    """Return what is made of the envelopes where all that is allotted is drawn, and no meter looks; `price_per_h` (N,): of limits."""
    used_w, could_w = below.each(offered.allotted_w, np.minimum(offered.upper_w, tables.pays_w))
    return EnvelopeUse(
        limit_w=offered.limit_w,
        power_w=np.zeros_like(used_w), least_w=np.zeros_like(used_w), known=np.zeros(used_w.size, dtype=np.bool_),
        house_w=offered.house_w, metered=tables.metered,
        room_w=offered.room_w, reserve_w=offered.reserve_w, demand_w=offered.demand_w, unheard_w=offered.unheard_w,
        most_w=tables.max_below_w, pays_w=tables.pays_below_w, could_w=could_w, taken_w=used_w,
        planned_w=used_w, committed_w=used_w,
        price_per_h=price_per_h,
        under_way_w={},
    )  # fmt: skip


def _under_way(
    tables: Tables, snapshot: Snapshot, offered: Offered, sent: Leases, below: SumBelow, *, short: bool
) -> dict[EnvelopePart, F64]:
    """Return the sums below each node (N,) of what is on its way, but for what is nothing; `short`: something allotted is not set."""
    devices, watts = tables.site.devices, {}
    if short:
        short_w = offered.allotted_w - sent.setpoint_w
        watts[EnvelopePart.LEAST_STEP] = short_w * ((short_w > 0.0) & (short_w < tables.least_step_w))
    if not every(devices.steady):
        watts[EnvelopePart.CAPS] = _idle_w(tables, snapshot.fleet, sent, snapshot.now_s)
    if not every(sent.low_w == sent.setpoint_w):
        watts[EnvelopePart.STARTING] = (sent.setpoint_w - sent.low_w) * devices.steady
    return dict(zip(watts, below.each(*watts.values()), strict=True)) if watts else {}


def _idle_w(tables: Tables, fleet: FleetColumns, sent: Leases, now_s: float) -> F64:
    """Return how far the caps of devices (D,) are above what their jobs are said to draw; of one that nobody has heard of, nothing."""
    devices, idle_w = tables.site.devices, np.zeros(sent.setpoint_w.size)
    mine = np.flatnonzero(~devices.steady)
    heard = (now_s - fleet.heard_s <= CONTACT_S)[devices.agent[mine]] & np.isfinite(fleet.measured_w[mine])
    drawn_w = np.where(heard, fleet.measured_w[mine], np.inf)
    idle_w[mine] = np.maximum(sent.setpoint_w[mine] - drawn_w, 0.0)
    return idle_w
