"""Whether each order in force is kept, and since when."""

from __future__ import annotations

from collections.abc import Iterable

from controller.core.limits.envelope import Envelope, Limit
from controller.core.limits.orders import OrderNow, OrderRamp, kept
from controller.core.limits.overrun import Overrun, tolerance_w
from controller.core.reasons import Code, Reason
from controller.core.site import F64, Site


def orders_now(
    before: Iterable[OrderNow],
    ramps: tuple[OrderRamp, ...],
    limits: tuple[Limit, ...],
    power_w: tuple[float | None, ...],
    bounds: Envelope,
    floor_w: F64,
    overrun: Overrun,
    now_s: float,
) -> tuple[OrderNow, ...]:
    """Return how the orders are kept that have these ramps, and ask for these limits now, in the same sequence.

    `before`: as of the last tick. Per node (N,): trusted `power_w`, and the `floor_w` that is sure.
    """
    known, found = {order.id: order for order in before}, []
    for ramp, limit in zip(ramps, limits, strict=True):
        node = limit.node
        tolerated_w = tolerance_w(overrun, node, limit.limit_w)
        compliance = kept(power_w[node], limit.limit_w, float(floor_w[node]), tolerated_w)
        was = known.get(ramp.id)
        now = OrderNow(
            id=ramp.id,
            node=node,
            limit_w=limit.limit_w,
            final_w=ramp.limit_w,
            since_s=now_s
            if was is None or (was.revision, was.compliance) != (ramp.revision, compliance)
            else was.since_s,
            power_w=power_w[node],
            achievable_w=float(bounds.achievable_w[node]),
            compliance=compliance,
            revision=ramp.revision,
        )
        found.append(now)
    return tuple(found)


def unseen(site: Site, orders: Iterable[OrderNow]) -> tuple[Reason, ...]:
    """Name the nodes under an order whose power nobody sees."""
    nodes = dict.fromkeys(order.node for order in orders if order.power_w is None)
    return tuple(Reason(Code.NODE_UNSEEN, site.tree.ids[n]) for n in nodes)
