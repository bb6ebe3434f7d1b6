"""The devices and contactors of the simulated agents: their physics lives in the world, and goes on when the agents are gone."""

from __future__ import annotations

from collections.abc import Awaitable

from drivers.errors import DriverLoss, Refused
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.wire import Activity, MeasuredBy
from simulators.devicewire import DeviceWire


class SimulatedDevice:
    """A `Device` over the world link."""

    def __init__(self, wire: DeviceWire, device: str) -> None:
        self._wire, self._device = wire, device

    async def read(self) -> DeviceReading:
        """Return what the device says, true or not."""
        try:
            answer = await self._wire.read(self._device)
        except Refused as error:
            raise DriverLoss(f"{self._device} answers with an error: {error}") from error
        return DeviceReading(
            setpoint_w=answer.setpoint_w,
            watts=answer.watts,
            measured_by=MeasuredBy[answer.measured_by.upper()],
            activity=Activity[answer.state.upper()],
            uptime_s=answer.uptime_s,
            serial=answer.serial,
        )

    async def command(self, watts: int) -> CommandOutcome:
        """Tell it what it may draw."""
        return await _outcome(self._wire.command(self._device, watts))

    async def stop(self) -> CommandOutcome:
        """Tell it to sleep, by a command of its own."""
        return await _outcome(self._wire.stop(self._device))


class SimulatedRelay:
    """A `Relay` over the world link."""

    def __init__(self, wire: DeviceWire, device: str) -> None:
        self._wire, self._device = wire, device

    async def switch(self, *, closed: bool, hold_s: float | None) -> CommandOutcome:
        """Open or close it."""
        return await _outcome(self._wire.relay(self._device, closed, hold_s))

    async def read(self) -> bool | None:
        """Return whether it is closed."""
        try:
            return await self._wire.contact(self._device)
        except Refused as error:
            raise DriverLoss(f"the relay of {self._device} answers with an error: {error}") from error


class SimulatedContactor:
    """The contactor of a node over the world link; switched and read as a `Relay` is."""

    def __init__(self, wire: DeviceWire, node: str) -> None:
        self._wire, self._node = wire, node

    async def switch(self, *, closed: bool, hold_s: float | None) -> CommandOutcome:
        """Open or close it; it has nothing that opens it by itself."""
        if hold_s is not None:
            return CommandOutcome.REFUSED
        return await _outcome(self._wire.switch_contactor(self._node, closed=closed))

    async def read(self) -> bool | None:
        """Return whether it says that it is closed."""
        try:
            return await self._wire.contactor(self._node)
        except Refused as error:
            raise DriverLoss(f"the contactor of {self._node} answers with an error: {error}") from error


async def _outcome(request: Awaitable[None]) -> CommandOutcome:
    try:
        await request
    except Refused:
        return CommandOutcome.REFUSED
    except DriverLoss:
        return CommandOutcome.UNKNOWN
    return CommandOutcome.ACCEPTED
