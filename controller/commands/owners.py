"""Who owns what a command makes: whoever is to use it, also where root carries the command out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

#: User and group, as numbers.
Owner: TypeAlias = tuple[int, int]


def owner_of(path: Path) -> Owner:
    """Return who owns a file or folder; OSError where it is not there."""
    status = path.stat()
    return status.st_uid, status.st_gid


@contextlib.contextmanager
def owning(owner: Owner, folder: Path) -> Iterator[None]:
    """Give to `owner` the folder and the files in it that are made or replaced meanwhile, where the command is root's."""
    before = _files(folder) if folder.is_dir() else None
    try:
        yield
    finally:
        if os.geteuid() == 0 and folder.is_dir():
            made = [path for path, _ in _files(folder) - (before or set())]
            for path in (*made, *(() if before is not None else (folder,))):
                os.chown(path, *owner, follow_symlinks=False)


def _files(folder: Path) -> set[tuple[Path, int]]:
    """Return the files of a folder, each with its inode: one that was replaced has another."""
    return {(Path(entry.path), entry.inode()) for entry in os.scandir(folder)}
