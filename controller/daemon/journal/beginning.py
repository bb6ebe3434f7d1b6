"""How a journal begins, and that nothing but this makes one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import asdict

from controller.daemon.journal.chain import ChainLine, canonical, create, read
from controller.daemon.journal.head_file import HeadFile
from controller.daemon.journal.journal import ID_CHARACTERS, RecordKind
from controller.daemon.journal.repair import set_log_aside
from drivers.fleet.head import JournalHead

#: Names in the state folder.
JOURNAL: Final = "journal.db"
HEAD: Final = "journal.head"


def begin(path: Path, head_file: HeadFile, *, ends: Sequence[JournalHead], utc_s: float) -> JournalHead:
    """Make the journal at `path` and write its head down; `ends`: the heads of former journals, which it follows.

    Its epoch is above theirs, and above the Unix time. OSError: it cannot be made.
    """
    epoch = max(int(utc_s), *(head.epoch for head in ends), 0) + 1
    body = {"epoch": epoch, "ends": [asdict(head) for head in ends], "nonce": secrets.token_hex(16)}
    set_log_aside(path)
    create(path, [ChainLine(utc_s=utc_s, kind=RecordKind.INIT, body=canonical(body))])
    (first,) = read(path)
    head = JournalHead(
        journal=first.hash[:ID_CHARACTERS], epoch=epoch, seq=first.seq, utc_s=int(first.utc_s), hash=first.hash
    )
    head_file.write(head)
    return head
