"""The durable book of curtailment orders.

An order is on the disk before it is acknowledged, is one order however often it is sent, and counts before its
acknowledgement: doubt may tighten, never relax.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from controller.core.reasons import Code, Parameter, Reason
from controller.core.site import Site
from controller.core.snapshot import OrderLimit
from controller.daemon.access import Principal
from controller.daemon.journal.journal import OF_ORDERS, STORED_S, Journal, Pending, RecordKind
from controller.daemon.orders.certainty import Certainty
from controller.daemon.orders.finding import find, found, has_ended, still_open
from controller.daemon.orders.history import OrderEvent, history
from controller.daemon.orders.ledger import Ledger
from controller.daemon.orders.records import (
    ComesTo,
    EndedOrder,
    Ending,
    Entry,
    OpenOrder,
    OrderKey,
    WantedOrder,
    note_accepted,
    tightens,
    to_body,
)
from controller.daemon.orders.refusal import Cause, OrderRefused, RefusalLog
from controller.daemon.orders.relaxing import Relaxing, finish_all, not_next, overtaken
from controller.daemon.orders.room import binds, in_its_room, refuse_crowd
from controller.daemon.orders.unstored import Unstored
from drivers.errors import JournalUnusable

_log = logging.getLogger(__name__)

#: Ended orders in a listing.
LISTED_ENDED: Final = 200


class OrderBook:
    """All orders, replayed from the journal; every method may be called from any thread.

    `unsure`: why orders may have been lost, until every issuer has stated its will anew; None where none were. `on_binding` is
    called when an order binds that is new or tighter, and returns at once.
    """

    def __init__(self, journal: Journal, site: Site, issuers: frozenset[str] = frozenset()) -> None:
        """Replay the journal. `issuers`: those that the site file names as authority."""
        self._journal = journal
        self._site = site
        self._lock = threading.Lock()
        self._ledger = Ledger()
        self._unstored = Unstored()
        self._refusals = RefusalLog(journal)
        self._relaxing: dict[OrderKey, int] = {}
        self.on_binding: Callable[[], None] = lambda: None
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
    def named(self) -> frozenset[str]:
        """Those that the site file has named since the start."""
        return self._certainty.named

    def name_issuers(self, issuers: frozenset[str]) -> None:
        """Let these be issuers too, as the site file now has it; none ceases to be one by that."""
        with self._lock:
            self._certainty.name(issuers)

    @property
    def covered_epoch(self) -> int:
        """The epoch in which all issuers last stated their will: a head of an earlier one tells of nothing that is missing."""
        return self._certainty.covered_epoch

    def limits(self) -> tuple[OrderLimit, ...]:
        """Return the limits of all open orders; one attribute read, never blocks."""
        return self._ledger.limits

    def enter(self, key: OrderKey, wanted: WantedOrder, by: Principal) -> OpenOrder:
        """Return the order of that name; where there is none, let what `wanted` makes count and send it to the disk.

        OrderRefused, and nothing changed: it cannot be admitted, has ended, stands with other content, or finds no room.
        """
        with self._lock:
            known = self._ledger.get(key)
            if known is None:
                self._refuse_retired(by)
                order = in_its_room(wanted.admit(None), self._ledger.open())
                self._put((order, RecordKind.ORDER))
        if isinstance(known, EndedOrder):
            raise has_ended(known, by)
        if known is not None and (known.content, known.revision) != (wanted.content, wanted.revision):
            parameters: dict[str, Parameter] = {"order": key.id, "revision": known.revision}
            raise OrderRefused(Cause.CONFLICT, Reason(Code.ORDER_CONFLICT, by.name, parameters), entry=known)
        if known is None:
            note_accepted(order)
        return order if known is None else known

    def change(self, key: OrderKey, wanted: WantedOrder, by: Principal) -> OpenOrder:
        """Give an order its next revision, and return it as it is now; the present revision once more changes nothing.

        What only tightens counts at once; what relaxes anything counts once it is on the disk. OrderRefused, and nothing
        changed: it has ended, the revision is not the next, or it cannot be admitted. JournalUnusable: it stays as it was.
        """
        changed = self.propose(key, wanted, by)
        return changed.finish() if isinstance(changed, Relaxing) else changed

    def propose(self, key: OrderKey, wanted: WantedOrder, by: Principal) -> OpenOrder | Relaxing:
        """Do the same without waiting for the disk: what relaxes anything is on its way there, and counts once it is finished."""
        with self._lock:
            known = still_open(self._ledger, key, by)
            if (known.content, known.revision) == (wanted.content, wanted.revision):
                return known
            self._refuse_unless_next(known, wanted, by)
            order = wanted.admit(known)
            if not tightens(order.limit, known.limit):
                if key in self._relaxing:
                    raise not_next(known, by)
                return self._offer(order, known, by)
            self._put((order, RecordKind.ORDER_CHANGED))
        note_accepted(order)
        return order

    def _offer(self, order: OpenOrder, known: OpenOrder, by: Principal) -> Relaxing:
        """Send a change that relaxes something to the disk; until it is finished, only one that tightens may overtake it."""
        self._relaxing[order.key] = order.revision
        pending = self._journal.offer(RecordKind.ORDER_CHANGED, to_body(order))
        return Relaxing(finish=lambda: self._relax(order, known.revision, pending, by))

    def _relax(self, order: OpenOrder, before: int, pending: Pending, by: Principal) -> OpenOrder:
        try:
            pending.stored()
            with self._lock:
                # One that was released meanwhile stays so, and one that was tightened: its record is behind this one.
                if (now := still_open(self._ledger, order.key, by)).revision != before:
                    raise overtaken(order, now, by)
                self._ledger.put(order)
        finally:
            self._relaxing.pop(order.key, None)
        note_accepted(order)
        return order

    def durable(self, key: OrderKey, timeout_s: float = 0.0) -> bool:
        """Return whether the order's newest record is on the disk, after waiting for the first attempt."""
        return self._unstored.durable(key, timeout_s)

    def now(self, key: OrderKey) -> Entry | None:
        """Return the order of that name as it is now, None where there never was one."""
        return self._ledger.get(key)

    def find(self, order_id: str, by: Principal, issuer: str | None = None) -> Entry:
        """Return the order that somebody means by an id, and perhaps its issuer; OrderRefused where that is none, or not sure."""
        with self._lock:
            return found(self._ledger, order_id, by, issuer)

    def find_to_change(self, order_id: str, by: Principal, issuer: str | None = None) -> Entry:
        """Return the same for somebody who wants it relaxed, or ended; OrderRefused too where it is not theirs."""
        with self._lock:
            return find(self._ledger, order_id, by, issuer)

    def history(self, key: OrderKey) -> tuple[OrderEvent, ...]:
        """Return what the journal tells of an order; blocks on the disk, JournalUnusable where it cannot be read."""
        return history(self._journal, key)

    def release(self, order_id: str, by: Principal, utc_s: float, issuer: str | None = None) -> Entry:
        """End an order for good, on the disk first, and return it as it was found; an ended one stays as it ended.

        OrderRefused: no such order, or another's. JournalUnusable: the order stays.
        """
        known = self.find_to_change(order_id, by, issuer)
        if isinstance(known, OpenOrder):
            body = {"issuer": known.by, "id": order_id, "by": by.name, "utc_s": utc_s}
            self._journal.append(RecordKind.RELEASE, body)
            with self._lock:
                self._ledger.end(known.key, Ending.RELEASED, utc_s, by.name)
            extra = {"event": "order_released", "order": str(known.key)}
            _log.info("order %s released by %s", known.key, by.name, extra=extra)
        return known

    def doubt(self, why: str, epoch: int | None = None) -> None:
        """Hold orders for missing from now on, unless all were stated since. `epoch`: that of the head which shows it, None where none does."""
        body = {"why": why, "epoch": epoch}
        self._journal.post(RecordKind.DOUBT, body)
        with self._lock:
            self._certainty.learn(RecordKind.DOUBT, body)
        _log.error("records are missing from the journal: %s", why, extra={"event": "orders_doubted"})

    def state(
        self, wanted: Mapping[str, WantedOrder], by: Principal, utc_s: float
    ) -> tuple[tuple[OpenOrder, ...], tuple[str, ...]]:
        """Take the orders that an issuer lists by id for all of its own that are in force; return them, and the ids that have ended.

        What it does not list ends; those that are new, or tighter at a later revision than is known here, count at once, all else
        once it is on the disk. OrderRefused, with every reason, and nothing changed: one cannot be taken. JournalUnusable: only
        what counts at once does.
        """
        with self._lock:
            fresh, relaxing = self._take_stated(wanted, by)
            mine = {order.key.id for order in self._ledger.open(by.name) if order.may_be_changed_by(by)}
            ends = sorted(mine - wanted.keys())
        for order in fresh:
            note_accepted(order)
        finish_all(relaxing)
        if not all(self.durable(order.key, STORED_S) for order in fresh):
            raise JournalUnusable("not stored, and so no statement; the orders that are new count, and are not durable")
        body = {"by": by.name, "orders": sorted(wanted), "ends": ends, "utc_s": utc_s, "epoch": self._journal.epoch}
        self._journal.append(RecordKind.STATEMENT, body)
        with self._lock:
            self._ledger.end_all(by.name, ends, Ending.RELEASED, utc_s, by.name)
            stated = [self._ledger.get(OrderKey(by.name, order_id)) for order_id in wanted]
        self._learn(RecordKind.STATEMENT, body)
        _log.info("%s stated %d orders", by.name, len(wanted), extra={"event": "orders_stated", "by": by.name})
        # What has come to its end meanwhile is not told to be in force.
        return tuple(entry for entry in stated if isinstance(entry, OpenOrder)), tuple(ends)

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
            ends = sorted(order.key.id for order in self._ledger.open(issuer))
        body = {"issuer": issuer, "by": sorted(by), "reason": reason, "ends": ends, "utc_s": utc_s}
        body |= {"epoch": self._journal.epoch}
        self._journal.append(RecordKind.RETIRED, body)
        with self._lock:
            self._ledger.end_all(issuer, ends, Ending.RETIRED, utc_s, ", ".join(sorted(by)))
        self._learn(RecordKind.RETIRED, body)
        return tuple(ends)

    def note_refusal(self, order_id: str, by: Principal, refusal: OrderRefused) -> None:
        """Log and record an order that was refused; one of many that are alike stands for them."""
        self._refusals.note(order_id, by, refusal)

    def observe(self, in_force: Mapping[str, ComesTo | None], *, utc_s: float, utc_trusted: bool) -> None:
        """Note the orders that a decision found in force as begun, and those past a trusted end as ended.

        `in_force`: by name, with what each comes to, None where that is not known. For the tick, and it waits for nothing: while
        somebody else is at the orders, as an issuer is who lists thousands, it is noted in the next one.
        """
        limits = self._ledger.limits
        over = [limit for limit in limits if utc_trusted and utc_s >= limit.ends_utc_s]
        begun = [
            limit for limit in limits if limit.id in in_force and (not limit.begun or limit.reduce_by_w is not None)
        ]
        if not (over or begun) or not self._lock.acquire(blocking=False):
            return
        try:
            for limit in over:
                self._expire(limit, utc_s)
            for limit in begun:
                self._begin(limit, in_force[limit.id], utc_s)
        finally:
            self._lock.release()

    def entries(self) -> tuple[Entry, ...]:
        """Return every open order and the newest `LISTED_ENDED` others, in the sequence of their acceptance."""
        with self._lock:
            return self._ledger.newest(LISTED_ENDED)

    def open(self) -> tuple[OpenOrder, ...]:
        """Return the open orders."""
        with self._lock:
            return self._ledger.open()

    def _expire(self, limit: OrderLimit, utc_s: float) -> None:
        """Note that an order has come to its end, unless a revision that has just come in goes on."""
        key = OrderKey.of(limit.id)
        known = self._ledger.get(key)
        if isinstance(known, OpenOrder) and known.revision == limit.revision:
            ended = self._journal.post(RecordKind.ORDER_ENDED, key._asdict() | {"utc_s": utc_s})
            self._unstored.note(key, ended)
            self._ledger.end(key, Ending.EXPIRED, utc_s, "schedule")

    def _begin(self, limit: OrderLimit, comes_to: ComesTo | None, utc_s: float) -> None:
        """Note that an order is in force, and what its cut comes to, once that is known of this revision."""
        key = OrderKey.of(limit.id)
        if comes_to is not None and comes_to.revision != limit.revision:
            return
        limit_w = None if limit.reduce_by_w is None or comes_to is None else comes_to.limit_w
        if limit.begun and limit_w is None:
            return
        body = key._asdict() | {"revision": limit.revision, "limit_w": limit_w, "utc_s": utc_s}
        self._unstored.note(key, self._journal.post(RecordKind.ORDER_BEGUN, body))
        self._ledger.begin(key, limit.revision, limit_w)

    def _put(self, *orders: tuple[OpenOrder, RecordKind]) -> None:
        """Have orders count, and send them to the disk; each with what its record is."""
        # On their way to the disk first: what a tick then notes of them stands behind them in the journal.
        for order, kind in orders:
            self._unstored.note(order.key, self._journal.post(kind, body := to_body(order)))
            self._certainty.learn(kind, body)
        self._ledger.put(*(order for order, _ in orders))
        if any(binds(order) for order, _ in orders):
            self.on_binding()

    def _refuse_unless_next(self, known: OpenOrder, wanted: WantedOrder, by: Principal) -> None:
        """Refuse what is not the next revision: of the one that counts, or of one that waits for the disk to relax it."""
        if wanted.revision not in {known.revision + 1, self._relaxing.get(known.key, known.revision) + 1}:
            raise not_next(known, by)

    def _take_stated(
        self, wanted: Mapping[str, WantedOrder], by: Principal
    ) -> tuple[tuple[OpenOrder, ...], tuple[Relaxing, ...]]:
        """Have what is new, or tighter, count; return that, and what relaxes. OrderRefused: nothing changed."""
        fresh: list[tuple[OpenOrder, RecordKind]] = []
        relaxing: list[Relaxing] = []
        for order in self._admitted(wanted, by):
            known = self._ledger.get(order.key)
            if isinstance(known, OpenOrder) and not tightens(order.limit, known.limit):
                relaxing.append(self._offer(order, known, by))
            else:
                fresh.append((order, RecordKind.ORDER if known is None else RecordKind.ORDER_CHANGED))
        self._put(*fresh)
        return tuple(order for order, _ in fresh), tuple(relaxing)

    def _admitted(self, wanted: Mapping[str, WantedOrder], by: Principal) -> tuple[OpenOrder, ...]:
        """Return those that are new, or at a later revision than is known here: the changes between were lost, and need not be sent again.

        OrderRefused with every reason why one cannot be taken.
        """
        self._refuse_retired(by)
        refuse_crowd(by.name, wanted, self._ledger.open(by.name))
        fresh: list[OpenOrder] = []
        reasons: list[Reason] = []
        for order_id, one in wanted.items():
            known = self._ledger.get(OrderKey(by.name, order_id))
            later = known is None or (isinstance(known, OpenOrder) and one.revision > known.revision)
            if later:
                try:
                    fresh.append(self._admit_stated(one, known if isinstance(known, OpenOrder) else None, by))
                except OrderRefused as refusal:
                    reasons.extend(refusal.reasons)
            elif isinstance(known, EndedOrder):
                ended = {"order": order_id, "ending": known.ending.value}
                reasons.append(Reason(Code.ORDER_STATED_ENDED, by.name, ended))
            elif known is not None and (known.content, known.revision) != (one.content, one.revision):
                conflict: dict[str, Parameter] = {"order": order_id, "revision": known.revision}
                reasons.append(Reason(Code.ORDER_CONFLICT, by.name, conflict))
        if reasons:
            raise OrderRefused(Cause.CONFLICT, *reasons)
        return tuple(fresh)

    def _admit_stated(self, wanted: WantedOrder, known: OpenOrder | None, by: Principal) -> OpenOrder:
        order = wanted.admit(known)
        if known is not None and known.key in self._relaxing and not tightens(order.limit, known.limit):
            raise not_next(known, by)
        return order

    def _refuse_retired(self, by: Principal) -> None:
        if by.name in self._certainty.retired:
            raise OrderRefused(Cause.RETIRED, Reason(Code.ISSUER_RETIRED, by.name))

    def _learn(self, kind: RecordKind, body: Mapping[str, Any]) -> None:
        with self._lock:
            before = self.unsure
            self._certainty.learn(kind, body)
        if before is not None and self.unsure is None:
            _log.info("all orders are known again", extra={"event": "orders_certain"})

    def _replay(self) -> None:
        for record in self._journal.records(*OF_ORDERS):
            try:
                self._ledger.replay(record, self._site)
                self._certainty.learn(record.kind, record.body)
            except (KeyError, TypeError, ValueError) as error:
                why = f"record {record.seq} of the journal is not understood: {error!r}"
                _log.error("%s", why, extra={"event": "record_strange"})
                self._certainty.learn(RecordKind.DOUBT, {"why": why, "epoch": None})
