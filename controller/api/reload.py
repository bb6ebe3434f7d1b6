"""``/api/v1/reload``: an operator has the daemon take over what the site file says now."""

from http import HTTPStatus
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends
from pydantic import BaseModel

from controller.api.auth import require
from controller.api.errors import ErrorBody, RequestRefused
from controller.daemon.access import Principal, Role
from controller.daemon.reload.desk import ReloadRefused
from controller.daemon.service import Service


class ReloadBody(BaseModel):
    """`taken`: what has changed and counts now; `waiting`: what has and counts from the next start on. As places of the site file."""

    taken: list[str]
    waiting: list[str]


_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in (401, 403, 422, 503)}


def routes(service: Service) -> APIRouter:
    """Return the route; 422: the site file is wrong, 503: it cannot be taken now, and nothing changed in either case."""
    router = APIRouter(prefix="/api/v1", tags=["site file"], responses=_ERRORS)
    Operator = Annotated[Principal, Depends(require(service.tokens, Role.OPERATOR))]

    @router.post("/reload")
    async def reload(by: Operator) -> ReloadBody:
        try:
            answer = await to_thread.run_sync(service.reloads.reload, by.name)
        except ReloadRefused as refused:
            status = HTTPStatus.UNPROCESSABLE_ENTITY if refused.in_file else HTTPStatus.SERVICE_UNAVAILABLE
            word = "site_file_wrong" if refused.in_file else "not_taken"
            raise RequestRefused(status, word, *refused.lines) from refused
        except TimeoutError as error:
            words = "the file is taken, and no tick has run since: it counts with the next one"
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, "tick_stands", words) from error
        return ReloadBody(taken=list(answer.taken), waiting=list(answer.waiting))

    return router
