"""``/api/v1/journal``: the records as they are stored, hashes and all, for whoever keeps or reads them elsewhere."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from controller.api.auth import require
from controller.api.errors import ErrorBody
from controller.api.numbers import DIGITS
from controller.api.readers import Readers
from controller.daemon.access import Principal, Role
from controller.daemon.journal.chain import Record
from controller.daemon.service import Service

#: Records in one answer.
MOST: Final = 1000
#: The greatest number that SQLite has for a record.
_LAST: Final = 2**63 - 1


class RecordBody(BaseModel):
    """A record. `hash` is that of the record with all before it, `prev_hash` that of the one before; `utc_s` only labels it."""

    seq: int
    at: datetime
    utc_s: float
    kind: str
    body: dict[str, Any]
    prev_hash: str
    hash: str


class RecordsBody(BaseModel):
    """Records behind `after`, the oldest first; `newest`: the number of the newest that is stored."""

    newest: int
    records: list[RecordBody]


def routes(service: Service, readers: Readers) -> APIRouter:
    """Return the route; every role may read it, and it is read from the disk in a thread."""
    router = APIRouter(prefix="/api/v1/journal", tags=["journal"])
    Reader = Annotated[Principal, Depends(require(service.tokens, *Role))]

    @router.get("", response_model=RecordsBody, responses={503: {"model": ErrorBody}})
    async def list_records(
        request: Request,
        by: Reader,
        after: Annotated[int, Query(ge=0, le=_LAST, description="the number of a record"), DIGITS] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST), DIGITS] = 100,
    ) -> Response:
        def records(found: tuple[Record, ...]) -> RecordsBody:
            return RecordsBody(newest=service.feed.place.seq, records=[_shown(record) for record in found])

        return await readers.answer_from_disk(request, by.name, lambda: service.feed.stored(after, limit), records)

    return router


def _shown(record: Record) -> RecordBody:
    return RecordBody(
        seq=record.seq,
        at=datetime.fromtimestamp(record.utc_s, UTC),
        utc_s=record.utc_s,
        kind=record.kind,
        body=dict(record.body),
        prev_hash=record.prev_hash,
        hash=record.hash,
    )
