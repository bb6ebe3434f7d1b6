"""Files that are replaced whole, and are on the disk when the call returns."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TypeVar

import msgspec

from drivers.errors import Refused

_T = TypeVar("_T", bound=msgspec.Struct)


def replace_file(path: Path, content: bytes, *, make_folder: bool = False) -> None:
    """Have a file hold this and nothing else, durably, for its owner alone; OSError, and what was there stays, where that cannot be.

    `make_folder`: make its folder where there is none. A disk that should be mounted there may be missing, so nobody does it unasked.
    """
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path)


def sync_folder(path: Path) -> None:
    """Make durable that a file of this name stands in its folder."""
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_summed(path: Path, stored: msgspec.Struct) -> None:
    """Replace a file as `replace_file` does, by a line of JSON and its SHA-256 in a line behind it."""
    text = msgspec.json.encode(stored)
    replace_file(path, text + b"\n" + _sum(text) + b"\n")


def read_summed(path: Path, most_bytes: int, kind: type[_T]) -> _T | None:
    """Return what `replace_summed` has written, None where there is no file; nothing behind `most_bytes` is read.

    Refused, with the reason, where it cannot be read, is damaged, or is of another kind.
    """
    try:
        with path.open("rb") as file:
            text, _, digest = file.read(most_bytes).rstrip(b"\n").rpartition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"{path}: {error}") from error
    if _sum(text) != digest:
        raise Refused(f"{path}: it is damaged: its sum does not fit")
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise Refused(f"{path}: {error}") from error


def _sum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()
