"""The durable book of curtailment orders.

An order is on the disk before it is acknowledged, is one order however often it is sent, and counts before its
acknowledgement: doubt may tighten, never relax.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np

from controller.core.limits.orders import OrderLimit
from controller.core.site import F64, Site
from controller.daemon.access import Principal
from controller.daemon.journal.chain import Record
from controller.daemon.journal.journal import Journal, Kind, Pending
from controller.daemon.orders.request import Cause, OrderRefused, OrderRequest, content_hash, objections, trusted_w
from drivers.errors import JournalUnusable
from drivers.quantities import format_power

_log = logging.getLogger(__name__)

#: Orders that may be open at once; more is a flood.
MAX_OPEN: Final = 1000
#: Ended orders in a listing.
LISTED_ENDED: Final = 200
#: Seconds that an answer waits for the disk.
ANSWER_S: Final = 5.0


class Outcome(StrEnum):
    """PARTIAL: the limit counts, but is below what the node draws with everything off."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"
    RELEASED = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAnswer:
    """What the sender of an order or a release is told; the same for the same request, but for `durable`.

    `limit_w`: the cap that counts from now on. `achievable_w`: the lowest power that the node can reach.
    `durable`: it survives a power cut; if not, `why` says what is wrong.
    """

    id: str
    outcome: Outcome
    node: str
    limit_w: float
    achievable_w: float
    durable: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An accepted order that has neither ended nor been released. `content`: hash of what was sent."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedOrder:
    """An order of the past; kept so that sending it again starts nothing."""

    order: OpenOrder
    ending: Ending
    ended_utc_s: float
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order as it is listed. `ended`: None while it is open. Times are Unix seconds, `ends_utc_s` may be inf."""

    id: str
    node: str
    limit_w: float
    starts_utc_s: float
    ends_utc_s: float
    ramp_w_s: float
    begun: bool
    ended: Ending | None
    by: str
    accepted_utc_s: float
    outcome: Outcome
    durable: bool


def declared_floor_w(site: Site) -> F64:
    """Return what each node draws with everything off by the configuration alone, (N,) watts."""
    off_w = np.zeros(len(site.tree.ids))
    np.add.at(off_w, site.devices.node, site.devices.off_w)
    for node in range(len(off_w) - 1, 0, -1):
        off_w[site.tree.parent[node]] += off_w[node]
    return off_w + site.tree.house_w


class OrderBook:
    """All orders, replayed from the journal; every method may be called from any thread.

    `unsure`: why orders may have been lost, until the authority has stated its will anew; None where none were.
    """

    def __init__(self, journal: Journal, site: Site) -> None:
        """Replay the journal; JournalUnusable where a record of an order cannot be understood."""
        self._journal = journal
        self._site = site
        self._lock = threading.Lock()
        self._orders: dict[str, OpenOrder | EndedOrder] = {}
        self._pending: dict[str, Pending] = {}
        self._limits: tuple[OrderLimit, ...] = ()
        self.unsure: str | None = None
        self._replay()

    def limits(self) -> tuple[OrderLimit, ...]:
        """Return the limits of all open orders; one attribute read, never blocks."""
        return self._limits

    def accept(
        self,
        request: OrderRequest,
        by: Principal,
        *,
        power_w: Sequence[float | None],
        floor_w: F64 | None,
        utc_s: float,
        utc_trusted: bool = False,
    ) -> OrderAnswer:
        """Apply and store an order; the same request again returns the first answer and changes nothing.

        `power_w`: trusted power of each node, None without one; empty where nothing is known. `floor_w`: (N,) watts with everything off, None for the declared ones.
        Blocks until the order is on the disk; where the journal cannot be used the order counts all the same, and
        the answer is not durable. OrderRefused: nothing changed.
        """
        content = content_hash(request, self._site)

        def admit() -> OpenOrder:
            return _admit(request, self._site, power_w, floor_w, utc_s, utc_trusted, by, content)

        try:
            order = self._find_or_enter(request.id, content, admit)
        except OrderRefused as refusal:
            self._note_refusal(request.id, by, refusal)
            raise
        return self._answer(order)

    def release(self, order_id: str, by: Principal, utc_s: float) -> OrderAnswer:
        """End an order for good, on the disk first; releasing an ended order changes nothing.

        OrderRefused: no such order. JournalUnusable: the order stays.
        """
        known = self._orders.get(order_id)
        if known is None:
            raise OrderRefused(Cause.UNKNOWN, f"id: there is no order {order_id}")
        if isinstance(known, OpenOrder):
            self._journal.append(Kind.RELEASE, {"id": order_id, "by": by.name, "utc_s": utc_s})
            self._end(order_id, Ending.RELEASED, utc_s, by.name)
            self.unsure = None
            _log.info(
                "order %s released by %s", order_id, by.name, extra={"event": "order_released", "order": order_id}
            )
        order = _order(known)
        return OrderAnswer(
            id=order_id,
            outcome=Outcome.RELEASED,
            node=order.node,
            limit_w=order.limit.limit_w,
            achievable_w=order.achievable_w,
            durable=True,
            why="" if isinstance(known, OpenOrder) else f"it had been {known.ending} before",
        )

    def observe(self, in_force: Collection[str], *, utc_s: float, utc_trusted: bool) -> None:
        """Note the orders that a decision found in force as begun, and those past a trusted end as ended.

        For the tick: it waits for nothing but, in the tick in which an order begins or ends, a few microseconds.
        """
        for limit in self._limits:
            if utc_trusted and utc_s >= limit.ends_utc_s:
                self._journal.post(Kind.ORDER_ENDED, {"id": limit.id, "utc_s": utc_s})
                self._end(limit.id, Ending.EXPIRED, utc_s, "schedule")
            elif not limit.begun and limit.id in in_force:
                self._journal.post(Kind.ORDER_BEGUN, {"id": limit.id, "utc_s": utc_s})
                self._begin(limit.id)

    def list(self) -> tuple[OrderView, ...]:
        """Return every open order and the newest `LISTED_ENDED` others, in the order of their acceptance."""
        with self._lock:
            known = tuple(self._orders.items())
        ended = [order_id for order_id, entry in known if isinstance(entry, EndedOrder)]
        forgotten = set(ended[:-LISTED_ENDED])
        return tuple(self._view(entry) for order_id, entry in known if order_id not in forgotten)

    def _find_or_enter(self, order_id: str, content: str, admit: Callable[[], OpenOrder]) -> OpenOrder:
        with self._lock:
            known = self._orders.get(order_id)
            order = self._enter(admit()) if known is None else _order(known)
        if known is None:
            _note_order(order)
        elif order.content != content:
            raise OrderRefused(Cause.CONFLICT, f"id: order {order_id} exists with other content")
        return order

    def _enter(self, order: OpenOrder) -> OpenOrder:
        if len(self._limits) >= MAX_OPEN:
            raise OrderRefused(Cause.FULL, f"{MAX_OPEN} orders are open; release some first")
        self._orders[order.limit.id] = order
        self._swap()
        self._pending[order.limit.id] = self._journal.post(Kind.ORDER, _body(order))
        self.unsure = None
        return order

    def _begin(self, order_id: str) -> None:
        with self._lock:
            order = self._orders[order_id]
            if isinstance(order, OpenOrder):
                self._orders[order_id] = replace(order, limit=replace(order.limit, begun=True))
                self._swap()

    def _end(self, order_id: str, ending: Ending, utc_s: float, by: str) -> None:
        with self._lock:
            order = self._orders[order_id]
            if isinstance(order, OpenOrder):
                self._orders[order_id] = EndedOrder(order=order, ending=ending, ended_utc_s=utc_s, by=by)
                self._swap()

    def _swap(self) -> None:
        self._limits = tuple(order.limit for order in self._orders.values() if isinstance(order, OpenOrder))

    def _answer(self, order: OpenOrder) -> OrderAnswer:
        pending = self._pending.get(order.limit.id)
        durable = pending is None or pending.durable(ANSWER_S)
        if durable:
            self._pending.pop(order.limit.id, None)
        return OrderAnswer(
            id=order.limit.id,
            outcome=order.outcome,
            node=order.node,
            limit_w=order.limit.limit_w,
            achievable_w=order.achievable_w,
            durable=durable,
            why=order.why if durable else "; ".join(filter(None, (order.why, "applied, not durable"))),
        )

    def _view(self, entry: OpenOrder | EndedOrder) -> OrderView:
        order = _order(entry)
        pending = self._pending.get(order.limit.id)
        return OrderView(
            id=order.limit.id,
            node=order.node,
            limit_w=order.limit.limit_w,
            starts_utc_s=order.limit.starts_utc_s,
            ends_utc_s=order.limit.ends_utc_s,
            ramp_w_s=order.limit.ramp_w_s,
            begun=order.limit.begun,
            ended=entry.ending if isinstance(entry, EndedOrder) else None,
            by=order.by,
            accepted_utc_s=order.accepted_utc_s,
            outcome=order.outcome,
            durable=pending is None or pending.durable(),
        )

    def _note_refusal(self, order_id: str, by: Principal, refusal: OrderRefused) -> None:
        extra = {"event": "order_refused", "order": order_id, "cause": refusal.cause.value}
        _log.warning("order %s of %s refused: %s", order_id, by.name, refusal, extra=extra)
        self._journal.post(Kind.REFUSED, {"id": order_id, "by": by.name, "reasons": list(refusal.reasons)})

    def _replay(self) -> None:
        kinds = (Kind.ORDER, Kind.RELEASE, Kind.ORDER_BEGUN, Kind.ORDER_ENDED, Kind.QUARANTINE)
        for record in self._journal.records(*kinds):
            try:
                self._replay_record(record)
            except (KeyError, TypeError, ValueError) as error:
                raise JournalUnusable(f"record {record.seq} is not understood: {error!r}") from error

    def _replay_record(self, record: Record) -> None:
        body = record.body
        match record.kind:
            case Kind.ORDER:
                order = _from_body(body, self._site)
                self._orders.setdefault(order.limit.id, order)
                self._swap()
            case Kind.QUARANTINE:
                self.unsure = f"the journal was damaged: {body['damage']}"
            # Where the order itself was lost to damage, there is nothing left to begin or to end.
            case Kind.ORDER_BEGUN if body["id"] in self._orders:
                self._begin(body["id"])
            case Kind.ORDER_ENDED if body["id"] in self._orders:
                self._end(body["id"], Ending.EXPIRED, body["utc_s"], "schedule")
            case Kind.RELEASE if body["id"] in self._orders:
                self._end(body["id"], Ending.RELEASED, body["utc_s"], body["by"])
        if record.kind in (Kind.ORDER, Kind.RELEASE):
            self.unsure = None


def _order(entry: OpenOrder | EndedOrder) -> OpenOrder:
    return entry if isinstance(entry, OpenOrder) else entry.order


def _note_order(order: OpenOrder) -> None:
    extra = {"event": "order_accepted", "order": order.limit.id}
    limit = format_power(order.limit.limit_w)
    _log.info("order %s of %s limits %s to %s", order.limit.id, order.by, order.node, limit, extra=extra)


def _admit(
    request: OrderRequest,
    site: Site,
    power_w: Sequence[float | None],
    floor_w: F64 | None,
    utc_s: float,
    utc_trusted: bool,
    by: Principal,
    content: str,
) -> OpenOrder:
    """Return the order that the request becomes; OrderRefused with every reason why it cannot."""
    reasons = objections(request, site, power_w=power_w, utc_s=utc_s, utc_trusted=utc_trusted)
    if reasons:
        raise OrderRefused(Cause.INVALID, *reasons)
    node = site.tree.ids[0] if request.node is None else request.node
    index = site.tree.ids.index(node)
    limit = OrderLimit(
        id=request.id,
        node=index,
        limit_w=_limit_w(request, trusted_w(power_w, index)),
        starts_utc_s=utc_s if request.starts_at is None else request.starts_at.timestamp(),
        ends_utc_s=math.inf if request.ends_at is None else request.ends_at.timestamp(),
        ramp_w_s=math.inf if request.ramp_w_per_s is None else request.ramp_w_per_s,
        begun=request.starts_at is None,
    )
    floor = math.nan if floor_w is None else float(floor_w[index])
    floor = floor if math.isfinite(floor) else float(declared_floor_w(site)[index])
    below = limit.limit_w < floor
    return OpenOrder(
        limit=limit,
        node=node,
        content=content,
        by=by.name,
        accepted_utc_s=utc_s,
        outcome=Outcome.PARTIAL if below else Outcome.ACCEPTED,
        achievable_w=max(floor, limit.limit_w),
        why=f"{node} draws {format_power(floor)} with everything off" if below else "",
    )


def _limit_w(request: OrderRequest, node_w: float | None) -> float:
    if request.limit_w is not None:
        return request.limit_w
    assert request.reduce_by_w is not None and node_w is not None  # noqa: S101, PT018  refused before
    return max(0.0, node_w - request.reduce_by_w)


def _body(order: OpenOrder) -> dict[str, Any]:
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


def _from_body(body: Mapping[str, Any], site: Site) -> OpenOrder:
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
        why=body["why"],
    )


def _node_or_site(body: Mapping[str, Any], site: Site) -> int:
    """Return the order's node; one that the site no longer has is limited with the whole site, never not at all."""
    if body["node"] in site.tree.ids:
        return site.tree.ids.index(body["node"])
    extra = {"event": "order_node_gone", "order": body["id"]}
    _log.warning("order %s is on the unknown node %s; it limits the site", body["id"], body["node"], extra=extra)
    return 0
