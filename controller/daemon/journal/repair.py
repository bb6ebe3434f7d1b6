"""What becomes of a journal's file that does not verify: a copy is put aside, and what verifies goes on."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from controller.daemon.journal.chain import (
    DAMAGE,
    ENVIRONMENT,
    QUARANTINE,
    SELECT,
    ChainLine,
    Row,
    canonical,
    companions,
    connect,
    create,
    sound,
    verify,
)
from drivers.durable import sync_folder


def is_there(path: Path) -> bool:
    """Return whether there is a journal at `path`; OSError where nobody can tell."""
    return path.exists() or _repaired(path).exists()


def mend(path: Path) -> str | None:
    """Repair the file at `path` where it is damaged, and return why records may be missing then; None where it verifies.

    A damaged file is kept beside it as a copy, and the records that verify go on. OSError or sqlite3.Error: the machine
    does not allow it, and nothing has changed.
    """
    _finish_repair(path)
    try:
        verify(path)
    except DAMAGE as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in ENVIRONMENT:
            raise
        _repair(path, str(error))
        return f"the journal was damaged: {error}"
    return None


def _repair(path: Path, damage: str) -> None:
    """Keep the damaged file as a copy and put a new chain of every record that still matches its own hash there."""
    copy = _quarantine(path)
    rows = salvage(path)
    lines = [ChainLine(utc_s=row[1], kind=row[2], body=row[3]) for row in rows]
    note = {"damage": damage, "copy": copy.name, "kept": len(rows), "last_seq": rows[-1][0] if rows else 0}
    utc_s = path.stat().st_mtime
    create(_repaired(path), [*lines, ChainLine(utc_s=utc_s, kind=QUARANTINE, body=canonical(note))])
    path.unlink()
    _finish_repair(path)


def set_log_aside(path: Path) -> None:
    """Take the write-ahead log of a journal that is gone out of the way of a new one, into which SQLite would replay it."""
    log, index = companions(path)
    index.unlink(missing_ok=True)
    if log.exists():
        log.replace(companions(_free_name(path))[0])


def _free_name(path: Path) -> Path:
    number = 1
    while any((copy := path.with_name(f"{path.name}.quarantine-{number}")).parent.glob(f"{copy.name}*")):
        number += 1
    return copy


def _quarantine(path: Path) -> Path:
    copy = _free_name(path)
    targets = (copy, *companions(copy))
    try:
        for source, target in zip((path, *companions(path)), targets, strict=True):
            if source.exists():
                shutil.copyfile(source, target)
                target.chmod(0o600)
                _sync(target)
        sync_folder(path)
    except OSError:
        # It is tried again and again: half a copy each time would take the last room there is.
        for target in targets:
            target.unlink(missing_ok=True)
        raise
    return copy


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def salvage(path: Path) -> list[Row]:
    """Return the sound rows, read from both ends because a damaged page ends a scan."""
    rows: dict[int, Row] = {}
    for direction in ("ASC", "DESC"):
        with contextlib.suppress(*DAMAGE), contextlib.closing(connect(path)) as db:
            for row in db.execute(f"{SELECT} ORDER BY seq {direction}"):
                if row[0] in rows:
                    break
                if sound(row):
                    rows[row[0]] = row
    return [rows[seq] for seq in sorted(rows)]


def _repaired(path: Path) -> Path:
    return path.with_name(path.name + ".repaired")


def _finish_repair(path: Path) -> None:
    """Put a complete repaired file in the place of the damaged one, which is gone; a crash on the way is made good at the next start.

    The write-ahead log of the damaged file goes first, since SQLite would replay it into the new one. While a file stands at
    `path`, whatever it is, it is looked at anew instead.
    """
    repaired = _repaired(path)
    if repaired.exists() and not path.exists():
        for companion in companions(path):
            companion.unlink(missing_ok=True)
        repaired.replace(path)
        sync_folder(path)
