"""``/api/v1/orders``: post, list, release, state what is in force."""

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

import anyio
from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from controller.api.auth import require
from controller.api.body import read_body
from controller.api.errors import ErrorBody
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.reasons import Reason
from controller.core.site import Site
from controller.daemon.access import Principal, Role
from controller.daemon.orders.admission import in_the_way
from controller.daemon.orders.book import OrderView
from controller.daemon.orders.intake import OrderAnswer, StatementAnswer
from controller.daemon.orders.records import Outcome
from controller.daemon.orders.request import Confirmation, OrderRequest, Statement
from controller.daemon.service import Service
from controller.texts.english import text, texts

#: The longest list of all orders in bytes.
MAX_STATEMENT: Final = 512 * 1024

_ERRORS: dict[int | str, dict[str, Any]] = {
    status.value: {"model": ErrorBody}
    for status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)
}
_POST_ERRORS = _ERRORS | {408: {"model": ErrorBody}, 409: {"model": ErrorBody}, 413: {"model": ErrorBody}}


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    for name, part in schema.pop("$defs", {}).items():
        # In the document of the whole interface, a reference would point elsewhere.
        schema = json.loads(json.dumps(schema).replace(json.dumps({"$ref": f"#/$defs/{name}"}), json.dumps(part)))
    return {"required": True, "content": {"application/json": {"schema": schema}}}


_BODY, _STATEMENT, _CONFIRMATION = _schema(OrderRequest), _schema(Statement), _schema(Confirmation)


class OrderBody(BaseModel):
    """An order of the book. `state`: scheduled, in_force, released, expired or retired (with its issuer); no end means until released.

    `outcome`: how it was accepted. Of one in force, by the newest tick, else null: `compliance`, whether it is kept: met,
    not_met, partial (down to the floor, which is above the limit) or unseen (no usable meter); `shortfall_w`, what is
    missing; `achievable_w`, the least that the node can be brought to; `in_the_way`, what keeps it from less.
    `end_waits`: why its end does not come by the clock now, null where it does, or where there is none.
    """

    id: str
    state: str
    node: str
    limit_w: float
    starts_at: datetime
    ends_at: datetime | None
    ramp_w_per_s: float | None
    by: str
    accepted_at: datetime
    outcome: Outcome
    durable: bool
    compliance: Compliance | None
    shortfall_w: float | None
    achievable_w: float | None
    in_the_way: str | None
    end_waits: str | None


class OrderAnswerBody(BaseModel):
    """What the sender of an order or a release is told: how it stands now, whenever it was sent first.

    `limit_w`: the cap that counts from now on. `achievable_w`: the lowest power that the node can be brought to now.
    `durable`: it survives a power cut. `why`: what keeps it from being durable, accepted in full, or ended by the clock, and why other
    orders may be missing. `head`: what the journal ends with, signed; keep it, and it proves later that nothing before it was changed.
    """

    id: str
    outcome: Outcome
    node: str
    limit_w: float
    achievable_w: float
    durable: bool
    why: str
    head: str | None


class StatementAnswerBody(BaseModel):
    """What is told to whoever has stated which orders are in force: each of them, and why some may still be missing, null if none."""

    orders: list[OrderAnswerBody]
    orders_doubt: str | None
    head: str | None


class OrderListBody(BaseModel):
    """Every open order and the newest of the others, the newest last."""

    orders: list[OrderBody]


def routes(service: Service) -> APIRouter:
    """Return the routes; the book blocks on the disk, so it is called in threads."""
    router = APIRouter(prefix="/api/v1/orders", tags=["orders"])
    readers = Depends(require(service.tokens, *Role))
    Authority = Annotated[Principal, Depends(require(service.tokens, Role.AUTHORITY))]  # noqa: N806  a type
    # Of their own, so that releases that wait for a dead disk never keep a tightening order waiting.
    tightening, relaxing = anyio.CapacityLimiter(32), anyio.CapacityLimiter(4)

    def answered(answer: OrderAnswer) -> OrderAnswerBody:
        for reason in answer.reasons:
            service.answered(reason.code)
        return _body(answer)

    @router.post("", responses=_POST_ERRORS, openapi_extra={"requestBody": _BODY})
    async def post_order(request: Request, by: Authority) -> OrderAnswerBody:
        order = OrderRequest.parse(await read_body(request), by.name)
        return answered(await to_thread.run_sync(lambda: service.intake.accept(order, by), limiter=tightening))

    @router.get("", responses=_ERRORS, dependencies=[readers])
    async def list_orders() -> OrderListBody:
        decision = service.decision_now()
        now = {order.id: order for order in decision.orders} if decision else {}
        warnings = decision.warnings if decision else ()
        doubt = service.utc().doubt
        return OrderListBody(
            orders=[_order(service.site, view, now.get(view.id), warnings, doubt) for view in service.book.list()]
        )

    @router.post("/{order_id}/release", responses=_ERRORS | {404: {"model": ErrorBody}})
    async def release_order(order_id: str, by: Authority) -> OrderAnswerBody:
        return answered(await to_thread.run_sync(lambda: service.intake.release(order_id, by), limiter=relaxing))

    _add_statements(router, service, tightening, relaxing)
    return router


def _add_statements(
    router: APIRouter, service: Service, tightening: anyio.CapacityLimiter, relaxing: anyio.CapacityLimiter
) -> None:
    """Add what ends a doubt whether all orders are known."""
    Authority = Annotated[Principal, Depends(require(service.tokens, Role.AUTHORITY))]  # noqa: N806  a type
    Operator = Annotated[Principal, Depends(require(service.tokens, Role.OPERATOR))]  # noqa: N806  a type

    @router.post("/statement", responses=_POST_ERRORS, openapi_extra={"requestBody": _STATEMENT})
    async def state_orders(request: Request, by: Authority) -> StatementAnswerBody:
        stated = Statement.parse(await read_body(request, MAX_STATEMENT), by.name)
        answer = await to_thread.run_sync(
            lambda: service.intake.state(stated.orders, by, stated.sent_at), limiter=tightening
        )
        return _stated(answer)

    @router.post("/confirmation", responses=_POST_ERRORS, openapi_extra={"requestBody": _CONFIRMATION})
    async def confirm_orders(request: Request, by: Operator) -> StatementAnswerBody:
        confirmed = Confirmation.parse(await read_body(request), by.name)
        answer = await to_thread.run_sync(lambda: service.intake.confirm(confirmed.reason, by), limiter=relaxing)
        return _stated(answer)


def _body(answer: OrderAnswer) -> OrderAnswerBody:
    return OrderAnswerBody(
        id=answer.id,
        outcome=answer.outcome,
        node=answer.node,
        limit_w=answer.limit_w,
        achievable_w=answer.achievable_w,
        durable=answer.durable,
        why=texts(answer.reasons),
        head=answer.head,
    )


def _stated(answer: StatementAnswer) -> StatementAnswerBody:
    return StatementAnswerBody(
        orders=[_body(order) for order in answer.orders],
        orders_doubt=text(answer.doubt) if answer.doubt else None,
        head=answer.head,
    )


def _order(
    site: Site, view: OrderView, now: OrderNow | None, warnings: Iterable[Reason], doubt: Reason | None
) -> OrderBody:
    return OrderBody(
        id=view.id,
        state=view.ended or ("in_force" if view.begun else "scheduled"),
        node=view.node,
        limit_w=view.limit_w,
        starts_at=datetime.fromtimestamp(view.starts_utc_s, UTC),
        ends_at=None if math.isinf(view.ends_utc_s) else datetime.fromtimestamp(view.ends_utc_s, UTC),
        ramp_w_per_s=None if math.isinf(view.ramp_w_s) else view.ramp_w_s,
        by=view.by,
        accepted_at=datetime.fromtimestamp(view.accepted_utc_s, UTC),
        outcome=view.outcome,
        durable=view.durable,
        compliance=now.compliance if now else None,
        shortfall_w=now.shortfall_w if now else None,
        achievable_w=now.achievable_w if now else None,
        in_the_way=texts(in_the_way(site, now.node, warnings)) if now else None,
        end_waits=text(doubt) if doubt and not view.ended and math.isfinite(view.ends_utc_s) else None,
    )
