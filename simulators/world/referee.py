"""The judge of the site, from the world's own truth and the orders that the authority really sent.

Nothing here knows the controller. All powers are true powers, sampled every `step_s`, before any meter's noise.

Envelope of a node
    The smallest of its rating and of the orders on it; for the site also of the contract and of firm + surplus.
Violation (invariant I1)
    The power is above ``bound = highest + max(1 %, class of the node's meter) * highest``, where `highest` is the
    highest max(envelope, floor) over the last s seconds; s is the settle time, or lease + settle while agents are out
    of contact and for the settle time afterwards. Its kW·s are those above `highest`. Every node is judged; an excess
    below the site counts as a violation of that node.
Raw offer
    The envelope of the site. Of it is used what is drawn inside it, ``min(power, envelope)``.
Offer
    What a site without any fault of its own could have used: it starts from the power at the beginning; it never
    exceeds the envelope, nor what devices and house could draw (each device from its own up time after the beginning
    on, a GPU node what its present jobs use, all within the limits of the tree); it follows a fall at once, and a rise
    after the device latency and no faster than the declared up-ramp. The device latency is the median of the devices'
    up times, weighted by their signed maxima. Used is what is drawn inside the offer; utilisation is used / offered.
Up-ramp
    The part of the site's power that setpoints lead may not rise by more than the declared ramp over ten seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from simulators.world.report import OrderReport, RefereeReport
from simulators.world.site import F64, I64, WorldSite

Bool = NDArray[np.bool_]

Scalar = TypeVar("Scalar", bound=np.generic)

RAMP_WINDOW_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the site has to keep: N nodes, node 0 is the site. `latency_s`: see "Offer"."""

    node_ids: tuple[str, ...]
    parent: I64
    limit_w: F64
    accuracy: F64
    contract_w: float
    firm_w: float
    ramp_up_w_s: float
    settle_s: float
    lease_s: float
    latency_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From where on the verdict is a failure. `orders`: how many orders must have been sent, at least."""

    violation_s: float = 0.0
    utilisation: float = 0.9
    orders: int = 0
    binding_s: float = 30.0
    response_s: float = 12.0
    ramp_excess_share: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class SentOrder:
    """One order as sent, at seconds of the trace; `released_s` is inf while it stands."""

    id: str
    node: int
    limit_w: float
    sent_s: float
    released_s: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """T samples of the judged window, one every `step_s`.

    `surplus_w`, `led_w` (T,): true surplus, and the part of the site's power that setpoints lead.
    `power_w`, `floor_w` (T, N): true power and true floor of the nodes.
    `able_w` (T, N): what the devices directly on a node, and its own house, could draw; see "Offer".
    `lost` (T,): True while agents are out of contact.
    """

    step_s: float
    surplus_w: F64
    led_w: F64
    power_w: F64
    floor_w: F64
    able_w: F64
    lost: Bool


def terms_of(site: WorldSite) -> Terms:
    """Return the terms of a site."""
    return Terms(
        node_ids=site.node_ids,
        parent=site.parent,
        limit_w=site.limit_w,
        accuracy=site.accuracy,
        contract_w=site.contract_w,
        firm_w=site.firm_w,
        ramp_up_w_s=site.ramp_up_w_s,
        settle_s=site.settle_s,
        lease_s=site.lease_s,
        latency_s=_latency_s(site),
    )


def _latency_s(site: WorldSite) -> float:
    fleet = sorted(site.devices, key=lambda device: device.model.up_s)
    reached_w = np.cumsum([device.model.max_w for device in fleet])
    return fleet[int(np.searchsorted(reached_w, reached_w[-1] / 2.0))].model.up_s if fleet else 0.0


def limits_w(terms: Terms, orders: tuple[SentOrder, ...], *, t_s: float, surplus_w: float) -> dict[str, float]:
    """Return every limit of the site that holds at `t_s`, by name."""
    limits = {"contract": terms.contract_w, "surplus": terms.firm_w + surplus_w}
    limits[f"rating:{terms.node_ids[0]}"] = float(terms.limit_w[0])
    limits |= {f"order:{o.id}": o.limit_w for o in orders if o.node == 0 and o.sent_s <= t_s < o.released_s}
    return limits


def judge(trace: Trace, terms: Terms, orders: tuple[SentOrder, ...], thresholds: Thresholds) -> RefereeReport:
    """Return the verdict on a trace of at least one sample."""
    samples = len(trace.surplus_w)
    t_s: F64 = trace.step_s * np.arange(samples, dtype=np.float64)
    envelope_w = _envelope_w(trace, terms, orders, t_s)
    excess_w, broken = _excess_w(trace, terms, envelope_w)
    offer_w = _offer_w(trace, terms, envelope_w)
    site_w, hours = trace.power_w[:, 0], trace.step_s / 3600.0
    raw_w = np.maximum(envelope_w[:, 0], 0.0)
    offered_wh, used_wh = offer_w.sum() * hours, np.minimum(site_w, offer_w).sum() * hours
    offered_raw_wh, used_raw_wh = raw_w.sum() * hours, np.minimum(site_w, raw_w).sum() * hours
    ramp_excess_w = _largest_rise_w(trace.led_w, trace.step_s, RAMP_WINDOW_S) - terms.ramp_up_w_s * RAMP_WINDOW_S
    violation_s = broken.sum(axis=0) * trace.step_s
    met = tuple(_order_report(order, trace, terms, envelope_w, t_s, thresholds) for order in orders)
    report = RefereeReport(
        seconds=samples * trace.step_s,
        offered_wh=float(offered_wh),
        used_wh=float(used_wh),
        utilisation=_share(used_wh, offered_wh),
        offered_raw_wh=float(offered_raw_wh),
        used_raw_wh=float(used_raw_wh),
        utilisation_raw=_share(used_raw_wh, offered_raw_wh),
        violation_s=float(violation_s[0]),
        violation_kws=float(excess_w[:, 0][broken[:, 0]].sum() * trace.step_s / 1e3),
        largest_excess_w=float(excess_w[:, 0].max(initial=0.0, where=broken[:, 0])),
        node_violation_s=dict(zip(terms.node_ids, map(float, violation_s), strict=True)),
        infeasible_s=float(np.sum(envelope_w[:, 0] < trace.floor_w[:, 0]) * trace.step_s),
        largest_step_w=_largest_step_w(site_w, trace.step_s),
        ramp_excess_w=max(0.0, ramp_excess_w),
        orders=met,
        passed=True,
        reasons=(),
    )
    return _verdict(report, terms, thresholds)


def _envelope_w(trace: Trace, terms: Terms, orders: tuple[SentOrder, ...], t_s: F64) -> F64:
    """Return (T, N): the envelope of every node."""
    envelope_w = np.tile(terms.limit_w, (len(t_s), 1))
    envelope_w[:, 0] = np.minimum(envelope_w[:, 0], terms.contract_w)
    envelope_w[:, 0] = np.minimum(envelope_w[:, 0], terms.firm_w + trace.surplus_w)
    for order in orders:
        stands = (t_s >= order.sent_s) & (t_s < order.released_s)
        envelope_w[stands, order.node] = np.minimum(envelope_w[stands, order.node], order.limit_w)
    return envelope_w


def _excess_w(trace: Trace, terms: Terms, envelope_w: F64) -> tuple[F64, Bool]:
    """Return (T, N) watts above the highest max(envelope, floor) of the last s seconds, and where I1 is broken."""
    allowed_w = np.maximum(envelope_w, trace.floor_w)
    highest_w = _highest(allowed_w, _steps(terms.settle_s, trace.step_s))
    if trace.lost.any():
        lost = _highest(trace.lost[:, None], _steps(terms.settle_s, trace.step_s))
        long_w = _highest(allowed_w, _steps(terms.lease_s + terms.settle_s, trace.step_s))
        highest_w = np.where(lost, long_w, highest_w)
    bound_w = highest_w * (1.0 + np.maximum(0.01, terms.accuracy))
    excess_w = np.where(np.isfinite(highest_w), trace.power_w - highest_w, 0.0)
    return excess_w, trace.power_w > bound_w


def _offer_w(trace: Trace, terms: Terms, envelope_w: F64) -> F64:
    """Return (T,): the offer of the module's docstring."""
    able_w = trace.able_w.copy()
    for node in range(len(terms.parent) - 1, 0, -1):
        able_w[:, terms.parent[node]] += np.minimum(able_w[:, node], envelope_w[:, node])
    ceiling_w = np.maximum(np.minimum(able_w[:, 0], envelope_w[:, 0]), 0.0)
    begin_w = min(float(trace.power_w[0, 0]), float(ceiling_w[0]))
    delay = _steps(terms.latency_s, trace.step_s)
    late_w = -_highest(-np.concatenate([np.full(delay, begin_w), ceiling_w])[:, None], delay)[delay:, 0]
    offer_w = np.empty_like(ceiling_w)
    last_w, rise_w = begin_w, terms.ramp_up_w_s * trace.step_s
    for i, target_w in enumerate(late_w):
        last_w = min(float(target_w), last_w + rise_w)
        offer_w[i] = last_w
    return offer_w


def _order_report(
    order: SentOrder, trace: Trace, terms: Terms, envelope_w: F64, t_s: F64, thresholds: Thresholds
) -> OrderReport:
    power_w, floor_w = trace.power_w[:, order.node], trace.floor_w[:, order.node]
    sent = min(int(np.searchsorted(t_s, order.sent_s)), len(t_s) - 1)
    released = int(np.searchsorted(t_s, order.released_s))
    binds = order.limit_w <= envelope_w[sent:released, order.node]
    before_w = float(power_w[max(sent - 1, 0)])
    reach_w = np.maximum(order.limit_w, floor_w[sent:released])
    above = np.flatnonzero(power_w[sent:released] > reach_w + 0.05 * np.maximum(before_w - reach_w, 0.0))
    settled = int(above[-1]) + 1 if len(above) else 0
    response_s = settled * trace.step_s if settled < released - sent else None
    return OrderReport(
        id=order.id,
        node=terms.node_ids[order.node],
        limit_w=order.limit_w,
        before_w=before_w,
        sent_s=order.sent_s,
        released_s=None if math.isinf(order.released_s) else order.released_s,
        binding_s=float(binds.sum() * trace.step_s),
        response_s=response_s,
        met=response_s is not None and response_s <= thresholds.response_s,
    )


def _verdict(report: RefereeReport, terms: Terms, thresholds: Thresholds) -> RefereeReport:
    reasons = [
        f"{node}: {seconds:.1f} s above its envelope"
        for node, seconds in report.node_violation_s.items()
        if seconds > thresholds.violation_s
    ]
    if report.utilisation is None or report.utilisation < thresholds.utilisation:
        used = "nothing was offered" if report.utilisation is None else f"utilisation is {report.utilisation:.1%}"
        reasons.append(f"{used}, at least {thresholds.utilisation:.0%} is wanted")
    if report.ramp_excess_w > thresholds.ramp_excess_share * terms.ramp_up_w_s * RAMP_WINDOW_S:
        reasons.append(
            f"a rise over {RAMP_WINDOW_S:.0f} s is {report.ramp_excess_w / 1e3:.1f} kW above the declared ramp"
        )
    if len(report.orders) < thresholds.orders:
        reasons.append(f"{len(report.orders)} order(s) were sent, {thresholds.orders} is wanted")
    for order in report.orders:
        reasons.extend(_order_reasons(order, thresholds))
    return msgspec.structs.replace(report, passed=not reasons, reasons=tuple(reasons))


def _order_reasons(order: OrderReport, thresholds: Thresholds) -> Iterator[str]:
    if order.binding_s < thresholds.binding_s:
        yield f"order {order.id} was binding for {order.binding_s:.1f} s, {thresholds.binding_s:.0f} s is wanted"
    if not order.met:
        took = "never" if order.response_s is None else f"after {order.response_s:.1f} s"
        yield f"order {order.id} was met {took}, within {thresholds.response_s:.0f} s is wanted"


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0.0 else None


def _steps(seconds: float, step_s: float) -> int:
    return round(seconds / step_s)


def _highest(values: NDArray[Scalar], back: int) -> NDArray[Scalar]:
    """Return, per column, the highest of each value (T, N) and the `back` values before it."""
    padded = np.concatenate([np.repeat(values[:1], back, axis=0), values])
    highest: NDArray[Scalar] = sliding_window_view(padded, back + 1, axis=0).max(axis=-1)
    return highest


def _largest_rise_w(power_w: F64, step_s: float, over_s: float) -> float:
    back = _steps(over_s, step_s)
    return float(np.max(power_w[back:] - power_w[:-back], initial=0.0))


def _largest_step_w(power_w: F64, step_s: float) -> float:
    back = max(_steps(1.0, step_s), 1)
    return float(np.max(np.abs(power_w[back:] - power_w[:-back]), initial=0.0))
