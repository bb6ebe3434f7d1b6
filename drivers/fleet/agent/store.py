"""What an agent keeps over a restart, as a small JSON file that is replaced whole and durably."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Literal

import msgspec

from drivers.fleet.agent.lease import Held
from drivers.fleet.wire import Counter, Head, Id, Watts

_log = logging.getLogger(__name__)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    v: Literal[2]
    epoch: Counter
    seq: Counter
    head: Head | None
    applied: dict[Id, Watts]


class Store:
    """One file of one agent. `save` is durable when it returns, and raises OSError where it cannot be."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Held:
        """Return what was saved last; nothing, and so every device off, where the file is missing or unusable."""
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            return Held()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            _log.error("stored leases unusable, every device off: %s", error, extra={"event": "store_unusable"})
            return Held()
        return Held(epoch=file.epoch, seq=file.seq, head=file.head, applied=file.applied)

    def save(self, held: Held) -> None:
        """Replace the file."""
        file = _File(v=2, epoch=held.epoch, seq=held.seq, head=held.head, applied=dict(held.applied))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        with new.open("wb") as stream:
            stream.write(msgspec.json.encode(file))
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
