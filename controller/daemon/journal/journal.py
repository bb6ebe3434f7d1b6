"""The durable, hash-chained record of orders, decisions, mode changes and compliance.

One writer thread owns the file and stores whatever waits in one transaction, so that many callers share one fsync.
While the file cannot be written, telemetry is dropped. What was posted of orders and locks is kept in memory and stored when
the file comes back, and of all else the newest `MOST_KEPT`; both are logged once.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from controller.daemon.journal import chain
from controller.daemon.journal.chain import ChainLine, Record
from controller.daemon.journal.head_file import HeadFile
from controller.daemon.journal.storage import Chain, Storage
from drivers.errors import JournalUnusable
from drivers.fleet.head import JournalHead

_log = logging.getLogger(__name__)

_MAX_BATCH: Final = 256
#: Seconds that an answer waits for the disk.
STORED_S: Final = 5.0


class RecordKind(StrEnum):
    """What a record is about."""

    INIT = "init"  #: the journal was made; the heads that it ends
    START = "start"  #: the daemon started, or goes on above a head that it was shown; its controller epoch
    ORDER = "order"
    ORDER_CHANGED = "order_changed"  #: its issuer gave it the next revision
    RELEASE = "release"
    ORDER_BEGUN = "order_begun"
    ORDER_ENDED = "order_ended"
    DOUBT = "doubt"  #: orders may be missing from here on
    STATEMENT = "statement"  #: an issuer has listed all its orders in force
    CONFIRMED = "confirmed"  #: an operator has, where the site has no issuer
    RETIRED = "retired"  #: an issuer is gone for good
    COMPLIANCE = "compliance"  #: whether an order in force is kept now
    OVER_ENVELOPE = "over_envelope"  #: the nodes that have drawn more than they may for too long; empty: none any more
    TRIP = "trip"  #: a node draws too much: its contactor was told to open, and why
    TRIP_RESET = "trip_reset"  #: a person wants a contactor closed: who, and for what reason
    TRIP_ENDED = "trip_ended"  #: after a reset, the contactor was seen to be closed
    RESET_VOID = "trip_reset_void"  #: a reset came to nothing, and why
    LOCK = "lock"  #: people work on a device or a node: who, and why
    UNLOCK = "unlock"  #: they do not any more: who says so
    LOCKS_STATED = "locks_stated"  #: an operator says that what is locked now is all
    STOP = "stop"  #: an operator wants all at failsafe
    RESUME = "resume"
    METER_CONFIRMED = "meter_confirmed"  #: a person says that a meter is right whose partner is silent: who, and why
    METER_CONFIRMATION_OVER = (
        "meter_confirmation_over"  #: all meters of its node agree again, or something speaks against it
    )
    CLOCK = "clock"  #: whether orders may end by the wall clock, or who has vouched for it
    RELOAD = "reload"  #: the site file was taken over while the site ran: by whom, what of it counts, what waits for a restart
    MODE = "mode"
    DECISION = "decision"
    REFUSED = "refused"
    QUARANTINE = chain.QUARANTINE  #: the file was damaged and repaired


#: Kinds that may be dropped while the file cannot be written or the writer lags.
TELEMETRY: Final = frozenset({RecordKind.DECISION, RecordKind.REFUSED})
#: Kinds without which nobody can say which orders are open, or who gave them, which nodes are cut off, and where people work.
OF_ORDERS: Final = frozenset(
    {RecordKind.INIT, RecordKind.START, RecordKind.ORDER, RecordKind.RELEASE, RecordKind.ORDER_BEGUN}
    | {
        RecordKind.ORDER_CHANGED,
        RecordKind.ORDER_ENDED,
        RecordKind.DOUBT,
        RecordKind.STATEMENT,
        RecordKind.CONFIRMED,
        RecordKind.RETIRED,
    }
    | {RecordKind.TRIP, RecordKind.TRIP_RESET, RecordKind.TRIP_ENDED, RecordKind.QUARANTINE}
    | {RecordKind.LOCK, RecordKind.UNLOCK, RecordKind.LOCKS_STATED, RecordKind.STOP, RecordKind.RESUME}
)
#: Records of other kinds that wait at most for a file that cannot be written.
MOST_KEPT: Final = 1000
#: Characters of the first record's hash that name a journal.
ID_CHARACTERS: Final = 16


class Pending:
    """A record on its way to the disk."""

    __slots__ = ("_claim", "_claimed", "_failure", "_settled", "keep", "line", "record", "superseded")

    def __init__(self, line: ChainLine, *, keep: bool) -> None:
        """`keep`: it waits for the file to come back, instead of failing for good; unless it is `superseded` by one that says all that it does."""
        self.line = line
        self.keep = keep
        self.superseded = False
        self.record: Record | None = None
        self._failure = "not stored yet"
        self._settled = threading.Event()
        self._claim = threading.Lock()
        self._claimed = False

    def claim(self) -> bool:
        """Return whether the writer may store it; only the writer asks."""
        self._claimed = self._claimed or self._claim.acquire(blocking=False)
        return self._claimed

    def withdraw(self) -> bool:
        """Return whether it will never be stored from now on; False once the writer has it."""
        return self._claim.acquire(blocking=False)

    def settle(self, outcome: Record | str) -> None:
        """Note that it was stored, or why it was not."""
        if isinstance(outcome, Record):
            self.record = outcome
        else:
            self._failure = outcome
        self._settled.set()

    def durable(self, timeout_s: float | None = 0.0) -> bool:
        """Return whether it is on the disk, after waiting for the first attempt."""
        self._settled.wait(timeout_s)
        return self.record is not None

    def result(self) -> Record:
        """Return the stored record; JournalUnusable with the reason where it was not stored."""
        if self.record is None:
            raise JournalUnusable(self._failure)
        return self.record

    def stored(self, timeout_s: float = STORED_S) -> Record:
        """Return the record once it is on the disk; JournalUnusable: it is not stored and never will be.

        Waits longer than `timeout_s` only where the disk has the record already and does not answer.
        """
        if not self.durable(timeout_s) and not self.withdraw():
            self.durable(None)
        return self.result()


class Journal:
    """A journal; every method may be called from any thread.

    `failure`: why the file cannot be written now, None while it can. `dropped`: records lost so far, of telemetry and beyond `MOST_KEPT`.
    `head`: the newest record on the disk that matters to orders; None before the first since it was opened, which is that
    of the start. `epoch`: that of the controller, 0 before `begin_epoch`.
    `on_posted` is called with each record that waits for the file to come back, `on_stored` with those that are on the disk,
    in their sequence; both return at once.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        head_file: HeadFile | None = None,
        utc: Callable[[], float] = time.time,
        max_waiting: int = 4096,
        retry_s: float = 1.0,
    ) -> None:
        """`head_file`: where the head stands besides, as soon as there is an epoch."""
        self._storage, self._head_file = storage, head_file
        self._utc = utc
        self._max_waiting = max_waiting
        self._retry_s = retry_s
        self._inbox: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self.failure: str | None = None
        self.dropped = 0
        self.head: Record | None = None
        self.epoch = 0
        self.on_posted: Callable[[Pending], None] = lambda _pending: None
        self.on_stored: Callable[[Sequence[Record]], None] = lambda _records: None
        self._doubting: Pending | None = None
        self._unwitnessed: list[tuple[Pending, Record]] = []
        self._hashes: dict[int, str] = {}
        self._known_epoch = 0
        for record in self.records(*OF_ORDERS):
            self._hashes[record.seq] = record.hash
            epoch = record.body.get("epoch") if record.kind in (RecordKind.INIT, RecordKind.START) else None
            self._known_epoch = max(self._known_epoch, epoch if isinstance(epoch, int) else 0)
        if self.doubt:
            _log.error("orders may be missing: %s", self.doubt, extra={"event": "journal_damaged"})
        self._writer = threading.Thread(target=self._write_until_closed, name="journal", daemon=True)
        self._writer.start()

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open the journal at `path` and verify it.

        A damaged file is kept beside it as a copy, and the records that verify go on; `doubt` then says so.
        JournalUnusable: it cannot be opened, or another process has it.
        """
        return cls(Chain(path))

    @property
    def doubt(self) -> str | None:
        """Why records may be missing from what was found at this start, None where it verified."""
        return self._storage.doubt

    @property
    def id(self) -> str | None:
        """What names this journal and no other, None while it is empty."""
        first = self._storage.first_hash
        return None if first is None else first[:ID_CHARACTERS]

    @property
    def usable(self) -> bool:
        """Whether the last attempt to store succeeded."""
        return self.failure is None

    @property
    def waiting(self) -> int:
        """Records that wait for the writer."""
        return self._inbox.qsize()

    @property
    def length(self) -> int:
        """Records in the chain."""
        return self._storage.head[0]

    def hash_of(self, seq: int) -> str | None:
        """Return the hash of a record that matters to orders, None where there is none of that number."""
        return self._hashes.get(seq)

    def newest_head(self) -> JournalHead | None:
        """Return the head as it is signed.

        None before the first of this epoch, and while a doubt is not on the disk: nobody must forget on its account what only
        they know of orders.
        """
        if self._doubting is not None and not self._doubting.durable():
            return None
        return self._head_of(self.head)

    def append(self, kind: str, body: Mapping[str, Any], timeout_s: float = STORED_S) -> Record:
        """Store a record and return it once it is on the disk, as `Pending.stored` does; never for the tick thread.

        ValueError: the body has no JSON.
        """
        return self.offer(kind, body).stored(timeout_s)

    def offer(self, kind: str, body: Mapping[str, Any]) -> Pending:
        """Hand a record to the writer and return at once; it is given up where it cannot be stored at the first attempt."""
        return self._put(kind, body, keep=False)

    def post(self, kind: str, body: Mapping[str, Any]) -> Pending:
        """Hand a record to the writer and return at once; telemetry is dropped where too much waits."""
        telemetry = kind in TELEMETRY
        if telemetry and self.waiting >= self._max_waiting:
            self.dropped += 1
            dropped = Pending(self._line(kind, body), keep=False)
            dropped.settle("too many records wait")
            return dropped
        pending = self._put(kind, body, keep=not telemetry)
        if kind == RecordKind.DOUBT:
            self._doubting = pending
        return pending

    def records(self, *kinds: str, after: int = 0) -> Iterator[Record]:
        """Yield the stored records of these kinds, or all, behind one, oldest first; JournalUnusable where it cannot be read."""
        return self._storage.records(kinds, after)

    def about(self, text: str, *kinds: str) -> Iterator[Record]:
        """Yield the stored records of these kinds whose body has a text in it, the newest first; JournalUnusable."""
        return self._storage.about(text, kinds)

    def begin_epoch(self, above: int = 0, **more: Any) -> int:
        """Begin an epoch above all that are known, and above `above`; return it, and let its record follow.

        It is above the Unix time too: a controller that has lost its state, or could not store its last start, still
        outranks its former self. Where the start cannot be stored now, it is once the file can be written. `more` stands in its record.
        """
        self.epoch = max(self._known_epoch, self.epoch, above, int(self._utc())) + 1
        self.post(RecordKind.START, {"epoch": self.epoch} | more)
        return self.epoch

    def close(self) -> None:
        """Store what waits and close the file."""
        self._inbox.put(None)
        self._writer.join()

    def _line(self, kind: str, body: Mapping[str, Any]) -> ChainLine:
        return ChainLine(utc_s=float(self._utc()), kind=str(RecordKind(kind)), body=chain.canonical(body))

    def _put(self, kind: str, body: Mapping[str, Any], *, keep: bool) -> Pending:
        pending = Pending(self._line(kind, body), keep=keep)
        if not self._writer.is_alive():
            pending.settle("the journal is closed")
        else:
            if keep:
                self.on_posted(pending)
            self._inbox.put(pending)
        return pending

    def _write_until_closed(self) -> None:
        kept: list[Pending] = []
        closing = False
        while not closing:
            fresh, closing = self._take(self._retry_s if kept or self._unwitnessed else None)
            kept = self._store([pending for pending in kept + fresh if pending.claim()])
            if not kept:
                self._witness()
        if kept:
            _log.error("%d records are lost with the journal", len(kept), extra={"event": "journal_records_lost"})
        self._storage.close()

    def _take(self, timeout_s: float | None) -> tuple[list[Pending], bool]:
        """Return what waits, and whether the journal is to be closed after it."""
        taken: list[Pending] = []
        try:
            item = self._inbox.get(timeout=timeout_s)
            while item is not None:
                taken.append(item)
                if len(taken) == _MAX_BATCH:
                    return taken, False
                item = self._inbox.get_nowait()
        except queue.Empty:
            return taken, False
        return taken, True

    def _store(self, batch: list[Pending]) -> list[Pending]:
        """Store the batch, settle it, and return what has to be tried again."""
        if not batch:
            return []
        try:
            records = self._storage.append(pending.line for pending in batch)
        except Exception as error:  # noqa: BLE001  whatever the disk does, the writer goes on for the next record
            self._note_failure(str(error) or type(error).__name__)
            for pending in batch:
                pending.settle(str(error) or type(error).__name__)
            wanted = [pending for pending in batch if pending.keep and not pending.superseded]
            kept = _newest_of(wanted)
            self.dropped += sum(pending.line.kind in TELEMETRY for pending in batch) + len(wanted) - len(kept)
            return kept
        self._hashes |= {record.seq: record.hash for record in records if record.kind in OF_ORDERS}
        self._unwitnessed += zip(batch, records, strict=True)
        return []

    def _witness(self) -> None:
        """Write the head down besides, then settle what it covers: nothing is acknowledged that could be lost unnoticed."""
        if not self._unwitnessed:
            return
        newest = next((r for _, r in reversed(self._unwitnessed) if r.kind in OF_ORDERS), None)
        head = self._head_of(newest)
        try:
            if head is not None and self._head_file is not None:
                self._head_file.write(head)
        except Exception as error:  # noqa: BLE001  as above
            self._note_failure(f"its head cannot be written: {error}")
            for pending, record in self._unwitnessed:
                # What only relaxes may be lost; it is on the disk, and its sender is told so.
                pending.settle(f"its head cannot be written: {error}" if pending.keep else record)
            told = [p for p, r in self._unwitnessed if r.kind not in TELEMETRY and not p.superseded]
            waits = {id(pending) for pending in _newest_of(told)}
            self._unwitnessed = [each for each in self._unwitnessed if id(each[0]) in waits]
            return
        self._note_success()
        self.head = newest or self.head
        # Told before it is answered: whoever has an answer finds it among the events.
        self.on_stored([record for _, record in self._unwitnessed])
        for pending, record in self._unwitnessed:
            pending.settle(record)
        self._unwitnessed.clear()

    def _head_of(self, record: Record | None) -> JournalHead | None:
        if record is None or self.id is None or not self.epoch:
            return None
        return JournalHead(
            journal=self.id, epoch=self.epoch, seq=record.seq, utc_s=max(0, int(record.utc_s)), hash=record.hash
        )

    def _note_failure(self, failure: str) -> None:
        if self.failure is None:
            _log.warning("journal cannot be written: %s", failure, extra={"event": "journal_lost"})
        self.failure = failure

    def _note_success(self) -> None:
        if self.failure is not None:
            _log.info("journal can be written again", extra={"event": "journal_returned"})
        self.failure = None


def _newest_of(waiting: Sequence[Pending]) -> list[Pending]:
    """Return what goes on waiting for the disk: all that tells of orders and locks, and of the rest the newest `MOST_KEPT`.

    All of it is gone through at each try, and a disk may be full for days.
    """
    others = [pending for pending in waiting if pending.line.kind not in OF_ORDERS]
    gone = {id(pending) for pending in others[: max(0, len(others) - MOST_KEPT)]}
    return [pending for pending in waiting if id(pending) not in gone]
