"""What only switches: an outlet or a relay with an address of its own, as a relay before a device, and as a device itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, Protocol

from drivers.devices.bounded import bounded
from drivers.devices.driver import CALL_S, DeviceIdentity, DeviceSettings, Target
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading, Relay
from drivers.fleet.wire import Activity, MeasuredBy

_log = logging.getLogger(__name__)

#: More than this flows through no contact that is open.
LEAK_W: Final = 10.0


class Outlet(Relay, Protocol):
    """A `Relay` with an address. Each call bounds its own time; raises DriverLoss where it says that it does."""

    async def watts(self) -> float | None:
        """Return what flows through it; None where it measures nothing. Raises DriverLoss."""

    async def identity(self) -> DeviceIdentity:
        """Return what it is; raises DriverLoss."""

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about its contact, in sentences, by read verbs alone; raises DriverLoss."""

    async def close(self) -> None:
        """Give back what it holds."""


class OpenOutlet(Protocol):
    """What the module of a family that only switches has under the name ``open_outlet``."""

    def __call__(self, target: Target) -> Outlet:
        """Return the outlet at `target`; raises ConfigError for what cannot be one."""


def seen_closed(said: bool | None, watts: float | None) -> bool | None:
    """Return whether a contact is closed by what it says and what flows: what is welded says that it is open.

    >>> seen_closed(False, 1800.0)
    True
    """
    return True if said is False and watts is not None and watts > LEAK_W else said


class GuardedOutlet:
    """A `Relay` that is told nothing, and not believed, before it has said that it is the one which the file means.

    It is asked each time: DHCP moves addresses, and a relay is asked seldom.
    """

    def __init__(self, outlet: Outlet, *, relay: str, expected: str) -> None:
        self._outlet, self._relay, self._expected = outlet, relay, expected
        self._has_told = False
        self._told_why = ""

    async def switch(self, *, closed: bool, hold_s: float | None) -> CommandOutcome:
        """Switch it, if it is the right one."""
        try:
            await self._know()
        except DriverLoss:
            return CommandOutcome.UNKNOWN
        return await self._outlet.switch(closed=closed, hold_s=hold_s)

    async def read(self) -> bool | None:
        """Return whether the right one is closed."""
        await self._know()
        if not self._has_told:
            await self._tell_findings()
        return await self._outlet.read()

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about the right one; raises DriverLoss."""
        await self._know()
        return await self._outlet.findings()

    async def close(self) -> None:
        """Give back what it holds."""
        await self._outlet.close()

    async def _know(self) -> None:
        identity = await self._outlet.identity()
        if identity.is_named(self._expected):
            return
        why = f"found serial {identity.serial}, MAC {identity.mac}; the file says {self._expected}"
        if why != self._told_why:
            extra = {"event": "wrong_device", "device": self._relay}
            _log.error("%s is another relay, which is told nothing: %s", self._relay, why, extra=extra)
        self._told_why = why
        raise DriverLoss(f"{self._relay} is another relay: {why}")

    async def _tell_findings(self) -> None:
        for finding in await self._outlet.findings():
            _log.warning("%s: %s", self._relay, finding, extra={"event": "relay_unsafe", "device": self._relay})
        self._has_told = True


class SwitchedDevice:
    """A `DeviceDriver` over an outlet: its highest mode is closed, off is open. It opens by itself for nobody."""

    def __init__(self, target: Target, outlet: Outlet) -> None:
        self._place, self._model, self._outlet = target.place, target.model, outlet

    async def read(self) -> DeviceReading:
        """Return what it says; its watts are those of an instrument outside what it feeds."""
        async with bounded(self._place):
            identity = await self.identity()
            closed, watts = await self._outlet.read(), await self._outlet.watts()
        setpoint_w = None if closed is None else self._model.max_w if closed else self._model.off_w
        activity = Activity.UNKNOWN if closed is None else Activity.RUNNING if closed else Activity.OFF
        return DeviceReading(
            setpoint_w=setpoint_w,
            watts=watts,
            measured_by=MeasuredBy.NOTHING if watts is None else MeasuredBy.PDU,
            activity=activity,
            serial=identity.serial or identity.mac,
        )

    async def command(self, watts: int) -> CommandOutcome:
        """Close it for its highest mode, and open it for less."""
        return await self._outlet.switch(closed=watts >= self._model.max_w, hold_s=None)

    async def stop(self) -> CommandOutcome:
        """Open it: there is no other way."""
        return await self._outlet.switch(closed=False, hold_s=None)

    async def identity(self) -> DeviceIdentity:
        """Return what it is."""
        return await self._outlet.identity()

    async def settings(self) -> DeviceSettings:
        """Return whether it is open."""
        async with bounded(self._place, CALL_S):
            closed = await self._outlet.read()
        if closed is None:
            raise DriverLoss(f"{self._place} does not say whether it is closed")
        return DeviceSettings(asleep=not closed)

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        """Switch it as it was found."""
        return await self._outlet.switch(closed=not found.asleep, hold_s=None)

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about leading it."""
        async with bounded(self._place):
            return await self._outlet.findings()

    async def close(self) -> None:
        """Give back what it holds."""
        await self._outlet.close()
