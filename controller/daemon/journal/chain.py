"""The journal's file: rows of SQLite, each with the SHA-256 of the one before.

The hash of a record is ``sha256(hash of the record before + canonical JSON of the record)`` in hex, where the
canonical JSON has the keys body, kind, seq, utc_s in this order, no blanks, and the first record follows 64 zeros.
WAL with ``synchronous=FULL``: a commit that has returned survives a power cut, a torn one is dropped as a whole.
Nothing here is safe from several threads but `read`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from drivers.errors import JournalUnusable

GENESIS: Final = "0" * 64
#: Kind of the record that a repair leaves behind.
QUARANTINE: Final = "quarantine"

_SCHEMA = """CREATE TABLE record (seq INTEGER PRIMARY KEY, utc_s REAL NOT NULL, kind TEXT NOT NULL,
 body TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL)"""
_SELECT = "SELECT seq, utc_s, kind, body, prev_hash, hash FROM record"
#: Results of SQLite that tell of the machine and not of the file's content (sqlite.org/rescode.html, low byte).
_ENVIRONMENT = frozenset(
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
_Row = tuple[int, float, str, str, str, str]


class ChainBroken(Exception):
    """The file is no chain from its first to its last record; the text says where it breaks."""


#: What reading a damaged file raises; sqlite3 fails to decode the messages of SQLite that quote the damage.
_DAMAGE = (ChainBroken, sqlite3.DatabaseError, UnicodeDecodeError)


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


class Chain:
    """An open chain file; one process at a time has it.

    `damage`: why the file had to be repaired when it was opened, None where it verified. `first_hash`: hash of the first
    record, which no other chain has; None while there is none.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file at `path`; JournalUnusable where that cannot be done."""
        self._path = path
        self.damage: str | None = None
        self.first_hash: str | None = None
        self._healthy = True
        try:
            self._lock_fd = _lock(path)
        except OSError as error:
            raise JournalUnusable(f"{path}: {error}") from error
        try:
            self._prepare()
            self._db = _connect(path)
            self._inode = path.stat().st_ino
            self._head = _head(self._db)
            self.first_hash = _first_hash(self._db)
        except (OSError, sqlite3.Error) as error:
            os.close(self._lock_fd)
            raise JournalUnusable(f"{path}: {error}") from error

    def _prepare(self) -> None:
        _finish_repair(self._path)
        if not self._path.exists():
            _create(self._path, ())
            return
        try:
            verify(self._path)
        except _DAMAGE as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _ENVIRONMENT:
                raise
            self.damage = str(error)
            _repair(self._path, self.damage)

    @property
    def length(self) -> int:
        """Records in the chain."""
        return self._head[0]

    def append(self, lines: Iterable[ChainLine]) -> list[Record]:
        """Store the lines in one transaction, durable on return; OSError or sqlite3.Error, and nothing stored."""
        if not self._healthy:
            self._reopen()
        if self._path.stat().st_ino != self._inode:
            raise FileNotFoundError(f"{self._path} is not the file that was opened")
        rows = list(_chained(self._head, lines))
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT INTO record VALUES (?,?,?,?,?,?)", rows)
        except sqlite3.Error:
            self._healthy = False
            raise
        self._head = (rows[-1][0], rows[-1][5]) if rows else self._head
        self.first_hash = self.first_hash or (rows[0][5] if rows else None)
        return [_record(row) for row in rows]

    def _reopen(self) -> None:
        """Open the file anew after a failure; what it was told to store then, and may have, is taken back."""
        self._db.close()
        self._db = _connect(self._path)
        self._db.execute("DELETE FROM record WHERE seq > ?", (self._head[0],))
        if _head(self._db) != self._head:
            raise sqlite3.DatabaseError(f"{self._path} no longer ends with record {self._head[0]}")
        self._healthy = True

    def close(self) -> None:
        """Close the file and give it free."""
        self._db.close()
        os.close(self._lock_fd)


def read(path: Path, kinds: Sequence[str] = ()) -> Iterator[Record]:
    """Yield the stored records of these kinds, or all, oldest first; JournalUnusable where it cannot be read."""
    where = f" WHERE kind IN ({','.join('?' * len(kinds))})" if kinds else ""
    try:
        with contextlib.closing(_connect(path)) as db:
            for row in db.execute(f"{_SELECT}{where} ORDER BY seq", kinds):
                yield _record(row)
    except sqlite3.Error as error:
        raise JournalUnusable(f"{path}: {error}") from error


def verify(path: Path) -> int:
    """Return how many records the chain has; ChainBroken where it breaks, sqlite3.DatabaseError where unreadable."""
    head = (0, GENESIS)
    with path.open("rb") as file:
        if file.read(20)[18:] != _WAL_FORMAT:
            raise ChainBroken("the file is no database in WAL mode")
    with contextlib.closing(_connect(path)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'record'").fetchone():
            raise ChainBroken("the table of records is gone")
        for row in db.execute(f"{_SELECT} ORDER BY seq"):
            if row[0] != head[0] + 1 or row[4] != head[1] or not _sound(row):
                raise ChainBroken(f"the chain breaks after record {head[0]}")
            head = (row[0], row[5])
    return head[0]


def _lock(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise JournalUnusable(f"{path} is in use by another process") from error
    return fd


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
    db.text_factory = _text
    db.execute("PRAGMA synchronous=FULL")
    return db


def _text(stored: bytes) -> str:
    """Decode what a damaged page may hold as well; it then fails its hash instead of the scan."""
    return stored.decode(errors="replace")


def _head(db: sqlite3.Connection) -> tuple[int, str]:
    row = db.execute("SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else (0, GENESIS)


def _first_hash(db: sqlite3.Connection) -> str | None:
    row = db.execute("SELECT hash FROM record WHERE seq = 1").fetchone()
    return row[0] if row else None


def _chained(head: tuple[int, str], lines: Iterable[ChainLine]) -> Iterator[_Row]:
    seq, prev_hash = head
    for line in lines:
        seq += 1
        digest = link(prev_hash, seq, line)
        yield seq, line.utc_s, line.kind, line.body, prev_hash, digest
        prev_hash = digest


def _record(row: _Row) -> Record:
    return Record(seq=row[0], utc_s=row[1], kind=row[2], body=json.loads(row[3]), prev_hash=row[4], hash=row[5])


def _sound(row: _Row) -> bool:
    return row[5] == link(row[4], row[0], ChainLine(utc_s=row[1], kind=row[2], body=row[3]))


def _create(path: Path, lines: Iterable[ChainLine]) -> None:
    """Make a whole file under another name, then give it its own: a file at `path` always has its table."""
    draft = path.with_name(path.name + ".draft")
    for leftover in (draft, *_companions(draft)):
        leftover.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with contextlib.closing(_connect(draft)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(_SCHEMA)
        db.execute("BEGIN")
        db.executemany("INSERT INTO record VALUES (?,?,?,?,?,?)", _chained((0, GENESIS), lines))
        db.execute("COMMIT")
    draft.replace(path)
    _sync_folder(path)


def _companions(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _sync_folder(path: Path) -> None:
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _repair(path: Path, damage: str) -> None:
    """Keep the damaged file as a copy and put a new chain of every record that still matches its own hash there."""
    copy = _quarantine(path)
    rows = _salvage(path)
    lines = [ChainLine(utc_s=row[1], kind=row[2], body=row[3]) for row in rows]
    note = {"damage": damage, "copy": copy.name, "kept": len(rows), "last_seq": rows[-1][0] if rows else 0}
    utc_s = path.stat().st_mtime
    _create(_repaired(path), [*lines, ChainLine(utc_s=utc_s, kind=QUARANTINE, body=canonical(note))])
    _finish_repair(path)


def _quarantine(path: Path) -> Path:
    number = 1
    while (copy := path.with_name(f"{path.name}.quarantine-{number}")).exists():
        number += 1
    for source, target in zip((path, *_companions(path)), (copy, *_companions(copy)), strict=True):
        if source.exists():
            shutil.copyfile(source, target)
            target.chmod(0o600)
    return copy


def _salvage(path: Path) -> list[_Row]:
    """Return the sound rows, read from both ends because a damaged page ends a scan."""
    rows: dict[int, _Row] = {}
    for direction in ("ASC", "DESC"):
        with contextlib.suppress(*_DAMAGE), contextlib.closing(_connect(path)) as db:
            for row in db.execute(f"{_SELECT} ORDER BY seq {direction}"):
                if row[0] in rows:
                    break
                if _sound(row):
                    rows[row[0]] = row
    return [rows[seq] for seq in sorted(rows)]


def _repaired(path: Path) -> Path:
    return path.with_name(path.name + ".repaired")


def _finish_repair(path: Path) -> None:
    """Put a complete repaired file in place; a crash on the way is made good at the next start.

    The write-ahead log of the damaged file goes first, since SQLite would replay it into the new one.
    """
    repaired = _repaired(path)
    if repaired.exists():
        for companion in _companions(path):
            companion.unlink(missing_ok=True)
        repaired.replace(path)
        _sync_folder(path)
