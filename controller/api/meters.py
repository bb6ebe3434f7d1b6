"""``/api/v1/meters/METER/confirm``: a person says that a meter is right whose partner contradicted it and is silent now."""

from typing import Annotated, Any

import anyio
from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from controller.api.auth import require
from controller.api.body import PersonName, RequestBody, Words, parsed, read_body, takes
from controller.api.errors import ErrorBody
from controller.daemon.access import Principal, Role
from controller.daemon.people.meters import ConfirmAnswer
from controller.daemon.service import Service


class ConfirmRequest(RequestBody):
    """Who has compared the meter with another instrument, the name of the token where that is left out, and what was found."""

    by: PersonName | None = None
    reason: Words


class ConfirmAnswerBody(BaseModel):
    """The word is on the disk, and counts from the next tick on; the meter still has to follow a step before it leads alone.

    `again`: `by` has said so before, and nothing changed.
    """

    meter: str
    by: str
    again: bool


_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in (404, 409, 503)}


def routes(service: Service) -> APIRouter:
    """Return the route; it waits for the disk, so it is called in a thread."""
    router = APIRouter(prefix="/api/v1/meters", tags=["meters"])
    Operator = Annotated[Principal, Depends(require(service.tokens, Role.OPERATOR))]
    threads = anyio.CapacityLimiter(2)

    @router.post("/{meter}/confirm", responses=_ERRORS, openapi_extra=takes(ConfirmRequest.model_json_schema()))
    async def confirm_meter(meter: str, request: Request, by: Operator) -> ConfirmAnswerBody:
        asked, desk = parsed(ConfirmRequest, await read_body(request)), service.desks.meters
        said = asked.by or by.name
        return _answer(await to_thread.run_sync(lambda: desk.confirm(meter, said, asked.reason, by), limiter=threads))

    return router


def _answer(answer: ConfirmAnswer) -> ConfirmAnswerBody:
    return ConfirmAnswerBody(meter=answer.meter, by=answer.by, again=answer.again)
