"""What the journal tells of one order, the oldest first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import Final

from controller.core.reasons import Reason
from controller.daemon.journal.chain import Record
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.orders.records import Ending, OrderKey
from controller.daemon.plain import recorded

#: The newest events of an order that are told.
MOST: Final = 200
_KINDS: Final = (
    RecordKind.ORDER,
    RecordKind.ORDER_CHANGED,
    RecordKind.ORDER_BEGUN,
    RecordKind.COMPLIANCE,
    RecordKind.RELEASE,
    RecordKind.ORDER_ENDED,
    RecordKind.STATEMENT,
    RecordKind.RETIRED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One thing that happened to an order, as it stands in the journal; what does not belong to it is None.

    `event`: accepted, changed, begun, how it was kept (met, not_met, partial, unseen), or how it ended. `why`: what stood in the
    way, in words; `reasons`: the same by code, as far as this build knows the codes.
    """

    at_utc_s: float
    event: str
    by: str | None = None
    revision: int | None = None
    limit_w: float | None = None
    power_w: float | None = None
    shortfall_w: float | None = None
    why: str = ""
    reasons: tuple[Reason, ...] = ()


def history(journal: Journal, key: OrderKey) -> tuple[OrderEvent, ...]:
    """Return the newest `MOST` events of an order; JournalUnusable where the journal cannot be read."""
    mine = (record for record in journal.about(json.dumps(key.id), *_KINDS) if _is_about(record, key))
    return tuple(reversed([_event(record, key) for record in islice(mine, MOST)]))


def _is_about(record: Record, key: OrderKey) -> bool:
    body = record.body
    match record.kind:
        case RecordKind.STATEMENT:
            return body.get("by") == key.issuer and key.id in body.get("ends", ())
        case RecordKind.RETIRED:
            return body.get("issuer") == key.issuer and key.id in body.get("ends", ())
        case RecordKind.ORDER | RecordKind.ORDER_CHANGED:
            return body.get("id") == key.id and body.get("by") == key.issuer
    # Older records do not name the issuer: then no two orders had one id.
    return body.get("id") == key.id and body.get("issuer", key.issuer) == key.issuer


def _event(record: Record, key: OrderKey) -> OrderEvent:
    body, at_utc_s = record.body, record.utc_s
    match record.kind:
        case RecordKind.ORDER | RecordKind.ORDER_CHANGED:
            event = "accepted" if record.kind == RecordKind.ORDER else "changed"
            return OrderEvent(
                at_utc_s=at_utc_s,
                event=event,
                by=key.issuer,
                revision=body.get("revision", 1),
                limit_w=body.get("limit_w"),
                why=body.get("why", ""),
                reasons=recorded(body.get("reasons", ())),
            )
        case RecordKind.COMPLIANCE:
            return OrderEvent(
                at_utc_s=at_utc_s,
                event=body["compliance"],
                revision=body.get("revision"),
                limit_w=body.get("limit_w"),
                power_w=body.get("power_w"),
                shortfall_w=body.get("shortfall_w"),
                why=body.get("why", body.get("warnings", "")),
                reasons=recorded(body.get("reasons", ())),
            )
        case RecordKind.ORDER_BEGUN:
            return OrderEvent(at_utc_s=at_utc_s, event="begun", limit_w=body.get("limit_w"))
        case RecordKind.ORDER_ENDED:
            return OrderEvent(at_utc_s=at_utc_s, event=Ending.EXPIRED, by="schedule")
        case RecordKind.RETIRED:
            return OrderEvent(at_utc_s=at_utc_s, event=Ending.RETIRED, by=", ".join(body.get("by", ())))
    return OrderEvent(at_utc_s=at_utc_s, event=Ending.RELEASED, by=body.get("by"))
