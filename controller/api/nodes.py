"""``/api/v1/nodes/NODE/reset``: close the contactor of a node that is tripped."""

from typing import Annotated, Any

import anyio
from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from controller.api.auth import require
from controller.api.body import RequestBody, Words, parsed, read_body, takes
from controller.api.errors import ErrorBody
from controller.daemon.access import Principal, Role
from controller.daemon.contactors.resets import ResetAnswer
from controller.daemon.service import Service


class ResetRequest(RequestBody):
    """Why the contactor may be closed again."""

    reason: Annotated[Words, Field(description="what was found, for the journal")]


class ResetAnswerBody(BaseModel):
    """The reset is on the disk, and counts from the next tick on. It is void where the site is in doubt before it is closed.

    `trip`: the trip that it ends, null where nothing had tripped. `again`: a reset is under way already, and nothing changed.
    """

    node: str
    trip: str | None
    again: bool


_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in (404, 409, 503)}


def routes(service: Service) -> APIRouter:
    """Return the route; it waits for the disk, so it is called in a thread."""
    router = APIRouter(prefix="/api/v1/nodes", tags=["nodes"])
    Operator = Annotated[Principal, Depends(require(service.tokens, Role.OPERATOR))]
    threads = anyio.CapacityLimiter(4)

    @router.post("/{node}/reset", responses=_ERRORS, openapi_extra=takes(ResetRequest.model_json_schema()))
    async def reset_node(node: str, request: Request, by: Operator) -> ResetAnswerBody:
        asked = parsed(ResetRequest, await read_body(request))
        answer = await to_thread.run_sync(lambda: service.desks.resets.reset(node, asked.reason, by), limiter=threads)
        return _answer(answer)

    return router


def _answer(answer: ResetAnswer) -> ResetAnswerBody:
    return ResetAnswerBody(node=answer.node, trip=answer.trip, again=answer.again)
