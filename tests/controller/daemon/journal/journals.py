"""Journals for tests: made where there is none, which the daemon itself never does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from controller.daemon.journal import chain
from controller.daemon.journal.journal import Journal
from controller.daemon.journal.storage import Chain


def journal_at(path: Path, **options: Any) -> Journal:
    """Open the journal at `path`; where there is no file, make an empty one first."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        chain.create(path)
    return Journal(Chain(path), **options)
