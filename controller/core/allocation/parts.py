"""Where each watt of an envelope goes in a tick, from what the step has worked out anyway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from controller.core.allocation.tables import Tables
from controller.core.fleet.bounds import SumBelow
from controller.core.fleet.leases import CONTACT_S, Leases, committed_w
from controller.core.floor import watts_below
from controller.core.limits.house_load import HOUSE_DRIFT
from controller.core.limits.parts import EnvelopePart, EnvelopeParts
from controller.core.masks import every, some
from controller.core.site import F64, I64
from controller.core.snapshot import FleetColumns, Snapshot
from controller.core.trust.node_power import NodePower

#: Of so many nodes the parts are told.
MOST_NODES: Final = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What of the envelopes was offered to the devices, and what was made of it.

    Per node (N,): `limit_w`, its envelope; `house_w`; `room_w` that was allotted from, for the site without the `reserve_w` that only caps may be raised by;
    `unheard_w` that devices may draw that were never heard of. Per device (D,): `allotted_w`, `upper_w` that it might have been allotted, `stuck_w` that
    cannot be freed.
    """

    limit_w: F64
    house_w: F64
    room_w: F64
    reserve_w: float
    unheard_w: F64
    allotted_w: F64
    upper_w: F64
    stuck_w: F64


class PlannedPower(NamedTuple):
    """Planned and committed watts of the devices below each node (N,), and the parts of the envelopes."""

    planned_w: F64
    committed_w: F64
    parts: EnvelopeParts


def planned_power(
    tables: Tables, snapshot: Snapshot, seen: tuple[NodePower, F64], offered: Offered, sent: Leases, below: SumBelow
) -> PlannedPower:
    """Return what `sent` comes to. `seen`: the power of the nodes, and the smallest that a trusted meter of each (N,) shows."""
    devices, envelope_w = tables.site.devices, offered.limit_w
    planned_w, committed_below_w, taken_w, could_w = below.each(
        sent.setpoint_w,
        committed_w(sent, devices),
        np.maximum(offered.allotted_w, offered.stuck_w),
        np.minimum(offered.upper_w, tables.pays_w),
    )
    prices = tables.allocator.limit_prices()
    at = _told_of(prices, envelope_w)
    claims_w = _kept(tables, offered, at)
    claims_w |= _left_over(tables, offered, prices, taken_w, could_w, at)
    claims_w |= _under_way(tables, snapshot, offered, sent, (planned_w, committed_below_w, taken_w), below, at)
    (power, least_w), known = seen, seen[0].known[at]
    most_w = power.watts[at] * known
    parts = EnvelopeParts(
        nodes=at,
        whole_w=envelope_w[at],
        least_w=np.minimum(least_w[at], most_w),
        most_w=most_w,
        counted_w=(planned_w + offered.house_w)[at] * ~known,
        claims_w=claims_w,
    )
    return PlannedPower(planned_w, committed_below_w, parts)


def parts_at_rest(tables: Tables, offered: Offered, prices: F64, used_w: F64) -> EnvelopeParts:
    """Return the parts where all that is allotted is drawn: `used_w` by the devices below each node (N,), at these `prices` (N,) of limits."""
    at = _told_of(prices, offered.limit_w)
    none_w = np.zeros(at.size)
    could_w = watts_below(tables.site, np.minimum(offered.upper_w, tables.pays_w))
    return EnvelopeParts(
        nodes=at,
        whole_w=offered.limit_w[at],
        least_w=none_w,
        most_w=none_w,
        counted_w=(used_w + offered.house_w)[at],
        claims_w=_kept(tables, offered, at) | _left_over(tables, offered, prices, used_w, could_w, at),
    )


def _told_of(prices: F64, envelope_w: F64) -> I64:
    """Return the site, and the nodes whose limit binds, of very many those where one more watt is worth the most."""
    told = prices > 0.0
    told[0] = True
    at = np.flatnonzero(told & np.isfinite(envelope_w))
    if at.size > MOST_NODES:
        dear = np.argsort(-np.where(at == 0, np.inf, prices[at]), kind="stable")[:MOST_NODES]
        at = np.sort(at[dear])
    return at


def _kept(tables: Tables, offered: Offered, at: I64) -> dict[EnvelopePart, F64]:
    """Return what is kept free of the devices."""
    drift_w = HOUSE_DRIFT * offered.house_w[at]
    unheard_w = np.where(tables.metered[at], 0.0, offered.unheard_w[at])
    reserve_w = np.where(at == 0, offered.reserve_w, 0.0)
    kept_w = offered.limit_w[at] - offered.house_w[at] - offered.room_w[at]
    return {
        EnvelopePart.HOUSE_DRIFT: drift_w,
        EnvelopePart.UNHEARD: unheard_w,
        EnvelopePart.TOLERANCE: kept_w - drift_w - unheard_w - reserve_w,
        EnvelopePart.CAP_RESERVE: reserve_w,
    }


def _left_over(
    tables: Tables, offered: Offered, prices: F64, taken_w: F64, could_w: F64, at: I64
) -> dict[EnvelopePart, F64]:
    """Return what is not allotted to any device."""
    room_w, most_w, pays_w = offered.room_w[at], tables.max_below_w[at], tables.pays_below_w[at]
    wanted_w = np.maximum(could_w[at], taken_w[at])
    left_w = np.minimum(room_w, wanted_w) - taken_w[at]
    full, full_below = prices[at] > 0.0, some(prices[1:] > 0.0)
    worthless_w = np.maximum(np.minimum(room_w, most_w) - pays_w, 0.0)
    return {
        EnvelopePart.NO_DEVICE: room_w - most_w,
        # Where no limit binds, what is left is left on purpose.
        EnvelopePart.NOT_WORTH_IT: worthless_w + np.where(full | full_below, 0.0, left_w),
        EnvelopePart.HELD: np.minimum(room_w, pays_w) - wanted_w,
        EnvelopePart.LIMITS_BELOW: np.where(full | (not full_below), 0.0, left_w),
        EnvelopePart.MODES: np.where(full, left_w, 0.0),
    }


def _under_way(
    tables: Tables,
    snapshot: Snapshot,
    offered: Offered,
    sent: Leases,
    sums_w: tuple[F64, F64, F64],
    below: SumBelow,
    at: I64,
) -> dict[EnvelopePart, F64]:
    """Return what is allotted and not set yet, or set and not drawn; `sums_w` (N,): planned, committed and taken watts."""
    planned_w, committed_below_w, taken_w = (column[at] for column in sums_w)
    missing_w = np.maximum(taken_w - planned_w, 0.0)
    unproven_w = np.minimum(np.maximum(committed_below_w - planned_w, 0.0), missing_w)
    devices, watts = tables.site.devices, {}
    if some(missing_w):
        short_w = offered.allotted_w - sent.setpoint_w
        watts[EnvelopePart.LEAST_STEP] = short_w * ((short_w > 0.0) & (short_w < tables.least_step_w))
    if not every(devices.steady):
        watts[EnvelopePart.CAPS] = _idle_w(tables, snapshot.fleet, sent, snapshot.now_s)
    if not every(sent.low_w == sent.setpoint_w):
        watts[EnvelopePart.STARTING] = (sent.setpoint_w - sent.low_w) * devices.steady
    sums = below.each(*watts.values()) if watts else ()
    claims_w = {part: column[at] for part, column in zip(watts, sums, strict=True)}
    least_w = claims_w.get(EnvelopePart.LEAST_STEP, 0.0)
    return claims_w | {EnvelopePart.UNPROVEN: unproven_w, EnvelopePart.RAMP: missing_w - unproven_w - least_w}


def _idle_w(tables: Tables, fleet: FleetColumns, sent: Leases, now_s: float) -> F64:
    """Return how far the caps of devices (D,) are above what their jobs are said to draw; of one that nobody has heard of, nothing."""
    devices, idle_w = tables.site.devices, np.zeros(sent.setpoint_w.size)
    mine = np.flatnonzero(~devices.steady)
    heard = (now_s - fleet.heard_s <= CONTACT_S)[devices.agent[mine]] & np.isfinite(fleet.measured_w[mine])
    drawn_w = np.where(heard, fleet.measured_w[mine], np.inf)
    idle_w[mine] = np.maximum(sent.setpoint_w[mine] - drawn_w, 0.0)
    return idle_w
