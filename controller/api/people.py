"""``/api/v1/locks``, ``/api/v1/stop``, ``/api/v1/resume``: people at work lock what they work on, and stop a site."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, TypeVar

import anyio
from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from controller.api.auth import require
from controller.api.body import PersonName, RequestBody, Words, parsed, read_body, takes
from controller.api.errors import ErrorBody
from controller.api.turns import end_turn
from controller.core.limits.locked import LockNow
from controller.daemon.access import Principal, Role
from controller.daemon.journal.journal import STORED_S
from controller.daemon.people.locks import LockAnswer, PersonalLock
from controller.daemon.people.stop import StopAnswer
from controller.daemon.service import Service
from controller.texts.english import text

Subject = Annotated[str, Field(min_length=1, max_length=63, description="id of a device or of a node")]


class LockRequest(RequestBody):
    """Lock a device, or a node with all below it."""

    subject: Subject
    by: PersonName
    reason: Words


class LiftRequest(RequestBody):
    """Lift the lock of `of`, which is that of `by` where it is left out."""

    subject: Subject
    by: PersonName
    of: PersonName | None = None


class ReasonRequest(RequestBody):
    """Why the site is stopped, or resumed."""

    reason: Words


class LocksStatement(RequestBody):
    """What is locked now is all that people work on, and nobody wants the site stopped who has not stopped it since."""

    by: PersonName
    reason: Words


class LockBody(BaseModel):
    """A lock. `durable`: it is on the disk.

    `devices`: how many it holds off, `unproven`: of how many that is not proven now, and `most_w` what those may be drawing; null
    before the next tick, and while no tick is new enough.
    """

    subject: str
    by: str
    reason: str
    since: datetime
    durable: bool
    devices: int | None
    unproven: int | None
    most_w: float | None


class LocksBody(BaseModel):
    """All locks, and whether the site is stopped. `doubt`: why locks may be missing, null where none can be."""

    locks: list[LockBody]
    stopped: bool
    doubt: str | None


class LockAnswerBody(BaseModel):
    """`again`: it was locked so before, and nothing changed."""

    lock: LockBody
    again: bool


class LiftAnswerBody(BaseModel):
    """`lifted`: the lock is gone. Otherwise `agreed` has who wants that so far; two operators are needed for the lock of another person."""

    subject: str
    of: str
    lifted: bool
    agreed: list[str]


class StopAnswerBody(BaseModel):
    """`stopped`: how it is now. `durable`: that is on the disk. `again`: it was so before, and nothing changed."""

    stopped: bool
    durable: bool
    again: bool


_ERRORS: dict[int | str, dict[str, Any]] = {503: {"model": ErrorBody}}
_NAMED_ERRORS = _ERRORS | {404: {"model": ErrorBody}}
_STATED_ERRORS = _ERRORS | {409: {"model": ErrorBody}}
_T = TypeVar("_T")


def routes(service: Service) -> APIRouter:
    """Return the routes; all but the list wait for the disk, so they are called in a thread."""
    router, rooms = APIRouter(prefix="/api/v1", tags=["people at work"]), _WorkRooms()
    _add_locks(router, service, rooms)
    _add_stop(router, service, rooms)
    return router


class _WorkRooms:
    """Who waits where: what waits for a dead disk, be it to let anything up or to be answered, keeps nobody from locking and stopping."""

    def __init__(self) -> None:
        self._tightening, self._answering = anyio.CapacityLimiter(4), anyio.CapacityLimiter(16)
        self._relaxing = anyio.CapacityLimiter(4)

    async def tighten(self, call: Callable[[], _T]) -> _T:
        return await to_thread.run_sync(call, limiter=self._tightening)

    async def stored(self, request: Request, durable: Callable[[float], bool]) -> bool:
        end_turn(request.scope)
        return await to_thread.run_sync(durable, STORED_S, limiter=self._answering)

    async def relax(self, call: Callable[[], _T]) -> _T:
        return await to_thread.run_sync(call, limiter=self._relaxing)


def _add_locks(router: APIRouter, service: Service, rooms: _WorkRooms) -> None:
    """Add what sets locks, lifts them, and says that they are all."""
    Operator = Annotated[Principal, Depends(require(service.tokens, Role.OPERATOR))]

    @router.get("/locks", dependencies=[Depends(require(service.tokens, *Role))])
    async def list_locks() -> LocksBody:
        return _all(service)

    @router.post("/locks", responses=_NAMED_ERRORS, openapi_extra=takes(LockRequest.model_json_schema()))
    async def lock(request: Request, by: Operator) -> LockAnswerBody:
        asked = parsed(LockRequest, await read_body(request))
        desk = service.desks.locks
        answer = await rooms.tighten(lambda: desk.lock(asked.subject, asked.by, asked.reason, by, 0.0))
        durable = await rooms.stored(request, partial(desk.durable, answer.lock.id))
        return LockAnswerBody(lock=_shown(answer.lock, durable, None), again=answer.again)

    @router.post("/locks/lift", responses=_NAMED_ERRORS, openapi_extra=takes(LiftRequest.model_json_schema()))
    async def lift(request: Request, by: Operator) -> LiftAnswerBody:
        asked = parsed(LiftRequest, await read_body(request))
        of = asked.of or asked.by
        return _lifted(await rooms.relax(lambda: service.desks.locks.unlock(asked.subject, asked.by, of, by)))

    @router.post("/locks/statement", responses=_STATED_ERRORS, openapi_extra=takes(LocksStatement.model_json_schema()))
    async def state_locks(request: Request, by: Operator) -> LocksBody:
        asked = parsed(LocksStatement, await read_body(request))
        await rooms.relax(lambda: service.desks.locks.state(asked.by, asked.reason, by))
        return _all(service)


def _add_stop(router: APIRouter, service: Service, rooms: _WorkRooms) -> None:
    """Add what stops the site, and lets it rise again."""
    Operator = Annotated[Principal, Depends(require(service.tokens, Role.OPERATOR))]

    @router.post("/stop", responses=_ERRORS, openapi_extra=takes(ReasonRequest.model_json_schema()))
    async def stop(request: Request, by: Operator) -> StopAnswerBody:
        asked = parsed(ReasonRequest, await read_body(request))
        desk = service.desks.stops
        answer = await rooms.tighten(lambda: desk.stop(asked.reason, by, 0.0))
        return _stopped(replace(answer, durable=await rooms.stored(request, desk.durable)))

    @router.post("/resume", responses=_ERRORS, openapi_extra=takes(ReasonRequest.model_json_schema()))
    async def resume(request: Request, by: Operator) -> StopAnswerBody:
        asked = parsed(ReasonRequest, await read_body(request))
        return _stopped(await rooms.relax(lambda: service.desks.stops.resume(asked.reason, by)))


def _all(service: Service) -> LocksBody:
    desks, unsure = service.desks, service.desks.locks.unsure
    doubt = None if unsure is None else text(unsure)
    return LocksBody(locks=shown_locks(service), stopped=desks.stops.reason is not None, doubt=doubt)


def shown_locks(service: Service) -> list[LockBody]:
    """Return every lock with what the newest tick knows of it."""
    decision = service.decision_now()
    now = {lock.id: lock for lock in decision.locks} if decision else {}
    return [_shown(lock, service.desks.locks.durable(lock.id), now.get(lock.id)) for lock in service.desks.locks.held]


def _shown(lock: PersonalLock, durable: bool, now: LockNow | None) -> LockBody:
    return LockBody(
        subject=lock.subject,
        by=lock.by,
        reason=lock.reason,
        since=datetime.fromtimestamp(lock.utc_s, UTC),
        durable=durable,
        devices=now.devices if now else None,
        unproven=now.unproven if now else None,
        most_w=now.most_w if now else None,
    )


def _lifted(answer: LockAnswer) -> LiftAnswerBody:
    lock = answer.lock
    return LiftAnswerBody(subject=lock.subject, of=lock.by, lifted=answer.lifted, agreed=list(answer.agreed))


def _stopped(answer: StopAnswer) -> StopAnswerBody:
    return StopAnswerBody(stopped=answer.stopped, durable=answer.durable, again=answer.again)
