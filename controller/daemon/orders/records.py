"""An order as the book keeps it, and its record in the journal."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from controller.core.site import Site
from controller.core.snapshot import OrderLimit

_log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """PARTIAL: the limit counts, but the node cannot be brought down to it."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"
    RELEASED = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An accepted order that has neither ended nor been released.

    `content`: hash of what was sent. At its acceptance: `outcome`, `achievable_w`, the lowest power that the node could reach,
    and `why` that was not the limit, in words.
    """

    limit: OrderLimit
    node: str
    content: str
    by: str
    accepted_utc_s: float
    outcome: Outcome
    achievable_w: float
    why: str


class Ending(StrEnum):
    """How an order ended."""

    RELEASED = "released"
    EXPIRED = "expired"
    RETIRED = "retired"  #: with its issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedOrder:
    """An order of the past; kept so that sending it again starts nothing."""

    order: OpenOrder
    ending: Ending
    ended_utc_s: float
    by: str


def order_of(entry: OpenOrder | EndedOrder) -> OpenOrder:
    """Return the order as it was accepted."""
    return entry if isinstance(entry, OpenOrder) else entry.order


def to_body(order: OpenOrder) -> dict[str, Any]:
    """Return the body of the record of an order's acceptance."""
    limit = order.limit
    return {
        "id": limit.id,
        "node": order.node,
        "limit_w": limit.limit_w,
        "starts_utc_s": limit.starts_utc_s,
        "ends_utc_s": None if math.isinf(limit.ends_utc_s) else limit.ends_utc_s,
        "ramp_w_s": None if math.isinf(limit.ramp_w_s) else limit.ramp_w_s,
        "begun": limit.begun,
        "content": order.content,
        "by": order.by,
        "accepted_utc_s": order.accepted_utc_s,
        "outcome": order.outcome.value,
        "achievable_w": order.achievable_w,
        "why": order.why,
    }


def from_body(body: Mapping[str, Any], site: Site) -> OpenOrder:
    """Return the order of a record; KeyError, TypeError or ValueError where it is none."""
    limit = OrderLimit(
        id=body["id"],
        node=_node_or_site(body, site),
        limit_w=float(body["limit_w"]),
        starts_utc_s=float(body["starts_utc_s"]),
        ends_utc_s=math.inf if body["ends_utc_s"] is None else float(body["ends_utc_s"]),
        ramp_w_s=math.inf if body["ramp_w_s"] is None else float(body["ramp_w_s"]),
        begun=bool(body["begun"]),
    )
    return OpenOrder(
        limit=limit,
        node=body["node"],
        content=body["content"],
        by=body["by"],
        accepted_utc_s=float(body["accepted_utc_s"]),
        outcome=Outcome(body["outcome"]),
        achievable_w=float(body["achievable_w"]),
        why=str(body["why"]),
    )


def _node_or_site(body: Mapping[str, Any], site: Site) -> int:
    """Return the order's node; one that the site no longer has is limited with the whole site, never not at all."""
    if body["node"] in site.tree.ids:
        return site.tree.ids.index(body["node"])
    extra = {"event": "order_node_gone", "order": body["id"]}
    _log.warning("order %s is on the unknown node %s; it limits the site", body["id"], body["node"], extra=extra)
    return 0
