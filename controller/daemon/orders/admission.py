"""What a well-formed request becomes at this site, or every reason why it can be no order here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from controller.core.floor import declared_floor_w
from controller.core.reasons import Code, Parameter, Reason
from controller.core.site import F64, Site
from controller.core.snapshot import OrderLimit
from controller.daemon.access import Principal
from controller.daemon.orders.records import OpenOrder, OrderKey, Outcome
from controller.daemon.orders.refusal import Cause, OrderRefused
from controller.daemon.orders.request import OrderRequest, content_hash
from controller.daemon.utc import Utc

#: A limit or a cut of more than this many times the contract is taken for a wrong unit.
ABSURD: Final = 10.0
#: An order that brings its node down by a ramp has to have done so after a day, also one without an end.
LONGEST_RAMP_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerNow:
    """What is known of the nodes at the acceptance of an order.

    `power_w`: each node's fresh, trusted power, None without one; empty where nothing is known. `cut_from_w` (N,): what an
    order to reduce counts from, not finite where nobody has seen a node lately, None where it is as `power_w`.
    `floor_w` (N,): watts with everything off, None for the declared ones. `achievable_w` (N,): the least that it can be
    brought to now, `in_the_way`: what stands in the way of less at a node.
    """

    power_w: tuple[float | None, ...] = ()
    cut_from_w: F64 | None = None
    floor_w: F64 | None = None
    achievable_w: F64 | None = None
    in_the_way: Callable[[int], tuple[Reason, ...]] = lambda _node: ()

    def of_node(self, node: int) -> float | None:
        """Return the trusted power of a node, None without one."""
        watts = self.power_w[node] if self.power_w else None
        return watts if watts is not None and math.isfinite(watts) else None

    def to_cut_from(self, node: int) -> float | None:
        """Return what an order to reduce a node counts from now, None where nobody knows."""
        if self.cut_from_w is None:
            return self.of_node(node)
        watts = float(self.cut_from_w[node])
        return watts if math.isfinite(watts) else None

    def floor_of_node(self, node: int, site: Site) -> float:
        """Return what a node draws with everything off, the declared watts where it is not known better."""
        floor_w = math.nan if self.floor_w is None else float(self.floor_w[node])
        return floor_w if math.isfinite(floor_w) else float(declared_floor_w(site)[node])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far an order can be kept now. `achievable_w`: the least that its node can be brought to; `reasons`: what keeps it from the limit."""

    outcome: Outcome
    achievable_w: float
    reasons: tuple[Reason, ...]


def reach(limit: OrderLimit, site: Site, power: PowerNow) -> Reach:
    """Return how far an order can be kept, by what is known now."""
    floor_w, name = power.floor_of_node(limit.node, site), site.tree.ids[limit.node]
    least_w = floor_w if power.achievable_w is None else max(floor_w, float(power.achievable_w[limit.node]))
    if limit.reduce_by_w is not None:
        later = Reason(Code.ORDER_WORKED_OUT_LATER, name, {"reduce_by_w": limit.reduce_by_w})
        return Reach(outcome=Outcome.ACCEPTED, achievable_w=least_w, reasons=(later,))
    if limit.limit_w >= least_w:
        return Reach(outcome=Outcome.ACCEPTED, achievable_w=least_w, reasons=())
    reasons = [Reason(Code.ORDER_UNDER_FLOOR, name, {"floor_w": floor_w})] if limit.limit_w < floor_w else []
    if least_w > floor_w:
        reasons.append(Reason(Code.ORDER_UNREACHABLE, name, {"achievable_w": least_w}))
        reasons += power.in_the_way(limit.node)
    return Reach(outcome=Outcome.PARTIAL, achievable_w=least_w, reasons=tuple(reasons))


def admit(
    request: OrderRequest,
    site: Site,
    power: PowerNow,
    utc: Utc,
    by: Principal,
    known: OpenOrder | None = None,
    *,
    stated: bool = False,
) -> OpenOrder:
    """Return the order that the request becomes, or what becomes of the `known` one; OrderRefused with every reason why none can.

    `stated`: it is listed among those in force, so that its ramp may be over by now.
    """
    reasons = (
        *_reasons_of_node(request, site, power, utc, by.name),
        *_reasons_of_size(request, site.rules.contract_w, by.name),
        *_reasons_of_time(request, utc, by.name),
    )
    if not reasons and not stated:
        reasons = (*_reasons_of_ramp(request, site, power, utc, by.name),)
    if reasons:
        raise OrderRefused(Cause.INVALID, *reasons)
    limit = _limit(request, site, power, utc, str(known.key if known else OrderKey(by.name, request.id)))
    if known is not None:
        limit = _going_on(limit, known.limit, request)
    now = reach(limit, site, power)
    return OpenOrder(
        limit=limit,
        node=_node_of(request, site),
        content=content_hash(request, site),
        by=known.by if known else by.name,
        role=known.role if known else by.role,
        accepted_utc_s=known.accepted_utc_s if known else utc.utc_s,
        outcome=now.outcome,
        achievable_w=now.achievable_w,
        reasons=now.reasons,
    )


def _limit(request: OrderRequest, site: Site, power: PowerNow, utc: Utc, name: str) -> OrderLimit:
    node = site.tree.ids.index(_node_of(request, site))
    later = request.reduce_by_w is not None and _is_later(request, utc)
    return OrderLimit(
        id=name,
        node=node,
        limit_w=math.inf if later else _limit_w(request, site, power.to_cut_from(node)),
        starts_utc_s=utc.utc_s if request.starts_at is None else request.starts_at.timestamp(),
        ends_utc_s=math.inf if request.ends_at is None else request.ends_at.timestamp(),
        ramp_w_s=math.inf if request.ramp_w_per_s is None else request.ramp_w_per_s,
        begun=request.starts_at is None,
        revision=request.revision,
        reduce_by_w=request.reduce_by_w if later else None,
    )


def _going_on(limit: OrderLimit, before: OrderLimit, request: OrderRequest) -> OrderLimit:
    """Return the next revision of a limit: what has begun has begun, unless it is to start later than it did."""
    if not before.begun:
        return limit
    if request.starts_at is None:
        return replace(limit, starts_utc_s=before.starts_utc_s)
    return replace(limit, begun=limit.starts_utc_s <= before.starts_utc_s)


def _is_later(request: OrderRequest, utc: Utc) -> bool:
    return request.starts_at is not None and request.starts_at.timestamp() > utc.utc_s


def _node_of(request: OrderRequest, site: Site) -> str:
    return site.tree.ids[0] if request.node is None else request.node


def _limit_w(request: OrderRequest, site: Site, from_w: float | None) -> float:
    if request.limit_w is not None:
        return request.limit_w
    if request.limit_percent is not None:
        return request.limit_percent / 100.0 * site.rules.contract_w
    assert request.reduce_by_w is not None and from_w is not None  # noqa: S101, PT018  refused before
    return max(0.0, from_w - request.reduce_by_w)


def _reasons_of_node(request: OrderRequest, site: Site, power: PowerNow, utc: Utc, issuer: str) -> Iterator[Reason]:
    node = _node_of(request, site)
    if node not in site.tree.ids:
        yield Reason(Code.ORDER_NODE_UNKNOWN, issuer, {"node": node, "allowed": ", ".join(site.tree.ids)})
    elif request.reduce_by_w is not None and not _is_later(request, utc):
        yield from _unless_seen(node, power.to_cut_from(site.tree.ids.index(node)), issuer)


def _unless_seen(node: str, watts: float | None, issuer: str) -> Iterator[Reason]:
    if watts is None:
        yield Reason(Code.ORDER_WITHOUT_POWER, issuer, {"node": node})


def _reasons_of_size(request: OrderRequest, contract_w: float, issuer: str) -> Iterator[Reason]:
    sizes = {"limit_w": request.limit_w, "reduce_by_w": request.reduce_by_w}
    given = {name: watts for name, watts in sizes.items() if watts is not None}
    for name, watts in given.items():
        if watts > ABSURD * contract_w:
            parameters: dict[str, Parameter] = {"field": name, "size_w": watts, "contract_w": contract_w}
            yield Reason(Code.ORDER_ABSURD, issuer, parameters)
    if len(given) + (request.limit_percent is not None) != 1:
        yield Reason(Code.ORDER_SIZE_AMBIGUOUS, issuer)


def _reasons_of_ramp(request: OrderRequest, site: Site, power: PowerNow, utc: Utc, issuer: str) -> Iterator[Reason]:
    """Refuse a ramp by which the node is not down before the order ends, or within `LONGEST_RAMP_S`."""
    if request.ramp_w_per_s is None:
        return
    starts_utc_s = utc.utc_s if request.starts_at is None else request.starts_at.timestamp()
    lasts_s = math.inf if request.ends_at is None else request.ends_at.timestamp() - starts_utc_s
    lasts_s = min(lasts_s, LONGEST_RAMP_S)
    fall_w = request.reduce_by_w
    if fall_w is None:
        fall_w = _highest_w(request, site, power, utc) - _limit_w(request, site, None)
    if request.ramp_w_per_s * lasts_s < fall_w:
        yield Reason(Code.ORDER_RAMP_TOO_SLOW, issuer, {"least_w_s": fall_w / lasts_s})


def _highest_w(request: OrderRequest, site: Site, power: PowerNow, utc: Utc) -> float:
    """Return what a node may come down from: what it draws now, or later and where nobody sees it, all that it may."""
    node = site.tree.ids.index(_node_of(request, site))
    now_w = None if _is_later(request, utc) else power.of_node(node)
    return min(site.rules.contract_w, float(site.tree.limit_w[node])) if now_w is None else now_w


def _reasons_of_time(request: OrderRequest, utc: Utc, issuer: str) -> Iterator[Reason]:
    if request.ends_at is None:
        return
    ends_utc_s = request.ends_at.timestamp()
    if request.starts_at is not None and ends_utc_s <= request.starts_at.timestamp():
        yield Reason(Code.ORDER_ENDS_BEFORE_START, issuer)
    # By a clock in doubt the order may still be needed, so only a trusted one calls it past.
    elif utc.trusted and ends_utc_s <= utc.utc_s:
        yield Reason(Code.ORDER_ENDED_ALREADY, issuer)
