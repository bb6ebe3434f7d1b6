"""The durable book of curtailment orders.

An order is on the disk before it is acknowledged, is one order however often it is sent, and counts before its
acknowledgement: doubt may tighten, never relax.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.core.snapshot import OrderLimit
from controller.daemon.access import Principal
from controller.daemon.journal.chain import Record
from controller.daemon.journal.journal import OF_ORDERS, Journal, Pending, RecordKind
from controller.daemon.orders.certainty import Certainty
from controller.daemon.orders.records import EndedOrder, Ending, OpenOrder, Outcome, from_body, order_of, to_body
from controller.daemon.orders.refusal import Cause, OrderRefused
from controller.texts.english import text
from drivers.errors import JournalUnusable
from drivers.quantities import format_power

_log = logging.getLogger(__name__)

#: Orders that may be open at once; more is a flood.
MAX_OPEN: Final = 1000
#: Ended orders in a listing.
LISTED_ENDED: Final = 200
#: Seconds that a statement waits for each of its new orders to be on the disk.
STORED_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedOrder:
    """An order as its issuer lists it: the hash of its content, and what makes an order of it where it is not known."""

    content: str
    admit: Callable[[], OpenOrder]


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


class OrderBook:
    """All orders, replayed from the journal; every method may be called from any thread.

    `unsure`: why orders may have been lost, until every issuer has stated its will anew; None where none were.
    """

    def __init__(self, journal: Journal, site: Site, issuers: frozenset[str] = frozenset()) -> None:
        """Replay the journal. `issuers`: those that the site file names as authority."""
        self._journal = journal
        self._site = site
        self._lock = threading.Lock()
        self._orders: dict[str, OpenOrder | EndedOrder] = {}
        self._pending: dict[str, Pending] = {}
        self._limits: tuple[OrderLimit, ...] = ()
        self._certainty = Certainty(site.tree.ids[0], issuers)
        self._replay()

    @property
    def unsure(self) -> Reason | None:
        """Why orders may have been lost; one attribute read, never blocks."""
        return self._certainty.reason

    @property
    def issuers(self) -> frozenset[str]:
        """Who gives orders here, as far as is known, and has not been retired."""
        return self._certainty.issuers

    @property
    def covered_epoch(self) -> int:
        """The epoch in which all issuers last stated their will: a head of an earlier one tells of nothing that is missing."""
        return self._certainty.covered_epoch

    def limits(self) -> tuple[OrderLimit, ...]:
        """Return the limits of all open orders; one attribute read, never blocks."""
        return self._limits

    def enter(self, order_id: str, content: str, by: Principal, admit: Callable[[], OpenOrder]) -> OpenOrder:
        """Return the order of that id; where there is none, let what `admit` makes count and send it to the disk.

        OrderRefused, and nothing changed: `admit` refused it, the id has other content, or too many orders are open.
        """
        with self._lock:
            known = self._orders.get(order_id)
            order = self._enter(admit(), by) if known is None else order_of(known)
        if known is None:
            _note_order(order)
        elif order.content != content:
            raise OrderRefused(Cause.CONFLICT, Reason(Code.ORDER_CONFLICT, by.name, {"order": order_id}))
        return order

    def durable(self, order_id: str, timeout_s: float = 0.0) -> bool:
        """Return whether the order's record is on the disk, after waiting for the first attempt."""
        pending = self._pending.get(order_id)
        durable = pending is None or pending.durable(timeout_s)
        if durable:
            self._pending.pop(order_id, None)
        return durable

    def release(self, order_id: str, by: Principal, utc_s: float) -> OpenOrder | EndedOrder:
        """End an order for good, on the disk first, and return it as it was found; an ended one stays as it ended.

        OrderRefused: no such order. JournalUnusable: the order stays.
        """
        known = self._orders.get(order_id)
        if known is None:
            raise OrderRefused(Cause.UNKNOWN, Reason(Code.ORDER_UNKNOWN, by.name, {"order": order_id}))
        if isinstance(known, OpenOrder):
            self._journal.append(RecordKind.RELEASE, {"id": order_id, "by": by.name, "utc_s": utc_s})
            self._end(order_id, Ending.RELEASED, utc_s, by.name)
            _log.info(
                "order %s released by %s", order_id, by.name, extra={"event": "order_released", "order": order_id}
            )
        return known

    def doubt(self, why: str, epoch: int | None = None) -> None:
        """Hold orders for missing from now on. `epoch`: that of the head which shows it, None where none does."""
        body = {"why": why, "epoch": epoch}
        self._journal.post(RecordKind.DOUBT, body)
        with self._lock:
            self._certainty.learn(RecordKind.DOUBT, body)
        _log.error("orders may be missing: %s", why, extra={"event": "orders_doubted"})

    def state(self, wanted: Mapping[str, StatedOrder], by: Principal, utc_s: float) -> tuple[OpenOrder, ...]:
        """Take the orders that an issuer lists by id for all of its own that are in force, and return them.

        What it does not list ends; those that are new count at once, all else once it is on the disk. OrderRefused, with every
        reason, and nothing changed: one cannot be taken. JournalUnusable: only the new orders count.
        """
        with self._lock:
            fresh = self._admitted(wanted, by)
            ends = sorted(self._open_of(by.name) - wanted.keys())
            for order in fresh:
                self._enter(order, by)
        for order in fresh:
            _note_order(order)
        if not all(self.durable(order.limit.id, STORED_S) for order in fresh):
            raise JournalUnusable("not stored, and so no statement; the orders that are new count, and are not durable")
        body = {"by": by.name, "orders": sorted(wanted), "ends": ends, "utc_s": utc_s, "epoch": self._journal.epoch}
        self._journal.append(RecordKind.STATEMENT, body)
        self._end_all(ends, Ending.RELEASED, utc_s, by.name)
        self._learn(RecordKind.STATEMENT, body)
        _log.info("%s stated %d orders", by.name, len(wanted), extra={"event": "orders_stated", "by": by.name})
        return tuple(order_of(self._orders[order_id]) for order_id in wanted)

    def confirm(self, by: Principal, reason: str, utc_s: float) -> None:
        """Take an operator's word that no order is missing, on the disk first; OrderRefused where issuers have to say it."""
        if issuers := self._certainty.issuers:
            needed = {"issuers": ", ".join(sorted(issuers))}
            raise OrderRefused(Cause.CONFLICT, Reason(Code.ISSUERS_MUST_STATE, by.name, needed))
        body = {"by": by.name, "reason": reason, "utc_s": utc_s, "epoch": self._journal.epoch}
        self._journal.append(RecordKind.CONFIRMED, body)
        self._learn(RecordKind.CONFIRMED, body)

    def retire(self, issuer: str, by: Collection[str], reason: str, utc_s: float) -> tuple[str, ...]:
        """End an issuer that is gone for good, with its orders, on the disk first; return the ids of these.

        `by`: who has proven that they may. JournalUnusable: nothing has changed.
        """
        with self._lock:
            ends = sorted(self._open_of(issuer))
        body = {"issuer": issuer, "by": sorted(by), "reason": reason, "ends": ends, "utc_s": utc_s}
        body |= {"epoch": self._journal.epoch}
        self._journal.append(RecordKind.RETIRED, body)
        self._end_all(ends, Ending.RETIRED, utc_s, ", ".join(sorted(by)))
        self._learn(RecordKind.RETIRED, body)
        return tuple(ends)

    def note_refusal(self, order_id: str, by: Principal, refusal: OrderRefused) -> None:
        """Log and record an order that was refused."""
        extra = {"event": "order_refused", "order": order_id, "cause": refusal.cause.value}
        _log.warning("order %s of %s refused: %s", order_id, by.name, refusal, extra=extra)
        reasons = [text(reason) for reason in refusal.reasons]
        self._journal.post(RecordKind.REFUSED, {"id": order_id, "by": by.name, "reasons": reasons})

    def observe(self, in_force: Collection[str], *, utc_s: float, utc_trusted: bool) -> None:
        """Note the orders that a decision found in force as begun, and those past a trusted end as ended.

        For the tick: it waits for nothing but, in the tick in which an order begins or ends, a few microseconds.
        """
        for limit in self._limits:
            if utc_trusted and utc_s >= limit.ends_utc_s:
                self._journal.post(RecordKind.ORDER_ENDED, {"id": limit.id, "utc_s": utc_s})
                self._end(limit.id, Ending.EXPIRED, utc_s, "schedule")
            elif not limit.begun and limit.id in in_force:
                self._journal.post(RecordKind.ORDER_BEGUN, {"id": limit.id, "utc_s": utc_s})
                self._begin(limit.id)

    def list(self) -> tuple[OrderView, ...]:
        """Return every open order and the newest `LISTED_ENDED` others, in the order of their acceptance."""
        with self._lock:
            known = tuple(self._orders.items())
        ended = [order_id for order_id, entry in known if isinstance(entry, EndedOrder)]
        forgotten = set(ended[:-LISTED_ENDED])
        return tuple(self._view(entry) for order_id, entry in known if order_id not in forgotten)

    def _enter(self, order: OpenOrder, by: Principal) -> OpenOrder:
        self._refuse_retired(by)
        if len(self._limits) >= MAX_OPEN:
            raise OrderRefused(Cause.FULL, Reason(Code.TOO_MANY_ORDERS, by.name, {"most": MAX_OPEN}))
        self._orders[order.limit.id] = order
        self._swap()
        self._pending[order.limit.id] = self._journal.post(RecordKind.ORDER, to_body(order))
        self._certainty.learn(RecordKind.ORDER, {"by": by.name})
        return order

    def _admitted(self, wanted: Mapping[str, StatedOrder], by: Principal) -> tuple[OpenOrder, ...]:
        """Return those that are new; OrderRefused with every reason why one cannot be taken."""
        self._refuse_retired(by)
        fresh: tuple[OpenOrder, ...] = ()
        reasons: tuple[Reason, ...] = ()
        for order_id, one in wanted.items():
            known = self._orders.get(order_id)
            if known is None:
                try:
                    fresh += (one.admit(),)
                except OrderRefused as refusal:
                    reasons += refusal.reasons
            elif isinstance(known, EndedOrder):
                ended = {"order": order_id, "ending": known.ending.value}
                reasons += (Reason(Code.ORDER_STATED_ENDED, by.name, ended),)
            elif (known.content, known.by) != (one.content, by.name):
                reasons += (Reason(Code.ORDER_CONFLICT, by.name, {"order": order_id}),)
        if len(self._limits) + len(fresh) > MAX_OPEN:
            reasons += (Reason(Code.TOO_MANY_ORDERS, by.name, {"most": MAX_OPEN}),)
        if reasons:
            raise OrderRefused(Cause.CONFLICT, *reasons)
        return fresh

    def _refuse_retired(self, by: Principal) -> None:
        if by.name in self._certainty.retired:
            raise OrderRefused(Cause.RETIRED, Reason(Code.ISSUER_RETIRED, by.name))

    def _open_of(self, issuer: str) -> set[str]:
        orders = self._orders.items()
        return {order_id for order_id, order in orders if isinstance(order, OpenOrder) and order.by == issuer}

    def _learn(self, kind: RecordKind, body: Mapping[str, Any]) -> None:
        with self._lock:
            before = self.unsure
            self._certainty.learn(kind, body)
        if before is not None and self.unsure is None:
            _log.info("all orders are known again", extra={"event": "orders_certain"})

    def _end_all(self, order_ids: Iterable[str], ending: Ending, utc_s: float, by: str) -> None:
        for order_id in order_ids:
            if order_id in self._orders:
                self._end(order_id, ending, utc_s, by)

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

    def _view(self, entry: OpenOrder | EndedOrder) -> OrderView:
        order = order_of(entry)
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
            durable=self.durable(order.limit.id),
        )

    def _replay(self) -> None:
        for record in self._journal.records(*OF_ORDERS):
            try:
                self._replay_record(record)
                self._certainty.learn(record.kind, record.body)
            except (KeyError, TypeError, ValueError) as error:
                why = f"record {record.seq} of the journal is not understood: {error!r}"
                _log.error("%s", why, extra={"event": "record_strange"})
                self._certainty.learn(RecordKind.DOUBT, {"why": why, "epoch": None})

    def _replay_record(self, record: Record) -> None:
        body = record.body
        match record.kind:
            case RecordKind.ORDER:
                order = from_body(body, self._site)
                self._orders.setdefault(order.limit.id, order)
                self._swap()
            # Where the order itself was lost to damage, there is nothing left to begin or to end.
            case RecordKind.ORDER_BEGUN if body["id"] in self._orders:
                self._begin(body["id"])
            case RecordKind.ORDER_ENDED if body["id"] in self._orders:
                self._end(body["id"], Ending.EXPIRED, body["utc_s"], "schedule")
            case RecordKind.RELEASE if body["id"] in self._orders:
                self._end(body["id"], Ending.RELEASED, body["utc_s"], body["by"])
            case RecordKind.STATEMENT:
                self._end_all(body["ends"], Ending.RELEASED, body["utc_s"], body["by"])
            case RecordKind.RETIRED:
                self._end_all(body["ends"], Ending.RETIRED, body["utc_s"], ", ".join(body["by"]))


def _note_order(order: OpenOrder) -> None:
    extra = {"event": "order_accepted", "order": order.limit.id}
    limit = format_power(order.limit.limit_w)
    _log.info("order %s of %s limits %s to %s", order.limit.id, order.by, order.node, limit, extra=extra)
