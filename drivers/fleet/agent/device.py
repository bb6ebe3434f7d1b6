"""The ports of an agent: what it needs of one device, and of the relay before it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from drivers.fleet.wire import Activity, DeviceAlarm, MeasuredBy


class CommandOutcome(Enum):
    """What became of a command. None of them is a proof that the device does as it was told."""

    ACCEPTED = "accepted"  # the device has said yes
    REFUSED = "refused"  # the device has said no
    UNKNOWN = "unknown"  # nobody knows whether it has arrived: no answer, half an answer, nonsense


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReading:
    """What a device says of itself; None is unknown, never 0.

    `setpoint_w`: the setpoint that it names when asked, its off watts when it is asleep. `watts`: what it draws, by
    what `measured_by` says. `serial`: of the device itself, so that another one at its address is noticed.
    """

    setpoint_w: int | None
    watts: float | None
    measured_by: MeasuredBy
    activity: Activity
    uptime_s: float | None = None
    serial: str | None = None


class Device(Protocol):
    """One device. Each call bounds its own time (a few seconds); the agent has one under way at a time."""

    async def read(self) -> DeviceReading:
        """Return what it says; raises DriverLoss where it does not answer, or answers nonsense."""

    async def command(self, watts: int) -> CommandOutcome:
        """Have it draw at most `watts`; its off watts, or less, mean sleep."""

    async def stop(self) -> CommandOutcome:
        """Bring it down by another way than `command`, whatever that costs its work."""


class Relay(Protocol):
    """What cuts a device off its power. Its calls may be made while one of the device's is under way."""

    async def switch(self, *, closed: bool, hold_s: float | None) -> CommandOutcome:
        """Open or close it; closed with `hold_s`, it opens by itself after that time unless it is told again."""

    async def read(self) -> bool | None:
        """Return whether it is closed, None if it cannot say; raises DriverLoss where it does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """A device, and the relay before it, if any; `hold_s` where the relay opens by itself when nobody renews it.

    `alarms`: returns what a person has to look at there now, as whatever stands between agent and device has seen it.
    """

    device: Device
    relay: Relay | None = None
    hold_s: float | None = None
    alarms: Callable[[], Collection[DeviceAlarm]] = tuple
