"""``/api/v1/orders``: post, list, show, change, release, state what is in force."""

from collections import defaultdict
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import anyio
from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel
from starlette.convertors import StringConvertor, register_url_convertor

from controller.api.auth import require
from controller.api.body import read_body, takes
from controller.api.errors import ErrorBody
from controller.api.order_bodies import (
    OrderAnswerBody,
    OrderHistoryBody,
    OrderListBody,
    StatementAnswerBody,
    answer_body,
    history_body,
    order_body,
    statement_body,
)
from controller.api.order_schemas import schema_of
from controller.api.readers import Readers
from controller.api.turns import end_turn
from controller.daemon.access import Principal, Role
from controller.daemon.orders.history import OrderEvent
from controller.daemon.orders.intake import OrderAnswer, StatementAnswer, Taken
from controller.daemon.orders.records import order_of
from controller.daemon.orders.request import NO_ORDER, Confirmation, OrderChange, OrderRequest, Statement
from controller.daemon.service import Service

#: The longest list of all orders in bytes.
MAX_STATEMENT: Final = 1024 * 1024
#: Answers to one issuer that wait for the disk at once; the next ones wait their turn, and keep no other issuer waiting.
EACH: Final = 8

_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in (409, 503)}
_NAMED_ERRORS = _ERRORS | {404: {"model": ErrorBody}}
#: What stands beside the orders is neither shown nor changed.
_OWN_ERRORS = _NAMED_ERRORS | {405: {"model": ErrorBody}}
_T = TypeVar("_T")


class _OrderId(StringConvertor):
    """The id of an order in a path; what stands beside the orders is none."""

    regex = rf"(?!(?:{'|'.join(NO_ORDER)})$)[^/]+"


register_url_convertor("order", _OrderId())
_Named = Annotated[str, Path(json_schema_extra={"not": {"enum": [*NO_ORDER]}})]
#: Whose order is meant, where several have the same id.
_Issuer = Annotated[str | None, Query(description="whose order it is; needed where several have the same id")]


class _Rooms:
    """Who waits where: of each issuer so many at once, and what is answered and what relaxes each for itself.

    So neither a flood by one issuer, nor what waits for a dead disk, keeps a tightening order from counting. What is worked out
    is done for each issuer one after the other: more threads would only take the interpreter from one another, from
    the loop that hears everybody else, and from the tick.
    """

    def __init__(self) -> None:
        self._tightening: defaultdict[str, anyio.CapacityLimiter] = defaultdict(lambda: anyio.CapacityLimiter(1))
        self._answering: defaultdict[str, anyio.CapacityLimiter] = defaultdict(lambda: anyio.CapacityLimiter(EACH))
        self._stating: defaultdict[str, anyio.CapacityLimiter] = defaultdict(lambda: anyio.CapacityLimiter(2))
        self._relaxing = anyio.CapacityLimiter(4)

    async def tighten(self, by: Principal, work: Callable[[], _T]) -> _T:
        return await to_thread.run_sync(work, limiter=self._tightening[by.name])

    async def answer(self, request: Request, by: Principal, taken: Taken) -> OrderAnswer:
        end_turn(request.scope)
        limiter = self._relaxing if taken.relaxes else self._answering[by.name]
        # What is on its way to the disk has to count as soon as it is there, also where nobody waits for the answer any more.
        with anyio.CancelScope(shield=True):
            answer = await to_thread.run_sync(taken.answer, limiter=limiter)
        return answer  # noqa: RET504  a scope may swallow what is raised in it, for all that mypy knows

    async def state(self, by: Principal, work: Callable[[], _T]) -> _T:
        return await to_thread.run_sync(work, limiter=self._stating[by.name])

    async def relax(self, work: Callable[[], _T]) -> _T:
        return await to_thread.run_sync(work, limiter=self._relaxing)


def _takes(model: type[BaseModel], service: Service) -> dict[str, Any]:
    return takes(schema_of(model, service.site))


def routes(service: Service, readers: Readers) -> APIRouter:
    """Return the routes; the book blocks on the disk, so it is called in threads."""
    router, rooms = APIRouter(prefix="/api/v1/orders", tags=["orders"]), _Rooms()
    _add_statements(router, service, rooms)
    _add_orders(router, service, rooms)
    _add_shows(router, service, readers)
    return router


def _add_orders(router: APIRouter, service: Service, rooms: _Rooms) -> None:
    """Add what gives, changes and ends an order: an authority's, or an operator's own limit."""
    Issuer = Annotated[Principal, Depends(require(service.tokens, Role.AUTHORITY, Role.OPERATOR))]
    intake = service.intake

    def answered(answer: OrderAnswer) -> OrderAnswerBody:
        for reason in answer.reasons:
            service.answered(reason.code)
        return answer_body(answer)

    @router.post("", responses=_ERRORS, openapi_extra=_takes(OrderRequest, service))
    async def post_order(request: Request, by: Issuer) -> OrderAnswerBody:
        order = OrderRequest.parse(await read_body(request), by.name)
        taken = await rooms.tighten(by, lambda: intake.take(order, by))
        return answered(await rooms.answer(request, by, taken))

    @router.put("/{order_id:order}", responses=_OWN_ERRORS, openapi_extra=_takes(OrderChange, service))
    async def change_order(order_id: _Named, request: Request, by: Issuer, issuer: _Issuer = None) -> OrderAnswerBody:
        change = OrderChange.parse(await read_body(request), by.name)
        taken = await rooms.tighten(by, lambda: intake.take_change(order_id, change, by, issuer))
        return answered(await rooms.answer(request, by, taken))

    @router.post("/{order_id}/release", responses=_NAMED_ERRORS)
    async def release_order(order_id: str, by: Issuer, issuer: _Issuer = None) -> OrderAnswerBody:
        return answered(await rooms.relax(lambda: intake.release(order_id, by, issuer)))


def _add_shows(router: APIRouter, service: Service, readers: Readers) -> None:
    """Add what shows orders; every role may look. There may be hundreds, and a journal of years."""
    Reader = Annotated[Principal, Depends(require(service.tokens, *Role))]
    intake, book = service.intake, service.book

    @router.get("", response_model=OrderListBody)
    async def list_orders(request: Request, by: Reader) -> Response:
        return await readers.answer(
            request, by.name, lambda: OrderListBody(orders=[order_body(view) for view in intake.list()])
        )

    @router.get("/{order_id:order}", response_model=OrderHistoryBody, responses=_OWN_ERRORS)
    async def show_order(request: Request, order_id: _Named, by: Reader, issuer: _Issuer = None) -> Response:
        key = order_of(book.find(order_id, by, issuer)).key

        def shown(events: tuple[OrderEvent, ...]) -> OrderHistoryBody:
            # As it stands once its history is read, which may take a while.
            return history_body(order_body(intake.view(book.find(key.id, by, key.issuer))), events)

        return await readers.answer_from_disk(request, by.name, lambda: book.history(key), shown)


def _add_statements(router: APIRouter, service: Service, rooms: _Rooms) -> None:
    """Add what ends a doubt whether all orders are known."""
    Authority = Annotated[Principal, Depends(require(service.tokens, Role.AUTHORITY))]
    Operator = Annotated[Principal, Depends(require(service.tokens, Role.OPERATOR))]

    @router.post("/statement", responses=_ERRORS, openapi_extra=_takes(Statement, service))
    async def state_orders(request: Request, by: Authority) -> StatementAnswerBody:
        body = await read_body(request, MAX_STATEMENT)

        def state() -> StatementAnswer:
            # Long ones take a while to be read: the loop hears everybody else meanwhile.
            stated = Statement.parse(body, by.name)
            return service.intake.state(stated.orders, by, stated.sent_at)

        return statement_body(await rooms.state(by, state))

    @router.post("/confirmation", responses=_ERRORS, openapi_extra=_takes(Confirmation, service))
    async def confirm_orders(request: Request, by: Operator) -> StatementAnswerBody:
        confirmed = Confirmation.parse(await read_body(request), by.name)
        return statement_body(await rooms.relax(lambda: service.intake.confirm(confirmed.reason, by)))
