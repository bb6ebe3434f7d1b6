"""The journal's file: rows of SQLite, each with the SHA-256 of the one before.

The hash of a record is ``sha256(hash of the record before + canonical JSON of the record)`` in hex, where the
canonical JSON has the keys body, kind, seq, utc_s in this order, no blanks, and the first record follows 64 zeros.
WAL with ``synchronous=FULL``: a commit that has returned survives a power cut, a torn one is dropped as a whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from drivers.durable import sync_folder
from drivers.errors import JournalUnusable

GENESIS: Final = "0" * 64
#: Kind of the record that a repair leaves behind.
QUARANTINE: Final = "quarantine"

_SCHEMA = """CREATE TABLE record (seq INTEGER PRIMARY KEY, utc_s REAL NOT NULL, kind TEXT NOT NULL,
 body TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL)"""
SELECT: Final = "SELECT seq, utc_s, kind, body, prev_hash, hash FROM record"
INSERT: Final = "INSERT INTO record VALUES (?,?,?,?,?,?)"
#: Results of SQLite that tell of the machine and not of the file's content (sqlite.org/rescode.html, low byte).
ENVIRONMENT: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
#: Bytes 18 and 19 of a file in WAL mode (sqlite.org/fileformat.html); SQLite takes others for read-only or no WAL.
_WAL_FORMAT = b"\2\2"
#: seq, utc_s, kind, body, prev_hash, hash.
Row: TypeAlias = tuple[int, float, str, str, str, str]


class ChainBroken(Exception):
    """The file is no chain from its first to its last record; the text says where it breaks."""


#: What reading a damaged file raises; sqlite3 fails to decode the messages of SQLite that quote the damage.
DAMAGE: Final = (ChainBroken, sqlite3.DatabaseError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One stored record; `utc_s` only labels it."""

    seq: int
    utc_s: float
    kind: str
    body: Mapping[str, Any]
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLine:
    """What becomes a record: `body` is canonical JSON, see `canonical`."""

    utc_s: float
    kind: str
    body: str


def canonical(body: Mapping[str, Any]) -> str:
    """Return the one JSON text of a body; ValueError for NaN and infinities, which JSON does not have."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)


def link(prev_hash: str, seq: int, line: ChainLine) -> str:
    """Return the hash of `line` as record `seq` behind the record whose hash is `prev_hash`."""
    text = f'{prev_hash}{{"body":{line.body},"kind":"{line.kind}","seq":{seq},"utc_s":{line.utc_s!r}}}'
    return hashlib.sha256(text.encode()).hexdigest()


def read(path: Path, kinds: Sequence[str] = (), after: int = 0) -> Iterator[Record]:
    """Yield the stored records of these kinds, or all, behind number `after`, oldest first; JournalUnusable where it cannot be read."""
    where = "seq > ?" + (f" AND kind IN ({','.join('?' * len(kinds))})" if kinds else "")
    try:
        with contextlib.closing(connect(path)) as db:
            for row in db.execute(f"{SELECT} WHERE {where} ORDER BY seq", (after, *kinds)):
                yield record_of(row)
    except sqlite3.Error as error:
        raise JournalUnusable(f"{path}: {error}") from error


def read_about(path: Path, text: str, kinds: Sequence[str]) -> Iterator[Record]:
    """Yield the stored records of these kinds whose body has a text in it, the newest first; JournalUnusable as above."""
    where = f"kind IN ({','.join('?' * len(kinds))}) AND instr(body, ?)"
    try:
        with contextlib.closing(connect(path)) as db:
            for row in db.execute(f"{SELECT} WHERE {where} ORDER BY seq DESC", (*kinds, text)):
                yield record_of(row)
    except sqlite3.Error as error:
        raise JournalUnusable(f"{path}: {error}") from error


def verify(path: Path) -> int:
    """Return how many records the chain has; ChainBroken where it breaks, sqlite3.DatabaseError where unreadable."""
    head = (0, GENESIS)
    with path.open("rb") as file:
        if file.read(20)[18:] != _WAL_FORMAT:
            raise ChainBroken("the file is no database in WAL mode")
    with contextlib.closing(connect(path)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'record'").fetchone():
            raise ChainBroken("the table of records is gone")
        for row in db.execute(f"{SELECT} ORDER BY seq"):
            if row[0] != head[0] + 1 or row[4] != head[1] or not sound(row):
                raise ChainBroken(f"the chain breaks after record {head[0]}")
            head = (row[0], row[5])
        # Every row may be right, and the pages between them such that the next one finds no place.
        if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise ChainBroken(f"the file is damaged: {' '.join(found.split())}")
    return head[0]


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to the file that is there; sqlite3.Error where there is none."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
    db.text_factory = _text
    db.execute("PRAGMA synchronous=FULL")
    return db


def _text(stored: bytes) -> str:
    """Decode what a damaged page may hold as well; it then fails its hash instead of the scan."""
    return stored.decode(errors="replace")


def chained(head: tuple[int, str], lines: Iterable[ChainLine]) -> Iterator[Row]:
    """Yield the lines as rows behind the record with that sequence and hash."""
    seq, prev_hash = head
    for line in lines:
        seq += 1
        digest = link(prev_hash, seq, line)
        yield seq, line.utc_s, line.kind, line.body, prev_hash, digest
        prev_hash = digest


def record_of(row: Row) -> Record:
    """Return the record of a row."""
    return Record(seq=row[0], utc_s=row[1], kind=row[2], body=json.loads(row[3]), prev_hash=row[4], hash=row[5])


def sound(row: Row) -> bool:
    """Return whether a row is what its own hash says."""
    return row[5] == link(row[4], row[0], ChainLine(utc_s=row[1], kind=row[2], body=row[3]))


def create(path: Path, lines: Iterable[ChainLine] = ()) -> None:
    """Make a whole file under another name, then give it its own: a file at `path` always has its table."""
    draft = path.with_name(path.name + ".draft")
    for leftover in (draft, *companions(draft)):
        leftover.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with contextlib.closing(connect(draft)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(_SCHEMA)
        db.execute("BEGIN")
        db.executemany(INSERT, chained((0, GENESIS), lines))
        db.execute("COMMIT")
    draft.replace(path)
    sync_folder(path)


def companions(path: Path) -> tuple[Path, Path]:
    """Return the files that SQLite keeps beside one: the write-ahead log and its index."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
