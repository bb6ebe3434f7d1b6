"""An order as the book keeps it, and its record in the journal."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self, TypeAlias

from controller.core.reasons import Reason
from controller.core.site import Site
from controller.core.snapshot import OrderLimit
from controller.daemon.access import Principal, Role
from controller.daemon.plain import plain, recorded
from controller.texts.english import texts
from drivers.quantities import format_power

_log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """PARTIAL: the limit counts, but the node cannot be brought down to it."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"
    RELEASED = "released"


class OrderKey(NamedTuple):
    """What names an order: two issuers may use the same id. Its text, ``ISSUER/ID``, is the name that limits have."""

    issuer: str
    id: str

    def __str__(self) -> str:
        """Return the name; no issuer has a slash."""
        return f"{self.issuer}/{self.id}"

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the key of a name."""
        issuer, _, order_id = name.partition("/")
        return cls(issuer, order_id)


class ComesTo(NamedTuple):
    """Which revision of an order a decision found in force, and what limit it comes to."""

    revision: int
    limit_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An accepted order that has neither ended nor been released.

    `content`: hash of what was sent. `by`: its issuer, with the `role` that it had. At the acceptance of its present revision:
    `outcome`, `achievable_w`, the lowest power that the node could reach, and `why` that was not the limit, in words.
    """

    limit: OrderLimit
    node: str
    content: str
    by: str
    role: Role
    accepted_utc_s: float
    outcome: Outcome
    achievable_w: float
    reasons: tuple[Reason, ...]

    @property
    def key(self) -> OrderKey:
        """What names it."""
        return OrderKey.of(self.limit.id)

    @property
    def revision(self) -> int:
        """The newest one; the first is 1 where its issuer does not say otherwise."""
        return self.limit.revision

    def may_be_changed_by(self, by: Principal) -> bool:
        """Return whether somebody may relax or end it: its issuer, or of a limit that an operator set, any operator.

        A name that the site file has given another role since is not its issuer.
        """
        return by.role is self.role and (by.name == self.by or self.role is Role.OPERATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedOrder:
    """An order as its issuer wants it: hash of its content, its revision, and what makes an order of it, or of the one before."""

    content: str
    revision: int
    admit: Callable[[OpenOrder | None], OpenOrder]


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


Entry: TypeAlias = OpenOrder | EndedOrder


def order_of(entry: Entry) -> OpenOrder:
    """Return the order as it was accepted."""
    return entry if isinstance(entry, OpenOrder) else entry.order


def note_accepted(order: OpenOrder) -> None:
    """Log an order that counts from now on, or as it is now."""
    extra = {"event": "order_accepted", "order": str(order.key), "revision": order.revision}
    cut_w = order.limit.reduce_by_w
    size = format_power(order.limit.limit_w) if cut_w is None else f"{format_power(cut_w)} less than it draws then"
    _log.info("order %s, revision %d, limits %s to %s", order.key, order.revision, order.node, size, extra=extra)


def tightens(new: OrderLimit, old: OrderLimit) -> bool:
    """Return whether the next revision of an order allows nothing, at no time, that the present one does not."""
    if new.node != old.node or (new.reduce_by_w is None) != (old.reduce_by_w is None):
        return False
    cut = new.limit_w <= old.limit_w if new.reduce_by_w is None else new.reduce_by_w >= (old.reduce_by_w or 0.0)
    sooner = new.begun or (not old.begun and new.starts_utc_s <= old.starts_utc_s)
    return cut and sooner and new.ends_utc_s >= old.ends_utc_s and new.ramp_w_s >= old.ramp_w_s


def to_body(order: OpenOrder) -> dict[str, Any]:
    """Return the body of the record of an order's acceptance, or of its change."""
    limit = order.limit
    return {
        "id": order.key.id,
        "issuer": order.by,
        "role": order.role.value,
        "revision": limit.revision,
        "node": order.node,
        "limit_w": _finite(limit.limit_w),
        "reduce_by_w": limit.reduce_by_w,
        "starts_utc_s": limit.starts_utc_s,
        "ends_utc_s": _finite(limit.ends_utc_s),
        "ramp_w_s": _finite(limit.ramp_w_s),
        "begun": limit.begun,
        "content": order.content,
        "by": order.by,
        "accepted_utc_s": order.accepted_utc_s,
        "outcome": order.outcome.value,
        "achievable_w": order.achievable_w,
        "why": texts(order.reasons),
        "reasons": plain(order.reasons),
    }


def from_body(body: Mapping[str, Any], site: Site) -> OpenOrder:
    """Return the order of a record, also of an older one; KeyError, TypeError or ValueError where it is none."""
    reduce_by_w, issuer = body.get("reduce_by_w"), str(body["by"])
    if (reduce_by_w is None) == (body["limit_w"] is None):
        raise ValueError("neither a limit nor a cut, or both")
    limit = OrderLimit(
        id=str(OrderKey(issuer, body["id"])),
        node=_node_or_site(body, site),
        limit_w=_or_inf(body["limit_w"]),
        starts_utc_s=float(body["starts_utc_s"]),
        ends_utc_s=_or_inf(body["ends_utc_s"]),
        ramp_w_s=_or_inf(body["ramp_w_s"]),
        begun=bool(body["begun"]),
        revision=int(body.get("revision", 1)),
        reduce_by_w=None if reduce_by_w is None else float(reduce_by_w),
    )
    return OpenOrder(
        limit=limit,
        node=body["node"],
        content=body["content"],
        by=issuer,
        role=Role(body.get("role", Role.AUTHORITY)),
        accepted_utc_s=float(body["accepted_utc_s"]),
        outcome=Outcome(body["outcome"]),
        achievable_w=float(body["achievable_w"]),
        reasons=recorded(body.get("reasons", ())),
    )


def _finite(watts: float) -> float | None:
    return None if math.isinf(watts) else watts


def _or_inf(watts: float | None) -> float:
    return math.inf if watts is None else float(watts)


def _node_or_site(body: Mapping[str, Any], site: Site) -> int:
    """Return the order's node; one that the site no longer has is limited with the whole site, never not at all."""
    if body["node"] in site.tree.ids:
        return site.tree.ids.index(body["node"])
    extra = {"event": "order_node_gone", "order": body["id"]}
    _log.warning("order %s is on the unknown node %s; it limits the site", body["id"], body["node"], extra=extra)
    return 0
