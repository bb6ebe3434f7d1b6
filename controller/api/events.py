"""``/api/v1/events``: what happens, as it happens, for whoever follows it."""

from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse

from controller.api.auth import principal_of, require
from controller.api.door import FOLLOWERS_EACH
from controller.api.errors import ErrorBody, RequestRefused
from controller.api.followers import Followers
from controller.api.turns import end_turn
from controller.daemon.access import Principal, Role, Token
from controller.daemon.service import Service


class EventStream(StreamingResponse):
    """Events as they happen. FastAPI's own puts a queue and a clock of its own between; here a slow reader is waited for by nobody."""

    media_type = "text/event-stream"


#: Neither a cache nor a proxy may keep events back.
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Connection": "close"}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
        "description": "Events until either side ends it",
    },
    401: {"model": ErrorBody},
    503: {"model": ErrorBody},
}


def routes(service: Service) -> APIRouter:
    """Return the route; every role may follow."""
    router, followers = APIRouter(prefix="/api/v1", tags=["events"]), Followers(service)
    Reader = Annotated[Principal, Depends(require(service.tokens, *Role))]

    @router.get("/events", responses=_ANSWERS, response_class=EventStream)
    async def events(
        request: Request, by: Reader, last_event_id: Annotated[str | None, Header()] = None
    ) -> EventStream:
        return open_stream(request, by, service.tokens, partial(followers.follow, last_event_id, name=by.name))

    return router


def open_stream(
    request: Request,
    by: Principal,
    tokens: Iterable[Token],
    follow: Callable[[Callable[[], bool]], AsyncIterator[bytes]],
) -> EventStream:
    """Return what `follow` yields, for as long as it is told that the token is still theirs: a reload may take it away.

    Raises RequestRefused where they have too many streams open, or all have.
    """
    if not request.state.visitor.stay(by):
        most = f"{FOLLOWERS_EACH} streams of one token, and no more in all than there is room for"
        raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, "too_many_streams", f"{most}: end one first")
    end_turn(request.scope)
    token = request.headers["authorization"].partition(" ")[2]
    return EventStream(follow(lambda: principal_of(token, tokens) == by), headers=_HEADERS)
