"""Where orders come in, whatever they came by: each is judged by what is fresh and trusted, stored and answered.

An interface makes an `OrderRequest` of what it was sent, and its own words of the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from controller.core.decision import Decision
from controller.core.limits.orders import OrderNow
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.daemon.access import Principal, Role
from controller.daemon.journal.journal import STORED_S
from controller.daemon.orders.admission import ABSURD, PowerNow, Reach, admit, reach
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.causes import Causes
from controller.daemon.orders.finding import has_ended
from controller.daemon.orders.records import (
    EndedOrder,
    Entry,
    OpenOrder,
    OrderKey,
    Outcome,
    WantedOrder,
    order_of,
)
from controller.daemon.orders.refusal import OrderRefused
from controller.daemon.orders.relaxing import Relaxing
from controller.daemon.orders.request import OrderChange, OrderRequest, content_hash
from controller.daemon.orders.standing import NotMet, OrderView, end_of, standing
from controller.daemon.utc import Utc


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAnswer:
    """What the sender of an order or a release is told: how it stands now, whenever it was sent first.

    `limit_w`: the cap that counts from now on, ``inf`` where it is worked out later. `achievable_w`: the lowest power that the
    node can be brought to now. `durable`: it survives a power cut. `reasons`: why it is not durable, not accepted in full, or
    does not end by the clock, and why other orders may be missing. `head`: what the journal ends with, signed; whoever keeps it can prove later that nothing
    before it was changed.
    """

    id: str
    issuer: str
    revision: int
    outcome: Outcome
    node: str
    limit_w: float
    achievable_w: float
    durable: bool
    reasons: tuple[Reason, ...]
    head: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementAnswer:
    """What an issuer is told that has listed all its orders: each of them, and whether orders may still be missing.

    `ended`: ids of those that it did not list, and which have ended by that.
    """

    orders: tuple[OrderAnswer, ...]
    ended: tuple[str, ...]
    doubt: Reason | None
    head: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An order, or a change of one, that counts unless it `relaxes`. `answer`: waits for the disk, and returns what its sender is told."""

    relaxes: bool
    answer: Callable[[], OrderAnswer]


class OrderIntake:
    """Takes orders and releases in; every method may be called from any thread, and blocks on the disk.

    `decision`: the newest, None where there is none that is new enough to speak of now. `utc`: the newest look at the wall
    clock, `hear` is told when an issuer says that it has sent something. `head`: the token of the journal's head.
    """

    def __init__(
        self,
        *,
        site: Site,
        book: OrderBook,
        decision: Callable[[], Decision | None],
        utc: Callable[[], Utc],
        head: Callable[[], str | None] = lambda: None,
        hear: Callable[[str, float], None] = lambda _issuer, _utc_s: None,
    ) -> None:
        self._hear = hear
        self._site, self._book, self._causes = site, book, Causes(site)
        self._decision, self._utc, self._head = decision, utc, head

    def take_over(self, site: Site) -> None:
        """Work by a site of the same structure from now on."""
        self._site = site

    @property
    def most_w(self) -> float:
        """The largest limit or cut in W that is believed, by the contract that holds now."""
        return ABSURD * self._site.rules.contract_w

    def accept(self, request: OrderRequest, by: Principal) -> OrderAnswer:
        """Apply and store an order; the same request again changes nothing, and is answered by what is known now.

        Blocks until the order is on the disk; where the journal cannot be used the order counts all the same, and
        the answer is not durable. OrderRefused: nothing changed.
        """
        return self.take(request, by).answer()

    def take(self, request: OrderRequest, by: Principal) -> Taken:
        """Apply an order without waiting for the disk, as `accept` does."""
        self._note_time(request.sent_at, by)
        wanted, asked = self._wanted(request, by), list[OpenOrder]()

        def admit_and_note(known: OpenOrder | None) -> OpenOrder:
            asked.append(wanted.admit(known))
            return asked[-1]

        try:
            order = self._book.enter(OrderKey(by.name, request.id), replace(wanted, admit=admit_and_note), by)
        except OrderRefused as refusal:
            self._book.note_refusal(request.id, by, refusal)
            raise
        asked_w = asked[0].limit.limit_w if asked else request.limit_w
        ends_utc_s = math.inf if request.ends_at is None else request.ends_at.timestamp()
        return Taken(relaxes=False, answer=lambda: self._accepted(order, by, asked_w, ends_utc_s))

    def change(self, order_id: str, change: OrderChange, by: Principal, issuer: str | None = None) -> OrderAnswer:
        """Give an order its next revision; the present one once more changes nothing.

        What tightens counts at once, durable or not; what relaxes counts once it is on the disk. OrderRefused: nothing changed.
        JournalUnusable: it was to relax, and stays as it was.
        """
        return self.take_change(order_id, change, by, issuer).answer()

    def take_change(self, order_id: str, change: OrderChange, by: Principal, issuer: str | None = None) -> Taken:
        """Have what tightens count without waiting for the disk, as `change` does; what relaxes counts by the answer."""
        self._note_time(change.sent_at, by)
        request = change.of(order_id)
        try:
            known = order_of(self._book.find_to_change(order_id, by, issuer))
            changed = self._book.propose(known.key, self._wanted(request, by), by)
        except OrderRefused as refusal:
            self._book.note_refusal(order_id, by, refusal)
            raise
        if isinstance(changed, Relaxing):
            return Taken(relaxes=True, answer=lambda: self._relaxed(changed, by, request))
        return Taken(relaxes=False, answer=lambda: self._accepted(changed, by))

    def _relaxed(self, change: Relaxing, by: Principal, request: OrderRequest) -> OrderAnswer:
        try:
            order = change.finish()
        except OrderRefused as refusal:
            self._book.note_refusal(request.id, by, refusal)
            raise
        return self._accepted(order, by)

    def state(
        self, requests: Sequence[OrderRequest], by: Principal, sent_at: datetime | None = None
    ) -> StatementAnswer:
        """Take these for all orders of their issuer that are in force, no id twice: what it does not list ends.

        Blocks until it is on the disk. OrderRefused, with every reason: nothing changed. JournalUnusable: the orders that are new
        count, and nothing else does.
        """
        self._note_time(sent_at, by)
        wanted = {request.id: self._wanted(request, by, stated=True) for request in requests}
        try:
            orders, ended = self._book.state(wanted, by, self._utc().utc_s)
        except OrderRefused as refusal:
            self._book.note_refusal("statement", by, refusal)
            raise
        answers = tuple(self._told(order, by, durable=self._book.durable(order.key, STORED_S)) for order in orders)
        return StatementAnswer(orders=answers, ended=ended, doubt=self._book.unsure, head=self._head())

    def confirm(self, reason: str, by: Principal) -> StatementAnswer:
        """Take an operator's word that no order is missing; OrderRefused where issuers have to say it, JournalUnusable."""
        self._book.confirm(by, reason, self._utc().utc_s)
        return StatementAnswer(orders=(), ended=(), doubt=self._book.unsure, head=self._head())

    def _note_time(self, sent_at: datetime | None, by: Principal) -> None:
        """Hear when an authority says that it has sent something; an operator vouches for no clock by the way."""
        if sent_at is not None and by.role is Role.AUTHORITY:
            self._hear(by.name, sent_at.timestamp())

    def release(self, order_id: str, by: Principal, issuer: str | None = None) -> OrderAnswer:
        """End an order for good, on the disk first; releasing an ended order changes nothing.

        OrderRefused: no such order, or another's. JournalUnusable: the order stays.
        """
        found = self._book.release(order_id, by, self._utc().utc_s, issuer)
        order, unsure, durable = order_of(found), self._book.unsure, True
        reasons: tuple[Reason, ...] = ()
        if isinstance(found, EndedOrder):
            reasons = (Reason(Code.ORDER_ENDED_BEFORE, by.name, {"ending": found.ending.value}),)
            durable = self._book.durable(order.key, STORED_S)
        reasons += () if durable else (Reason(Code.ORDER_NOT_DURABLE, by.name),)
        now = replace(reach(order.limit, self._site, self._power()), outcome=Outcome.RELEASED)
        return self._answer(order, now, durable, (*reasons, *((unsure,) if unsure else ())))

    def view(self, entry: Entry) -> OrderView:
        """Return an order as it stands now."""
        return self.views((entry,))[0]

    def list(self) -> tuple[OrderView, ...]:
        """Return every open order and the newest of the others as they stand now."""
        return self.views(self._book.entries())

    def views(self, entries: Sequence[Entry]) -> tuple[OrderView, ...]:
        """Return orders as they stand now."""
        decision, utc = self._decision(), self._utc()
        kept = {order.id: order for order in decision.orders} if decision else {}
        views: list[OrderView] = []
        for entry in entries:
            order = order_of(entry)
            now = kept.get(order.limit.id) if isinstance(entry, OpenOrder) else None
            # What the tick says of the revision before says nothing of this one.
            now = now if now is not None and now.revision == order.revision else None
            stands, durable = standing(entry, now, decision, self._causes, utc.utc_s), self._book.durable(order.key)
            end = end_of(order.limit, utc, order.by) if isinstance(entry, OpenOrder) else ()
            way = stands.why if isinstance(stands, NotMet) else self._in_the_way(now, decision)
            views.append(OrderView(order=order, standing=stands, now=now, durable=durable, way=way, end=end))
        return tuple(views)

    def _in_the_way(self, now: OrderNow | None, decision: Decision | None) -> tuple[Reason, ...]:
        return self._causes.in_the_way(now.node, decision.warnings) if now and decision else ()

    def _wanted(self, request: OrderRequest, by: Principal, *, stated: bool = False) -> WantedOrder:
        return WantedOrder(
            content=content_hash(request, self._site),
            revision=request.revision,
            admit=lambda known: admit(request, self._site, self._power(), self._utc(), by, known, stated=stated),
        )

    def _accepted(
        self, order: OpenOrder, by: Principal, asked_w: float | None = None, ends_utc_s: float = math.inf
    ) -> OrderAnswer:
        durable, entry = self._book.durable(order.key, STORED_S), self._book.now(order.key)
        if isinstance(entry, EndedOrder):
            # Since the disk was waited for: what is told is how it stands.
            raise has_ended(entry, by)
        if entry is not None and entry is not order:
            order, durable = entry, durable and self._book.durable(order.key, STORED_S)
        return self._told(order, by, asked_w, ends_utc_s, durable=durable)

    def _told(
        self,
        order: OpenOrder,
        by: Principal,
        asked_w: float | None = None,
        ends_utc_s: float = math.inf,
        *,
        durable: bool,
    ) -> OrderAnswer:
        unsure = self._book.unsure
        doubts: tuple[Reason, ...] = () if durable else (Reason(Code.ORDER_NOT_DURABLE, by.name),)
        if asked_w is not None and order.limit.limit_w < asked_w:
            doubts += (Reason(Code.ORDER_TAKEN_LOWER, by.name, {"limit_w": order.limit.limit_w}),)
        if order.limit.ends_utc_s > ends_utc_s:
            doubts += (Reason(Code.ORDER_TAKEN_LONGER, by.name),)
        doubts += end_of(order.limit, self._utc(), by.name)
        now = reach(order.limit, self._site, self._power())
        return self._answer(order, now, durable, (*now.reasons, *doubts, *((unsure,) if unsure else ())))

    def _power(self) -> PowerNow:
        """Return what is known of the nodes now: only fresh, trusted power counts."""
        decision = self._decision()
        if decision is None:
            return PowerNow()
        return PowerNow(
            power_w=decision.power_w,
            cut_from_w=decision.cut_from_w,
            floor_w=decision.floor_w,
            achievable_w=decision.achievable_w,
            in_the_way=lambda node: self._causes.in_the_way(node, decision.warnings),
        )

    def _answer(self, order: OpenOrder, now: Reach, durable: bool, reasons: tuple[Reason, ...]) -> OrderAnswer:
        return OrderAnswer(
            id=order.key.id,
            issuer=order.by,
            revision=order.revision,
            outcome=now.outcome,
            node=order.node,
            limit_w=order.limit.limit_w,
            achievable_w=now.achievable_w,
            durable=durable,
            reasons=reasons,
            head=self._head(),
        )
