"""How a journal begins, and that nothing but this makes one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import asdict

from controller.daemon.journal.chain import ChainLine, canonical, companions, create, read
from controller.daemon.journal.head_file import HeadFile
from controller.daemon.journal.journal import ID_CHARACTERS, RecordKind
from controller.daemon.journal.repair import set_log_aside
from drivers.errors import Refused
from drivers.fleet.head import JournalHead

#: Names in the state folder.
JOURNAL: Final = "journal.db"
HEAD: Final = "journal.head"


def left_behind(path: Path, head_file: HeadFile) -> str | None:
    """Return what stands there of a journal before without telling which it was, None where nothing does."""
    try:
        if head_file.is_there:
            head_file.read()
    except Refused as refusal:
        return f"a head of a journal before cannot be used: {refusal}"
    log = companions(path)[0]
    return f"{log} is of a journal before" if log.exists() and log.stat().st_size else None


def begin(
    path: Path, head_file: HeadFile, *, ends: Sequence[JournalHead], utc_s: float, doubt: str | None = None
) -> JournalHead:
    """Make the journal at `path` and write its head down; `ends`: the heads of former journals, which it follows.

    `doubt`: why there may have been one of which no head is known. Its epoch is above theirs, and above the Unix time. OSError: it
    cannot be made.
    """
    epoch = max(int(utc_s), *(head.epoch for head in ends), 0) + 1
    body = {"epoch": epoch, "ends": [asdict(head) for head in ends], "nonce": secrets.token_hex(16)}
    set_log_aside(path)
    lines = [ChainLine(utc_s=utc_s, kind=RecordKind.INIT, body=canonical(body))]
    if doubt is not None:
        doubted = canonical({"why": doubt, "epoch": None})
        lines.append(ChainLine(utc_s=utc_s, kind=RecordKind.DOUBT, body=doubted))
    create(path, lines)
    records = tuple(read(path))
    first, last = records[0], records[-1]
    head = JournalHead(
        journal=first.hash[:ID_CHARACTERS], epoch=epoch, seq=last.seq, utc_s=int(last.utc_s), hash=last.hash
    )
    head_file.write(head)
    return head
