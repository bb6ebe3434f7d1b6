"""What an agent keeps over a restart, as a small JSON file that is replaced whole and durably."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from drivers.durable import replace_file
from drivers.fleet.agent.lease import Held
from drivers.fleet.wire import Counter, Head, Id, Watts

_log = logging.getLogger(__name__)

#: No store is larger; more is not read.
_MOST_BYTES: Final = 1 << 24


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`sum` is of all the rest: a digit that has changed is no other setpoint, and no other epoch. `rests` is left out where there are none."""

    v: Literal[2]
    sum: str = ""
    epoch: Counter
    seq: Counter
    head: Head | None
    applied: dict[Id, Watts]
    rests: dict[Id, Counter] | msgspec.UnsetType = msgspec.UNSET


class Store:
    """One file of one agent. `save` is durable when it returns, and raises OSError where it cannot be."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Held:
        """Return what was saved last; nothing, and so every device off, where the file is missing or unusable."""
        try:
            file = self._read()
        except FileNotFoundError:
            return Held()
        # ValueError: also what is no UTF-8, and what msgspec finds; RecursionError: JSON that is nested without end.
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            _log.error("stored leases unusable, every device off: %s", error, extra={"event": "store_unusable"})
            return Held()
        rests = {} if isinstance(file.rests, msgspec.UnsetType) else file.rests
        return Held(epoch=file.epoch, seq=file.seq, head=file.head, applied=file.applied, rests=rests)

    def _read(self) -> _File:
        with self._path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"found more than {_MOST_BYTES} bytes")
        file = msgspec.json.decode(content, type=_File)
        if file.sum != _sum_of(file):
            raise ValueError(f"its sum is {file.sum!r}, that of what it says is {_sum_of(file)!r}")
        return file

    def save(self, held: Held) -> None:
        """Replace the file."""
        rests = dict(held.rests) or msgspec.UNSET
        file = _File(v=2, epoch=held.epoch, seq=held.seq, head=held.head, applied=dict(held.applied), rests=rests)
        replace_file(self._path, msgspec.json.encode(replace(file, sum=_sum_of(file))), make_folder=True)


def _sum_of(file: _File) -> str:
    return hashlib.blake2b(msgspec.json.encode(replace(file, sum="")), digest_size=16).hexdigest()
