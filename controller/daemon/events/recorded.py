"""Records of the journal as events: which are told, under what name, with which of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from controller.daemon.events.event import EventName
from controller.daemon.journal.journal import RecordKind
from controller.daemon.utc import written


@dataclass(frozen=True, slots=True)
class _Told:
    """How a record is told: `fields` of its body, and in `what` the word for it where several kinds have one name."""

    name: EventName
    what: str | None
    fields: tuple[str, ...]


_ORDER: Final = ("id", "issuer", "revision", "node", "limit_w", "reduce_by_w", "starts_utc_s", "ends_utc_s", "ramp_w_s", "outcome", "why")  # fmt: skip
_KEPT: Final = ("id", "issuer", "node", "compliance", "limit_w", "power_w", "shortfall_w", "achievable_w", "reasons")
_TOLD: Final[Mapping[str, _Told]] = {
    RecordKind.INIT: _Told(EventName.START, "made", ("epoch",)),
    RecordKind.START: _Told(EventName.START, "started", ("epoch",)),
    RecordKind.QUARANTINE: _Told(EventName.START, "repaired", ()),
    RecordKind.MODE: _Told(EventName.MODE, None, ("mode", "reasons", "reason")),
    RecordKind.ORDER: _Told(EventName.ORDER, "accepted", _ORDER),
    RecordKind.ORDER_CHANGED: _Told(EventName.ORDER, "changed", _ORDER),
    RecordKind.ORDER_BEGUN: _Told(EventName.ORDER, "begun", ("id", "issuer", "revision", "limit_w")),
    RecordKind.RELEASE: _Told(EventName.ORDER, "released", ("id", "issuer", "by")),
    RecordKind.ORDER_ENDED: _Told(EventName.ORDER, "expired", ("id", "issuer")),
    RecordKind.COMPLIANCE: _Told(EventName.COMPLIANCE, None, _KEPT),
    RecordKind.DOUBT: _Told(EventName.CERTAINTY, "doubted", ("why",)),
    RecordKind.STATEMENT: _Told(EventName.CERTAINTY, "stated", ("by", "orders", "ends")),
    RecordKind.CONFIRMED: _Told(EventName.CERTAINTY, "confirmed", ("by", "reason")),
    RecordKind.RETIRED: _Told(EventName.CERTAINTY, "retired", ("by", "issuer", "ends", "reason")),
    RecordKind.TRIP: _Told(EventName.TRIP, "tripped", ("node", "id", "cause", "power_w", "limit_w", "for_s")),
    RecordKind.TRIP_RESET: _Told(EventName.TRIP, "reset", ("node", "trip", "by", "reason")),
    RecordKind.RESET_VOID: _Told(EventName.TRIP, "reset_void", ("node", "id", "why")),
    RecordKind.TRIP_ENDED: _Told(EventName.TRIP, "ended", ("node", "id")),
    RecordKind.LOCK: _Told(EventName.LOCK, "locked", ("subject", "by", "reason")),
    RecordKind.UNLOCK: _Told(EventName.LOCK, "unlocked", ("subject", "by", "lifted_by")),
    RecordKind.LOCKS_STATED: _Told(EventName.CERTAINTY, "locks_stated", ("by", "reason", "locks")),
    RecordKind.STOP: _Told(EventName.STOP, "stopped", ("by", "reason")),
    RecordKind.RESUME: _Told(EventName.STOP, "resumed", ("by", "reason")),
    RecordKind.METER_CONFIRMED: _Told(EventName.METER, "confirmed", ("meter", "by", "reason")),
    RecordKind.METER_CONFIRMATION_OVER: _Told(EventName.METER, "confirmation_over", ("meter",)),
}
#: Kinds of records that are told.
TOLD_KINDS: Final = tuple(_TOLD)
#: Fields that are told by the name that the HTTP interface has for them.
_NAMES: Final = {"starts_utc_s": "starts_at", "ends_utc_s": "ends_at", "ramp_w_s": "ramp_w_per_s", "trip": "id"}


def event_of(
    kind: str, body: Mapping[str, Any], *, utc_s: float, seq: int | None
) -> tuple[EventName, dict[str, Any]] | None:
    """Return the name and the data of the event that a record makes, None for one that makes none.

    `seq`: the record's number, None while it is not on the disk. What an older record does not have is None.
    """
    told = _TOLD.get(kind)
    if told is None:
        return None
    what = {} if told.what is None else {"what": told.what}
    fields = {_NAMES.get(name, name): _value(name, body.get(name)) for name in told.fields}
    return told.name, {"seq": seq, "at": written(utc_s)} | what | fields


def _value(name: str, value: Any) -> Any:
    return written(value) if name.endswith("_utc_s") and isinstance(value, int | float) else value
