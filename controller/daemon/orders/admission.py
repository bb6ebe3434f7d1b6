"""What a well-formed request becomes at this site, or every reason why it can be no order here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from controller.core.floor import declared_floor_w
from controller.core.reasons import Code, Parameter, Reason
from controller.core.site import F64, Site
from controller.core.snapshot import OrderLimit
from controller.daemon.access import Principal
from controller.daemon.orders.records import OpenOrder, Outcome
from controller.daemon.orders.refusal import Cause, OrderRefused
from controller.daemon.orders.request import OrderRequest, content_hash
from controller.daemon.utc import Utc

#: A limit or a cut of more than this many times the contract is taken for a wrong unit.
ABSURD: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerNow:
    """What is known of the nodes at the acceptance of an order.

    `power_w`: each node's fresh, trusted power, None without one; empty where nothing is known.
    `floor_w` (N,): watts with everything off, None for the declared ones.
    """

    power_w: tuple[float | None, ...] = ()
    floor_w: F64 | None = None

    def of_node(self, node: int) -> float | None:
        """Return the trusted power of a node, None without one."""
        watts = self.power_w[node] if self.power_w else None
        return watts if watts is not None and math.isfinite(watts) else None

    def floor_of_node(self, node: int, site: Site) -> float:
        """Return what a node draws with everything off, the declared watts where it is not known better."""
        floor_w = math.nan if self.floor_w is None else float(self.floor_w[node])
        return floor_w if math.isfinite(floor_w) else float(declared_floor_w(site)[node])


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
    floor_w = power.floor_of_node(index, site)
    return OpenOrder(
        limit=limit,
        node=node,
        content=content_hash(request, site),
        by=by.name,
        accepted_utc_s=utc.utc_s,
        outcome=Outcome.PARTIAL if limit.limit_w < floor_w else Outcome.ACCEPTED,
        achievable_w=max(floor_w, limit.limit_w),
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
