"""What status codes mean for a controller (OPC 10000-4, 7.39): severity above, flags below, both masked."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from drivers.readings import Quality

#: Severity and the code itself; the low 16 bits are flags.
CODE: Final = 0xFFFF0000
#: The flags belong to a data value only with this bit.
_INFO_DATA_VALUE: Final = 0x0400
_OVERFLOW: Final = 0x0080
_LIMITS: Final = {0x0100: "low", 0x0200: "high", 0x0300: "constant"}

WAITING: Final = int(StatusCodes.BadWaitingForInitialData)
UNKNOWN_NODES: Final = frozenset({int(StatusCodes.BadNodeIdUnknown), int(StatusCodes.BadNodeIdInvalid)})

#: By which a server says that it tells no changes, or has no room for more of whom it tells them.
NO_ROOM: Final = frozenset(
    int(code)
    for code in (
        StatusCodes.BadServiceUnsupported,
        StatusCodes.BadNotImplemented,
        StatusCodes.BadNotSupported,
        StatusCodes.BadTooManySubscriptions,
        StatusCodes.BadTooManyMonitoredItems,
        StatusCodes.BadTooManyPublishRequests,
    )
)


def name_of(status: int) -> str:
    """Return the name of a status code without its flags."""
    return str(ua.StatusCode(ua.UInt32(status & CODE)).name)


class Meaning(NamedTuple):
    """What a status code lets us do: `why` there is no value (None where there is one), and a `note` beside a value."""

    quality: Quality
    why: str | None = None
    note: str | None = None


@lru_cache(maxsize=512)
def meaning(status: int) -> Meaning:
    """Return what a status code with its flags means."""
    code = status & CODE
    severity = status >> 30
    name = name_of(code)
    if severity > 1:
        return Meaning(Quality.BAD, why=f"the server says {name}")
    if code == StatusCodes.UncertainSubstituteValue:
        return Meaning(Quality.BAD, why=f"the server says {name}: the value is not measured")
    notes = [*_notes(code, name), *_flags(status)]
    limited = status & _INFO_DATA_VALUE and status & 0x0300
    uncertain = severity == 1 or bool(limited)
    return Meaning(Quality.UNCERTAIN if uncertain else Quality.GOOD, note="; ".join(notes) or None)


def _notes(code: int, name: str) -> list[str]:
    if code == StatusCodes.GoodLocalOverride:
        return ["a person has forced this value (GoodLocalOverride)"]
    return [f"the server says {name}"] if code else []


def _flags(status: int) -> list[str]:
    if not status & _INFO_DATA_VALUE:
        return []
    lost = ["the server's queue overflowed: changes in between are lost"] if status & _OVERFLOW else []
    limit = _LIMITS.get(status & 0x0300)
    return lost if limit is None else [*lost, f"the value stands at its limit ({limit})"]
