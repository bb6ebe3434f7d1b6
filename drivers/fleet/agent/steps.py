"""What may be asked of a device, and how far that has had to go."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Do(Enum):
    """What may be asked of a device."""

    READ = "read"
    COMMAND = "command"
    STOP = "stop"


class Rung(IntEnum):
    """How far the lowering of a device has had to go."""

    TELL = 0
    AGAIN = 1
    SLEEP = 2
    STOP = 3
    RELAY = 4


class Doubt(Enum):
    """What has to be read before anything is told that does not lower."""

    NONE = "none"
    UNREAD = "unread"
    UNKNOWN = "unknown"  # nobody knows whether the last command has arrived
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One request to a device; `lowers`: it may not wait."""

    do: Do
    watts: int = 0
    lowers: bool = False
