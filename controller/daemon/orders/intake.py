"""Where orders come in, whatever they came by: each is judged by what is fresh and trusted, stored and answered.

An interface makes an `OrderRequest` of what it was sent, and its own words of the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from controller.core.decision import Decision
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.daemon.access import Principal
from controller.daemon.orders.admission import PowerNow, Reach, admit, reach
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.records import EndedOrder, OpenOrder, Outcome, order_of
from controller.daemon.orders.refusal import OrderRefused
from controller.daemon.orders.request import OrderRequest, content_hash
from controller.daemon.utc import Utc

#: Seconds that an answer waits for the disk.
ANSWER_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAnswer:
    """What the sender of an order or a release is told: how it stands now, whenever it was sent first.

    `limit_w`: the cap that counts from now on. `achievable_w`: the lowest power that the node can be brought to now.
    `durable`: it survives a power cut. `reasons`: why it is not durable, or not accepted in full.
    """

    id: str
    outcome: Outcome
    node: str
    limit_w: float
    achievable_w: float
    durable: bool
    reasons: tuple[Reason, ...]


class OrderIntake:
    """Takes orders and releases in; every method may be called from any thread, and blocks on the disk.

    `decision`: the newest, None where there is none that is new enough to speak of now. `utc`: the newest look at the wall
    clock.
    """

    def __init__(
        self,
        *,
        site: Site,
        book: OrderBook,
        decision: Callable[[], Decision | None],
        utc: Callable[[], Utc],
    ) -> None:
        self._site, self._book = site, book
        self._decision, self._utc = decision, utc

    def accept(self, request: OrderRequest, by: Principal) -> OrderAnswer:
        """Apply and store an order; the same request again changes nothing, and is answered by what is known now.

        Blocks until the order is on the disk; where the journal cannot be used the order counts all the same, and
        the answer is not durable. OrderRefused: nothing changed.
        """

        def admitted() -> OpenOrder:
            return admit(request, self._site, self._power(), self._utc(), by)

        try:
            order = self._book.enter(request.id, content_hash(request, self._site), by, admitted)
        except OrderRefused as refusal:
            self._book.note_refusal(request.id, by, refusal)
            raise
        durable = self._book.durable(request.id, ANSWER_S)
        doubt = () if durable else (Reason(Code.ORDER_NOT_DURABLE, by.name),)
        now = reach(order.limit, self._site, self._power())
        return _answer(order, now, durable, (*now.reasons, *doubt))

    def release(self, order_id: str, by: Principal) -> OrderAnswer:
        """End an order for good, on the disk first; releasing an ended order changes nothing.

        OrderRefused: no such order. JournalUnusable: the order stays.
        """
        found = self._book.release(order_id, by, self._utc().utc_s)
        reasons: tuple[Reason, ...] = ()
        if isinstance(found, EndedOrder):
            reasons = (Reason(Code.ORDER_ENDED_BEFORE, by.name, {"ending": found.ending.value}),)
        order = order_of(found)
        now = replace(reach(order.limit, self._site, self._power()), outcome=Outcome.RELEASED)
        return _answer(order, now, True, reasons)

    def _power(self) -> PowerNow:
        """Return what is known of the nodes now: only fresh, trusted power counts."""
        decision = self._decision()
        if decision is None:
            return PowerNow()
        return PowerNow(
            power_w=decision.power_w,
            floor_w=decision.floor_w,
            achievable_w=decision.achievable_w,
            warnings=decision.warnings,
        )


def _answer(order: OpenOrder, now: Reach, durable: bool, reasons: tuple[Reason, ...]) -> OrderAnswer:
    return OrderAnswer(
        id=order.limit.id,
        outcome=now.outcome,
        node=order.node,
        limit_w=order.limit.limit_w,
        achievable_w=now.achievable_w,
        durable=durable,
        reasons=reasons,
    )
