"""Who may have how many orders open. Whatever is open, an order that tightens at once always finds room."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from controller.core.reasons import Code, Reason
from controller.core.snapshot import OrderLimit
from controller.daemon.orders.records import OpenOrder
from controller.daemon.orders.refusal import Cause, OrderRefused

#: Orders of one issuer that may bind at once, and that may be scheduled besides.
BINDING_EACH: Final = 500
SCHEDULED_EACH: Final = 500
#: Orders of one issuer that may be open while a statement of it is taken: what it lists, beside what that ends. Without the disk nothing ends.
WHILE_STATING: Final = 4000
#: Beyond its quota, each order of an issuer goes at least so far below what binds, so that their number is bounded too: from
#: 1 MW to nothing it is about 1,400 at one node. A meter does not show less than 1 %.
STEP: Final = 0.99


def in_its_room(order: OpenOrder, open_orders: Iterable[OpenOrder]) -> OpenOrder:
    """Return the order as it is taken beside those that are open; OrderRefused where there is no room for it.

    Beyond the quota of its issuer, one that binds at once and tightens is taken: below all that bind on its node, at least 1 %
    below them; below all of these that last as long, at least 1 % below those and without an end. What does not
    tighten, or is scheduled, is refused.
    """
    orders = tuple(open_orders)
    mine = [binds(each) for each in orders if each.by == order.by]
    binding, scheduled = sum(mine), len(mine) - sum(mine)
    # What was scheduled and has begun, and what was changed from one into the other, needed no room; so it takes the other's.
    if not binds(order):
        if scheduled + max(0, binding - BINDING_EACH) >= SCHEDULED_EACH:
            raise _full(order, Code.TOO_MANY_SCHEDULED, SCHEDULED_EACH)
        return order
    if binding + max(0, scheduled - SCHEDULED_EACH) < BINDING_EACH:
        return order
    return _tighter(order, [each.limit for each in orders if each.limit.node == order.limit.node and binds(each)])


def refuse_crowd(by: str, ids: Iterable[str], open_orders: Iterable[OpenOrder]) -> None:
    """Raise OrderRefused where an issuer that states orders of these ids would have too many open before any has ended."""
    if len({each.key.id for each in open_orders}.union(ids)) > WHILE_STATING:
        raise OrderRefused(Cause.FULL, Reason(Code.TOO_MANY_STATED, by, {"most": WHILE_STATING}))


def _tighter(order: OpenOrder, binding: list[OrderLimit]) -> OpenOrder:
    """Return what becomes of an order beyond its quota: it is below all that bind on its node, or below all that last as long."""
    limit_w, ends_utc_s = order.limit.limit_w, order.limit.ends_utc_s
    lasting = [each for each in binding if each.ends_utc_s >= ends_utc_s]
    if limit_w >= _tightest_w(lasting):
        raise _full(order, Code.TOO_MANY_ORDERS, BINDING_EACH)
    # One that is only longer has no end, so that of these too there are few: each is below the one before.
    below = binding
    if limit_w >= _tightest_w(binding):
        below, ends_utc_s = lasting, math.inf
    limit_w = min(limit_w, STEP * _tightest_w(below))
    limit_w = limit_w if limit_w >= 1.0 else 0.0
    return replace(order, limit=replace(order.limit, limit_w=limit_w, ends_utc_s=ends_utc_s))


def _tightest_w(limits: Iterable[OrderLimit]) -> float:
    return min((each.limit_w for each in limits), default=math.inf)


def binds(order: OpenOrder) -> bool:
    """Return whether an order counts from its acceptance on, or has begun since."""
    return order.limit.begun or order.limit.starts_utc_s <= order.accepted_utc_s


def _full(order: OpenOrder, code: Code, most: int) -> OrderRefused:
    return OrderRefused(Cause.FULL, Reason(code, order.by, {"most": most}))
