"""A device whose driver cannot be opened: it is silent to its agent, which leads the others."""

from __future__ import annotations

from collections.abc import Sequence

from drivers.devices.driver import DeviceIdentity, DeviceSettings
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading


class UnopenedDevice:
    """A `DeviceDriver` that says `why` to everything, and tells the device nothing."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def read(self) -> DeviceReading:
        """Raise DriverLoss."""
        raise DriverLoss(self._why)

    async def identity(self) -> DeviceIdentity:
        """Raise DriverLoss."""
        raise DriverLoss(self._why)

    async def settings(self) -> DeviceSettings:
        """Raise DriverLoss."""
        raise DriverLoss(self._why)

    async def findings(self) -> Sequence[str]:
        """Raise DriverLoss."""
        raise DriverLoss(self._why)

    async def command(self, _watts: int) -> CommandOutcome:
        """Tell nothing."""
        return CommandOutcome.UNKNOWN

    async def stop(self) -> CommandOutcome:
        """Tell nothing."""
        return CommandOutcome.UNKNOWN

    async def restore(self, _found: DeviceSettings) -> CommandOutcome:
        """Tell nothing."""
        return CommandOutcome.UNKNOWN

    async def close(self) -> None:
        """Hold nothing."""
