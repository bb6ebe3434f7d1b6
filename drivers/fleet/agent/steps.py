"""What may be asked of a device, how far that has had to go, and what it was told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from drivers.fleet.agent.device import CommandOutcome


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


class Progress(Enum):
    """What is seen of a device that is to come down."""

    COMES = "comes"  # its watts fall
    STANDS = "stands"  # they do not, or it says itself that it runs on something else
    UNSEEN = "unseen"  # nothing tells the one from the other


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One request to a device; `lowers`: it may not wait."""

    do: Do
    watts: int = 0
    lowers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A command that has ended: what became of it, and when; `from_w`: what the device drew before, None if unknown."""

    watts: int
    lowers: bool
    outcome: CommandOutcome
    at_s: float
    from_w: float | None

    @property
    def accepted(self) -> bool:
        """Whether the device has said yes."""
        return self.outcome is CommandOutcome.ACCEPTED
