"""The newest events, for everybody who follows them. Whoever is slow finds that some are gone; nobody is waited for."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, takewhile
from typing import Any, Final

from controller.daemon.events.event import Cursor, Event, EventName
from controller.daemon.events.recorded import TOLD_KINDS, event_of
from controller.daemon.journal.chain import Record
from controller.daemon.journal.journal import Journal, Pending
from controller.daemon.utc import written
from drivers.clock import Clock, boottime_s

#: Events that are kept, and how many are given at once.
KEPT: Final = 4096
AT_ONCE: Final = 64
#: Records of the journal that are told at most to whoever comes back after more than is kept.
MOST_RECORDS: Final = 1000
#: What is not on the disk after so many seconds is told all the same.
LATE_S: Final = 1.0


class Feed:
    """What has happened since the start, in one sequence; may be asked from any thread, and holds its lock for microseconds.

    Records are told when they are on the disk, and while the journal cannot store them once before, as not stored.
    `on_told`: called after each event, in whatever thread told it; it must return at once.
    """

    def __init__(
        self, journal: Journal, *, kept: int = KEPT, utc: Callable[[], float] = time.time, clock: Clock = boottime_s
    ) -> None:
        """Listen to the journal from now on."""
        self._journal, self._utc, self._clock = journal, utc, clock
        self._start = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=kept)
        self._n = self._seq = 0
        self._waiting: deque[tuple[Pending, float]] = deque()
        self.on_told: Callable[[], None] = lambda: None
        journal.on_posted, journal.on_stored = self._note_posted, self._note_stored
        with self._lock:
            self._seq = max(self._seq, journal.length)

    @property
    def place(self) -> Cursor:
        """The place behind the newest event."""
        with self._lock:
            return self._at(self._seq, self._n)

    @property
    def failure(self) -> str | None:
        """Why the journal cannot be written now, None while it can."""
        return self._journal.failure

    def id_of(self, event: Event) -> Cursor:
        """Return the place behind an event of this start."""
        return self._at(event.seq, event.n)

    def tell(self, name: EventName, data: Mapping[str, Any]) -> None:
        """Add something that happened now and is no record."""
        self._add(name, {"at": written(self._utc())} | dict(data))

    def after(self, place: Cursor) -> tuple[Event, ...] | None:
        """Return the next events of this start, the oldest first; None where some of them are gone, or it is none of this start."""
        with self._lock:
            skip = place.n - (self._n - len(self._events))
            if place.start != self._start or skip < 0 or place.n > self._n:
                return None
            there = range(skip, min(skip + AT_ONCE, len(self._events)))
            return tuple(self._events[k] for k in there)

    def recorded(self, after: Cursor, upto: Cursor) -> tuple[tuple[Cursor, EventName, str], ...] | None:
        """Return what the journal tells of the time between two places, each with the place behind it.

        None: more than `MOST_RECORDS`, or `after` is none of this journal. Blocks on the disk; JournalUnusable where it
        cannot be read.
        """
        if after.journal != upto.journal or after.seq > upto.seq:
            return None
        records = takewhile(lambda record: record.seq <= upto.seq, self._journal.records(*TOLD_KINDS, after=after.seq))
        found = list(islice(records, MOST_RECORDS + 1))
        if len(found) > MOST_RECORDS:
            return None
        told = ((record, event_of(record.kind, record.body, utc_s=record.utc_s, seq=record.seq)) for record in found)
        return tuple(
            (Cursor(journal=after.journal, seq=record.seq, start=after.start, n=after.n), event[0], _text(event[1]))
            for record, event in told
            if event is not None
        )

    def stored(self, after: int, most: int) -> tuple[Record, ...]:
        """Return at most so many records behind one as the journal has them. Blocks on the disk; JournalUnusable."""
        return tuple(islice(self._journal.records(after=after), most))

    def tell_late(self) -> None:
        """Tell what waits for the disk for too long; for the tick."""
        while self._waiting:
            pending, since_s = self._waiting[0]
            if pending.record is None and self._clock() - since_s < LATE_S:
                return
            self._waiting.popleft()
            if pending.record is None:
                line = pending.line
                self._add_record(line.kind, json.loads(line.body), line.utc_s, None)

    def _at(self, seq: int, n: int) -> Cursor:
        return Cursor(journal=self._journal.id or "-", seq=seq, start=self._start, n=n)

    def _note_posted(self, pending: Pending) -> None:
        self._waiting.append((pending, self._clock()))

    def _note_stored(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.seq > self._seq:
                self._add_record(record.kind, record.body, record.utc_s, record.seq)

    def _add_record(self, kind: str, body: Mapping[str, Any], utc_s: float, seq: int | None) -> None:
        event = event_of(kind, body, utc_s=utc_s, seq=seq)
        if event is not None:
            self._add(*event, seq=seq)
        elif seq is not None:
            with self._lock:
                self._seq = seq

    def _add(self, name: EventName, data: Mapping[str, Any], seq: int | None = None) -> None:
        text = _text(data)
        with self._lock:
            self._seq = self._seq if seq is None else seq
            self._n += 1
            self._events.append(Event(n=self._n, seq=self._seq, name=name, data=text))
        self.on_told()


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)
