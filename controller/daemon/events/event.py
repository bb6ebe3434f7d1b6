"""One thing that happened, and the place in the sequence that its id names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self


class EventName(StrEnum):
    """What an event is about."""

    # Told from the records of the journal.
    START = "start"
    MODE = "mode"
    ORDER = "order"
    COMPLIANCE = "compliance"
    CERTAINTY = "certainty"
    TRIP = "trip"
    LOCK = "lock"
    STOP = "stop"
    METER = "meter"
    # Told from tick to tick.
    BINDING = "binding"
    REASON = "reason"
    CONTACTOR = "contactor"
    LOCK_PROOF = "lock_proof"
    JOURNAL = "journal"
    HEAD = "head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. `n`: the how manieth of this start; `seq`: the newest record of the journal then; `data`: JSON."""

    n: int
    seq: int
    name: EventName
    data: str


_ID: Final = re.compile(r"([0-9a-f]{16}|-)\.(\d{1,15})\.([0-9a-f]{8})\.(\d{1,15})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in the sequence: all records up to `seq` of a journal, and the first `n` events of one start of the daemon, are told.

    So an id still tells after a restart which records are still to be told. `journal`: its id, ``-`` where there is none.
    """

    journal: str
    seq: int
    start: str
    n: int

    def __str__(self) -> str:
        """Return the id of an event after which all up to here is told."""
        return f"{self.journal}.{self.seq}.{self.start}.{self.n}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the place that an id names, None where it is none."""
        found = _ID.fullmatch(text)
        if found is None:
            return None
        return cls(journal=found[1], seq=int(found[2]), start=found[3], n=int(found[4]))
