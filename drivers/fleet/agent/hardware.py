"""What an agent needs of the devices that it stands beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from drivers.fleet.wire import DeviceState


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReading:
    """What a device says of itself: `watts` as it measures or estimates them (None: unknown), and its state."""

    watts: float | None
    state: DeviceState


class Hardware(Protocol):
    """The devices of one agent.

    Both calls are made from the agent's thread, which also ends the leases: each bounds its own time (about a second).
    """

    def apply(self, watts: Mapping[str, int]) -> None:
        """Make each device draw at most its watts; its off watts, or less, mean off.

        Raises DriverLoss where that is not sure to have happened; the agent tries again.
        """

    def measure(self) -> Mapping[str, DeviceReading]:
        """Return what each device says; one that is silent is absent, or `LOST`. Raises DriverLoss if all are."""
