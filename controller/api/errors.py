"""Every error leaves in one shape: ``{"error": {"reason": word, "details": [text, …]}}``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from controller.api.order_bodies import OrderBody
from controller.api.reason_bodies import ReasonBody, reason_bodies
from controller.core.reasons import Reason
from controller.daemon.orders.records import Entry
from controller.daemon.orders.refusal import Cause, OrderRefused
from controller.daemon.people.refusal import WorkRefused
from controller.texts.english import text
from controller.texts.wrong_values import wrong_value
from drivers.errors import JournalUnusable

_log = logging.getLogger(__name__)

_STATUS: Final = {
    Cause.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Cause.CONFLICT: HTTPStatus.CONFLICT,
    Cause.UNKNOWN: HTTPStatus.NOT_FOUND,
    Cause.FULL: HTTPStatus.SERVICE_UNAVAILABLE,
    Cause.RETIRED: HTTPStatus.FORBIDDEN,
    Cause.FORBIDDEN: HTTPStatus.FORBIDDEN,
}


_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Error(BaseModel):
    """`reason`: a word for programs; `details`: every reason in words for people, and of an order in `reasons` by code.

    `order`: where an order of that name stands in the way, how it stands now.
    """

    reason: str
    details: list[str]
    reasons: list[ReasonBody] = []
    order: OrderBody | None = None


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: Error


class RequestRefused(Exception):
    """A request that is answered with `status`, a word and its details."""

    def __init__(self, status: HTTPStatus, reason: str, *details: str) -> None:
        """Refuse the request."""
        super().__init__(reason, *details)
        self.status = status
        self.reason = reason
        self.details = details


def answer(
    status: int, reason: str, *details: str, reasons: Iterable[Reason] = (), order: OrderBody | None = None
) -> JSONResponse:
    """Return an error as it leaves."""
    body = ErrorBody(error=Error(reason=reason, details=list(details), reasons=reason_bodies(reasons), order=order))
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(body.model_dump(mode="json"), status, headers)


def refused_tries() -> JSONResponse:
    """Return the answer to a peer that has asked too often without a valid token."""
    words = "too many requests without a valid token came from this address; one with a valid token is always answered"
    refusal = answer(HTTPStatus.TOO_MANY_REQUESTS, "too_many_tries", words)
    refusal.headers["Retry-After"] = "60"
    return refusal


def too_many_tries() -> bytes:
    """Return that answer as it goes over the wire; the connection is closed after it."""
    refusal = refused_tries()
    head = b"".join(b"%s: %s\r\n" % pair for pair in refusal.raw_headers)
    return b"HTTP/1.1 429 Too Many Requests\r\n%sconnection: close\r\n\r\n%s" % (head, bytes(refusal.body))


def _headers(request: Request, error: HTTPException) -> dict[str, str]:
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    return headers


def _allowed(request: Request) -> Iterator[str]:
    """Return the methods of all routes with this path; whoever refuses one knows only those of the first."""
    for method in _METHODS:
        scope = dict(request.scope) | {"method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            yield method


def _wrong(error: RequestValidationError) -> Iterator[str]:
    """Yield what is wrong in a path or a query; which of the two goes without saying."""
    for found in error.errors():
        yield str(wrong_value({**found, "loc": found["loc"][1:]}))


def install(app: FastAPI, refused: Callable[[str], None], shown: Callable[[Entry], OrderBody]) -> None:
    """Turn what the routes raise into answers, counted with `refused` by codes or HTTP's word; `shown`: an order as it stands."""

    @app.exception_handler(RequestRefused)
    async def request_refused(_: Request, error: RequestRefused) -> JSONResponse:
        refused(error.reason)
        return answer(error.status, error.reason, *error.details)

    @app.exception_handler(OrderRefused)
    async def order_refused(_: Request, error: OrderRefused) -> JSONResponse:
        for code in sorted({reason.code for reason in error.reasons}):
            refused(code)
        order, words = None if error.entry is None else shown(error.entry), map(text, error.reasons)
        return answer(_STATUS[error.cause], error.cause.value, *words, reasons=error.reasons, order=order)

    @app.exception_handler(WorkRefused)
    async def not_done(_: Request, error: WorkRefused) -> JSONResponse:
        refused(error.reason.code)
        return answer(_STATUS[error.cause], error.reason.code.value, text(error.reason), reasons=(error.reason,))

    @app.exception_handler(JournalUnusable)
    async def journal_unusable(_: Request, error: JournalUnusable) -> JSONResponse:
        refused("journal_unusable")
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, "journal_unusable", str(error))

    @app.exception_handler(RequestValidationError)
    async def wrong_values(_: Request, error: RequestValidationError) -> JSONResponse:
        refused("invalid")
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", *_wrong(error))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        reason = HTTPStatus(error.status_code).name.lower()
        refused(reason)
        refusal = answer(error.status_code, reason, str(error.detail))
        refusal.headers.update(_headers(request, error))
        return refusal

    app.add_exception_handler(Exception, _fault)


async def _fault(_: Request, error: Exception) -> JSONResponse:
    _log.error("a request failed", exc_info=error, extra={"event": "http_fault"})
    return answer(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", "the daemon has logged what went wrong")
