"""Where a journal's records are: its open file, or what stands in for one that cannot be opened now.

Nothing here is safe from several threads but `records`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from controller.daemon.journal.chain import (
    DAMAGE,
    GENESIS,
    INSERT,
    SELECT,
    ChainLine,
    Record,
    Row,
    canonical,
    chained,
    companions,
    connect,
    read,
    read_about,
    record_of,
    verify,
)
from controller.daemon.journal.repair import is_there, mend, salvage
from drivers.clock import Clock, boottime_s
from drivers.errors import JournalUnusable

#: A folder in memory: a disk that is full or read-only must not keep the journal from being read.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  only for a folder that mkdtemp makes there

#: So long after a try to open a file that did not open, the next one: each may read it as a whole.
_AGAIN_S: Final = 3.0


#: So often it is tried again where somebody looks at the same moment.
_LOOKERS: Final = 1000


class JournalInUse(JournalUnusable):
    """Another process has the journal: two controllers must not lead one site."""


class Storage(Protocol):
    """The records of one journal. `doubt`: why some may be missing, None where none can be."""

    doubt: str | None
    first_hash: str | None

    @property
    def head(self) -> tuple[int, str]:
        """Sequence and hash of the newest record."""

    def records(self, kinds: Sequence[str] = (), after: int = 0) -> Iterator[Record]:
        """Yield the records of these kinds, or all, behind number `after`, oldest first; JournalUnusable where they cannot be read."""

    def about(self, text: str, kinds: Sequence[str]) -> Iterator[Record]:
        """Yield the records of these kinds whose body has a text in it, the newest first; JournalUnusable as above."""

    def append(self, lines: Iterable[ChainLine]) -> list[Record]:
        """Store the lines in one transaction, durable on return; raises, and nothing is stored, where that fails."""

    def close(self) -> None:
        """Give everything free."""


class Chain:
    """An open chain file; one process at a time has it.

    `doubt`: why records may be missing from it, None where it verified when it was opened. `first_hash`: hash of the first
    record, which no other chain has; None while there is none.
    """

    def __init__(self, path: Path) -> None:
        """Open the file at `path`, see `repair.mend`; JournalInUse where another process has it, else JournalUnusable."""
        self._path = path
        self.first_hash: str | None = None
        self._attempted: list[Row] = []
        self._healthy = True
        try:
            self._lock_fd = _lock(path)
        except OSError as error:
            raise JournalUnusable(f"{path}: {error}") from error
        try:
            self.doubt = mend(path)
            self._db = connect(path)
            self._inode = path.stat().st_ino
            self._head = _head(self._db)
            self.first_hash = _hash_of(self._db, 1)
        except (OSError, sqlite3.Error) as error:
            os.close(self._lock_fd)
            raise JournalUnusable(f"{path}: {error}") from error

    @property
    def head(self) -> tuple[int, str]:
        """Sequence and hash of the newest record."""
        return self._head

    def records(self, kinds: Sequence[str] = (), after: int = 0) -> Iterator[Record]:
        """Yield the stored records, see `read`."""
        return read(self._path, kinds, after)

    def about(self, text: str, kinds: Sequence[str]) -> Iterator[Record]:
        """Yield the stored records, see `read_about`."""
        return read_about(self._path, text, kinds)

    def append(self, lines: Iterable[ChainLine]) -> list[Record]:
        """Store the lines in one transaction, durable on return; OSError or sqlite3.Error, and nothing stored."""
        if not self._healthy:
            self._reopen()
        if self._path.stat().st_ino != self._inode:
            raise FileNotFoundError(f"{self._path} is not the file that was opened")
        rows = list(chained(self._head, lines))
        self._attempted = rows
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany(INSERT, rows)
        except sqlite3.Error:
            self._healthy = False
            raise
        self._head = (rows[-1][0], rows[-1][5]) if rows else self._head
        self.first_hash = self.first_hash or (rows[0][5] if rows else None)
        return [record_of(row) for row in rows]

    def _reopen(self) -> None:
        """Open the file anew after a failure, and take back what it was told to store then, and may have.

        It is looked at first: where it holds anything else, another journal stands there now, and nothing is touched.
        """
        self._db.close()
        self._db = connect(self._path)
        seq, digest = self._head
        beyond = self._db.execute(f"{SELECT} WHERE seq > ? ORDER BY seq", (seq,)).fetchall()
        if (_hash_of(self._db, seq) or GENESIS) != digest or beyond != self._attempted[: len(beyond)]:
            raise sqlite3.DatabaseError(f"{self._path} no longer ends with record {seq}; nothing in it is changed")
        self._db.execute("DELETE FROM record WHERE seq > ?", (seq,))
        self._healthy = True

    def close(self) -> None:
        """Close the file and give it free."""
        self._db.close()
        os.close(self._lock_fd)


class Absent:
    """In place of a journal that is not there, or that cannot be read: it has nothing and takes nothing."""

    def __init__(self, doubt: str) -> None:
        """`doubt`: why nobody knows what the journal holds, and what to do."""
        self.doubt: str | None = doubt
        self.first_hash: str | None = None
        self.head = (0, GENESIS)

    def records(self, kinds: Sequence[str] = (), after: int = 0) -> Iterator[Record]:  # noqa: ARG002  as the protocol has it
        """Yield nothing."""
        return iter(())

    def about(self, text: str, kinds: Sequence[str]) -> Iterator[Record]:  # noqa: ARG002  as the protocol has it
        """Yield nothing."""
        return iter(())

    def append(self, lines: Iterable[ChainLine]) -> list[Record]:  # noqa: ARG002  as the protocol has it
        """Raise JournalUnusable."""
        raise JournalUnusable(self.doubt)

    def close(self) -> None:
        """Do nothing."""


class Unwritable:
    """In place of a journal that can be read and not opened for writing, as on a full disk or one that is read-only.

    It reads from a copy in memory, and tries now and then, with a record that it is given, to open the file after all.
    """

    def __init__(self, path: Path, clock: Clock = boottime_s) -> None:
        """Copy what is at `path`; OSError, or sqlite3.Error, where it cannot be read at all."""
        self._path, self._clock, self._again_s = path, clock, float("-inf")
        self._opened: Chain | None = None
        self._folder = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)
        copy = Path(self._folder.name) / path.name
        for source, target in zip((path, companions(path)[0]), (copy, companions(copy)[0]), strict=True):
            if source.exists():
                shutil.copyfile(source, target)
        self.doubt: str | None = None
        try:
            verify(copy)
            self._rows = tuple(read(copy))
        except (*DAMAGE, JournalUnusable) as error:
            self.doubt = f"the journal is damaged, and cannot be repaired while it cannot be written: {error}"
            self._rows = tuple(record_of(row) for row in salvage(copy))
        self._folder.cleanup()
        self.first_hash = self._rows[0].hash if self._rows else None

    @property
    def head(self) -> tuple[int, str]:
        """Sequence and hash of the newest record."""
        if self._opened is not None:
            return self._opened.head
        return (self._rows[-1].seq, self._rows[-1].hash) if self._rows else (0, GENESIS)

    def records(self, kinds: Sequence[str] = (), after: int = 0) -> Iterator[Record]:
        """Yield the records of these kinds, or all, behind number `after`, oldest first."""
        if self._opened is not None:
            return self._opened.records(kinds, after)
        return (record for record in self._rows if record.seq > after and (not kinds or record.kind in kinds))

    def about(self, text: str, kinds: Sequence[str]) -> Iterator[Record]:
        """Yield the records of these kinds whose body has a text in it, the newest first."""
        if self._opened is not None:
            return self._opened.about(text, kinds)
        rows = (record for record in reversed(self._rows) if record.kind in kinds)
        return (record for record in rows if text in canonical(record.body))

    def append(self, lines: Iterable[ChainLine]) -> list[Record]:
        """Store the lines where the file can be opened by now and is the one that was read; else it raises."""
        if self._opened is None:
            now_s = self._clock()
            if now_s < self._again_s:
                raise JournalUnusable(f"{self._path} could not be opened")
            self._again_s = now_s + _AGAIN_S
            opened = Chain(self._path)
            if opened.doubt is not None or opened.head != self.head:
                opened.close()
                raise JournalUnusable(f"{self._path} is not the journal that was read at the start; start again")
            self._opened = opened
        return self._opened.append(lines)

    def close(self) -> None:
        """Close what was opened."""
        if self._opened is not None:
            self._opened.close()


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Keep every other process from the journal at `path` meanwhile; JournalInUse where one has it, OSError."""
    fd = _lock(path)
    try:
        yield
    finally:
        os.close(fd)


def find(path: Path) -> Storage:
    """Open the journal at `path`, or return what stands in for it; JournalInUse where another process has it."""
    try:
        if not is_there(path):
            return Absent(
                f"there is no journal at {path}: is its disk mounted? Where it is lost for good, `surplusd init`"
            )
        return Chain(path)
    except JournalInUse:
        raise
    except (OSError, JournalUnusable) as error:
        return _stand_in(path, str(error))


def _stand_in(path: Path, why: str) -> Storage:
    try:
        return Unwritable(path)
    except (OSError, sqlite3.Error) as error:
        return Absent(f"the journal cannot be read: {why}; {error}")


def in_use(path: Path) -> bool:
    """Return whether a process has the journal open now to write it."""
    try:
        with _lock_of(path).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _lock(path: Path) -> int:
    fd = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _have_alone(fd)
    except OSError as error:
        os.close(fd)
        raise JournalInUse(f"{path} is in use by another process") from error
    return fd


def _have_alone(fd: int) -> None:
    """Have a lock alone; BlockingIOError where a process has it."""
    for _ in range(_LOOKERS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Whoever only looks whether it is in use shares it for a moment; who has it shares it with nobody.
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        else:
            return
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _head(db: sqlite3.Connection) -> tuple[int, str]:
    row = db.execute("SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else (0, GENESIS)


def _hash_of(db: sqlite3.Connection, seq: int) -> str | None:
    row = db.execute("SELECT hash FROM record WHERE seq = ?", (seq,)).fetchone()
    return row[0] if row else None
