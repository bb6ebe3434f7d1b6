"""What the answers about orders look like."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import BaseModel

from controller.api.reason_bodies import ReasonBody, reason_bodies
from controller.core.limits.orders import Compliance
from controller.daemon.orders.history import OrderEvent
from controller.daemon.orders.intake import OrderAnswer, StatementAnswer
from controller.daemon.orders.records import Ending, Outcome
from controller.daemon.orders.standing import Ended, Met, NotMet, OrderState, OrderView
from controller.texts.english import text, texts


class OrderBody(BaseModel):
    """An order. Its issuer and its id name it; no end means until released. `limit_w`: null until a cut is worked out at its start.

    `state`: scheduled, in_force (and nobody can see whether it is kept), met or not_met `since`, or ended: `ending` (released,
    expired, or retired with its issuer), `ended_at`, `ended_by`. `outcome`: how its revision was accepted. Of one in
    force, by the newest tick, else null: `compliance`, whether it is kept: met, not_met, partial (down to the floor,
    which is above the limit) or unseen (no usable meter); `shortfall_w`, what is missing; `achievable_w`, the least
    that the node can be brought to; `in_the_way`, what keeps it from less. `end_waits`: why its end does not come by the
    clock now, and whether it has passed by that clock; null where it does, or where there is none. `reasons`: the same two by code.
    """

    id: str
    issuer: str
    revision: int
    state: OrderState
    since: datetime | None
    node: str
    limit_w: float | None
    reduce_by_w: float | None
    starts_at: datetime
    ends_at: datetime | None
    ramp_w_per_s: float | None
    accepted_at: datetime
    outcome: Outcome
    durable: bool
    compliance: Compliance | None
    shortfall_w: float | None
    achievable_w: float | None
    in_the_way: str | None
    end_waits: str | None
    reasons: list[ReasonBody]
    ending: Ending | None
    ended_at: datetime | None
    ended_by: str | None


class OrderEventBody(BaseModel):
    """What happened to an order: accepted, changed, begun, met, not_met, partial, unseen, released, expired or retired.

    What does not belong to an event is null. `why`: what stood in the way, in words; `reasons`: the same by code.
    """

    at: datetime
    event: str
    by: str | None
    revision: int | None
    limit_w: float | None
    power_w: float | None
    shortfall_w: float | None
    why: str
    reasons: list[ReasonBody]


class OrderHistoryBody(OrderBody):
    """An order with what the journal tells of it, the oldest first; no more than its newest 200 events."""

    history: list[OrderEventBody]


class OrderAnswerBody(BaseModel):
    """What the sender of an order or a release is told: how it stands now, whenever it was sent first.

    `limit_w`: the cap that counts from now on, null where a cut is worked out at its start. `achievable_w`: the lowest power that
    the node can be brought to now. `durable`: it survives a power cut. `why`: what keeps it from being durable, or accepted in
    full, or ended by the clock, and why other orders may be missing; `reasons`: the same by code. `head`: what the journal ends with, signed; keep
    it, and it proves later that nothing before it was changed.
    """

    id: str
    issuer: str
    revision: int
    outcome: Outcome
    node: str
    limit_w: float | None
    achievable_w: float
    durable: bool
    why: str
    reasons: list[ReasonBody]
    head: str | None


class StatementAnswerBody(BaseModel):
    """What is told to whoever has stated which orders are in force: each of them, and why some may still be missing, null if none.

    `ended`: ids of the sender's orders that it did not list, and which have ended by that.
    """

    orders: list[OrderAnswerBody]
    ended: list[str]
    orders_doubt: str | None
    head: str | None


class OrderListBody(BaseModel):
    """Every open order and the newest of the others, the newest last."""

    orders: list[OrderBody]


def answer_body(answer: OrderAnswer) -> OrderAnswerBody:
    """Return an answer as it leaves."""
    return OrderAnswerBody(
        id=answer.id,
        issuer=answer.issuer,
        revision=answer.revision,
        outcome=answer.outcome,
        node=answer.node,
        limit_w=_finite(answer.limit_w),
        achievable_w=answer.achievable_w,
        durable=answer.durable,
        why=texts(answer.reasons),
        reasons=reason_bodies(answer.reasons),
        head=answer.head,
    )


def statement_body(answer: StatementAnswer) -> StatementAnswerBody:
    """Return the answer to a statement as it leaves."""
    return StatementAnswerBody(
        orders=[answer_body(order) for order in answer.orders],
        ended=list(answer.ended),
        orders_doubt=text(answer.doubt) if answer.doubt else None,
        head=answer.head,
    )


def order_body(view: OrderView) -> OrderBody:
    """Return an order as it is shown."""
    order, limit, stands, now = view.order, view.order.limit, view.standing, view.now
    ended = stands if isinstance(stands, Ended) else None
    return OrderBody(
        id=order.key.id,
        issuer=order.by,
        revision=order.revision,
        state=stands.state,
        since=_instant(stands.since_utc_s) if isinstance(stands, Met | NotMet) else None,
        node=order.node,
        limit_w=_finite(limit.limit_w),
        reduce_by_w=limit.reduce_by_w,
        starts_at=_instant(limit.starts_utc_s),
        ends_at=None if math.isinf(limit.ends_utc_s) else _instant(limit.ends_utc_s),
        ramp_w_per_s=_finite(limit.ramp_w_s),
        accepted_at=_instant(order.accepted_utc_s),
        outcome=order.outcome,
        durable=view.durable,
        compliance=now.compliance if now else None,
        shortfall_w=now.shortfall_w if now else None,
        achievable_w=now.achievable_w if now else None,
        in_the_way=texts(view.way) if now else None,
        end_waits=texts(view.end) or None,
        reasons=reason_bodies((*view.way, *view.end)),
        ending=ended.ending if ended else None,
        ended_at=_instant(ended.at_utc_s) if ended else None,
        ended_by=ended.by if ended else None,
    )


def history_body(body: OrderBody, events: Iterable[OrderEvent]) -> OrderHistoryBody:
    """Return an order with its history."""
    history = [
        OrderEventBody(
            at=_instant(event.at_utc_s),
            event=event.event,
            by=event.by,
            revision=event.revision,
            limit_w=event.limit_w,
            power_w=event.power_w,
            shortfall_w=event.shortfall_w,
            why=event.why,
            reasons=reason_bodies(event.reasons),
        )
        for event in events
    ]
    return OrderHistoryBody(**body.model_dump(), history=history)


def _instant(utc_s: float) -> datetime:
    return datetime.fromtimestamp(utc_s, UTC)


def _finite(watts: float) -> float | None:
    return watts if math.isfinite(watts) else None
