"""``/api/v1/clock``: whether orders end by the wall clock, and an authority's word that it is right."""

from datetime import UTC, datetime
from typing import Annotated, Any

import anyio
from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from controller.api.auth import require
from controller.api.body import RequestBody, Words, parsed, read_body, takes
from controller.api.errors import ErrorBody
from controller.core.reasons import Code
from controller.daemon.access import Principal, Role
from controller.daemon.orders.request import Instant
from controller.daemon.service import Service
from controller.daemon.utc import Utc
from controller.texts.english import text


class ClockConfirmation(RequestBody):
    """What time it is by another clock than the daemon's, and why that is known."""

    utc: Instant = Field(description="the time now, as it is seen elsewhere, to the minute or better")
    reason: Annotated[Words, Field(description="what was looked at, for the journal")]


class ClockBody(BaseModel):
    """The wall clock. `trusted`: orders end by it; `doubt`: why they do not, `code`: the same as a code, both null where they do.

    `apart_s`: by how much it is ahead of what has gone by since `vouched_by` vouched for it, `vouched_s` seconds ago;
    `tolerance_s`: how much that may be. Null where nothing tells.
    """

    utc: datetime
    trusted: bool
    doubt: str | None
    code: Code | None
    apart_s: float | None
    tolerance_s: float | None
    vouched_by: str | None
    vouched_s: float | None


_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in (409, 503)}


def routes(service: Service) -> APIRouter:
    """Return the routes; a confirmation waits for the disk, so it is called in a thread."""
    router = APIRouter(prefix="/api/v1/clock", tags=["clock"])
    readers = Depends(require(service.tokens, *Role))
    Authority = Annotated[Principal, Depends(require(service.tokens, Role.AUTHORITY))]
    threads = anyio.CapacityLimiter(2)

    @router.get("", dependencies=[readers])
    async def show_clock() -> ClockBody:
        return _body(service.utc())

    @router.post("/confirm", responses=_ERRORS, openapi_extra=takes(ClockConfirmation.model_json_schema()))
    async def confirm_clock(request: Request, by: Authority) -> ClockBody:
        said = parsed(ClockConfirmation, await read_body(request))
        utc_s = said.utc.timestamp()
        return _body(
            await to_thread.run_sync(lambda: service.desks.clock.confirm(utc_s, said.reason, by), limiter=threads)
        )

    return router


def _body(utc: Utc) -> ClockBody:
    return ClockBody(
        utc=datetime.fromtimestamp(utc.utc_s, UTC),
        trusted=utc.trusted,
        doubt=text(utc.doubt) if utc.doubt else None,
        code=utc.doubt.code if utc.doubt else None,
        apart_s=utc.apart_s,
        tolerance_s=utc.tolerance_s,
        vouched_by=utc.vouched_by,
        vouched_s=utc.vouched_s,
    )
