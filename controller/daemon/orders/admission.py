"""What a well-formed request becomes at this site, or every reason why it can be no order here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.core.floor import declared_floor_w
from controller.core.reasons import OF_AGENTS, Code, Parameter, Reason
from controller.core.site import F64, Site
from controller.core.snapshot import OrderLimit
from controller.daemon.access import Principal
from controller.daemon.orders.records import OpenOrder, Outcome
from controller.daemon.orders.refusal import Cause, OrderRefused
from controller.daemon.orders.request import OrderRequest, content_hash
from controller.daemon.utc import Utc
from controller.texts.english import texts

#: A limit or a cut of more than this many times the contract is taken for a wrong unit.
ABSURD: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerNow:
    """What is known of the nodes at the acceptance of an order.

    `power_w`: each node's fresh, trusted power, None without one; empty where nothing is known.
    `floor_w` (N,): watts with everything off, None for the declared ones. `achievable_w` (N,): the least that it can be
    brought to now, `warnings`: what is to be known of the agents that stand in the way of less.
    """

    power_w: tuple[float | None, ...] = ()
    floor_w: F64 | None = None
    achievable_w: F64 | None = None
    warnings: tuple[Reason, ...] = ()

    def of_node(self, node: int) -> float | None:
        """Return the trusted power of a node, None without one."""
        watts = self.power_w[node] if self.power_w else None
        return watts if watts is not None and math.isfinite(watts) else None

    def floor_of_node(self, node: int, site: Site) -> float:
        """Return what a node draws with everything off, the declared watts where it is not known better."""
        floor_w = math.nan if self.floor_w is None else float(self.floor_w[node])
        return floor_w if math.isfinite(floor_w) else float(declared_floor_w(site)[node])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far an order can be kept now. `achievable_w`: what it can bring its node to; `reasons`: why that is not its limit."""

    outcome: Outcome
    achievable_w: float
    reasons: tuple[Reason, ...]


def reach(limit: OrderLimit, site: Site, power: PowerNow) -> Reach:
    """Return how far an order can be kept, by what is known now."""
    floor_w, name = power.floor_of_node(limit.node, site), site.tree.ids[limit.node]
    least_w = floor_w if power.achievable_w is None else max(floor_w, float(power.achievable_w[limit.node]))
    if limit.limit_w >= least_w:
        return Reach(outcome=Outcome.ACCEPTED, achievable_w=limit.limit_w, reasons=())
    reasons = [Reason(Code.ORDER_UNDER_FLOOR, name, {"floor_w": floor_w})] if limit.limit_w < floor_w else []
    if least_w > floor_w:
        why = texts(in_the_way(site, limit.node, power.warnings))
        reasons.append(Reason(Code.ORDER_UNREACHABLE, name, {"achievable_w": least_w, "why": why}))
    return Reach(outcome=Outcome.PARTIAL, achievable_w=least_w, reasons=tuple(reasons))


def in_the_way(site: Site, node: int, warnings: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return what is said of the agents that have devices below a node."""
    below = {node}
    for n, above in enumerate(site.tree.parent.tolist()):
        if above in below:
            below.add(n)
    agents = {site.agents[a] for a in np.unique(site.devices.agent[np.isin(site.devices.node, list(below))]).tolist()}
    return tuple(reason for reason in warnings if reason.code in OF_AGENTS and reason.subject in agents)


def admit(request: OrderRequest, site: Site, power: PowerNow, utc: Utc, by: Principal) -> OpenOrder:
    """Return the order that the request becomes; OrderRefused with every reason why it cannot."""
    reasons = (
        *_reasons_of_node(request, site, power, by.name),
        *_reasons_of_size(request, site.rules.contract_w, by.name),
        *_reasons_of_time(request, utc, by.name),
    )
    if reasons:
        raise OrderRefused(Cause.INVALID, *reasons)
    node = _node_of(request, site)
    index = site.tree.ids.index(node)
    limit = OrderLimit(
        id=request.id,
        node=index,
        limit_w=_limit_w(request, power.of_node(index)),
        starts_utc_s=utc.utc_s if request.starts_at is None else request.starts_at.timestamp(),
        ends_utc_s=math.inf if request.ends_at is None else request.ends_at.timestamp(),
        ramp_w_s=math.inf if request.ramp_w_per_s is None else request.ramp_w_per_s,
        begun=request.starts_at is None,
    )
    now = reach(limit, site, power)
    return OpenOrder(
        limit=limit,
        node=node,
        content=content_hash(request, site),
        by=by.name,
        accepted_utc_s=utc.utc_s,
        outcome=now.outcome,
        achievable_w=now.achievable_w,
        why=texts(now.reasons),
    )


def _node_of(request: OrderRequest, site: Site) -> str:
    return site.tree.ids[0] if request.node is None else request.node


def _limit_w(request: OrderRequest, node_w: float | None) -> float:
    if request.limit_w is not None:
        return request.limit_w
    assert request.reduce_by_w is not None and node_w is not None  # noqa: S101, PT018  refused before
    return max(0.0, node_w - request.reduce_by_w)


def _reasons_of_node(request: OrderRequest, site: Site, power: PowerNow, issuer: str) -> Iterator[Reason]:
    node = _node_of(request, site)
    if node not in site.tree.ids:
        yield Reason(Code.ORDER_NODE_UNKNOWN, issuer, {"node": node, "allowed": ", ".join(site.tree.ids)})
    elif request.reduce_by_w is not None and power.of_node(site.tree.ids.index(node)) is None:
        yield Reason(Code.ORDER_WITHOUT_POWER, issuer, {"node": node})


def _reasons_of_size(request: OrderRequest, contract_w: float, issuer: str) -> Iterator[Reason]:
    sizes = {"limit_w": request.limit_w, "reduce_by_w": request.reduce_by_w}
    given = {name: watts for name, watts in sizes.items() if watts is not None}
    for name, watts in given.items():
        if watts > ABSURD * contract_w:
            parameters: dict[str, Parameter] = {"field": name, "size_w": watts, "contract_w": contract_w}
            yield Reason(Code.ORDER_ABSURD, issuer, parameters)
    if len(given) != 1:
        yield Reason(Code.ORDER_SIZE_AMBIGUOUS, issuer)


def _reasons_of_time(request: OrderRequest, utc: Utc, issuer: str) -> Iterator[Reason]:
    if request.ends_at is None:
        return
    ends_utc_s = request.ends_at.timestamp()
    if request.starts_at is not None and ends_utc_s <= request.starts_at.timestamp():
        yield Reason(Code.ORDER_ENDS_BEFORE_START, issuer)
    # By a clock in doubt the order may still be needed, so only a trusted one calls it past.
    elif utc.trusted and ends_utc_s <= utc.utc_s:
        yield Reason(Code.ORDER_ENDED_ALREADY, issuer)
