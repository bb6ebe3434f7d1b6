"""What stands between an agent and any driver: the right device, as it was found, and its pools as they were.

- Before a device is told anything, its serial or MAC is read and compared: DHCP moves addresses. Another device is neither
  told anything nor believed. It is compared again after each silence, and whenever what it is called changes.
- What a device is set to when it is first heard of is kept, so that it can be handed back.
- Its pools are read before and after it is told anything. A difference is an error in the log, and the device is told nothing
  more until the agent starts anew: whatever has to bring it down then is its relay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Final

from drivers.devices.bounded import bounded
from drivers.devices.driver import DeviceDriver, DeviceSettings, Pool
from drivers.devices.found import FoundSettings
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.wire import DeviceAlarm

_log = logging.getLogger(__name__)

#: What is read before a write takes so long at most; with `CALL_S` of the driver this is less than an agent gives to a request.
_LOOK_S: Final = 3.0
#: What is handed back is looked at so often again, so long after each look, until it is as it was.
_BACK_LOOKS: Final = 6
_BACK_LOOK_S: Final = 0.5


class Guard:
    """A `Device` of an agent over the driver of a real one. `expected`: its serial or MAC by the file."""

    def __init__(self, driver: DeviceDriver, *, device: str, expected: str, found: FoundSettings) -> None:
        self._driver, self._device, self._expected, self._found = driver, device, expected, found
        self._is_known = False
        self._called: str | None = None
        self._pools: tuple[Pool, ...] | None = None
        self._pools_due = False
        self._is_shut = self._refuses = False
        self._told_why = ""

    async def read(self) -> DeviceReading:
        """Return what the device says; raises DriverLoss also for another device at its address."""
        try:
            if not self._is_known:
                await self._know()
            reading = await self._driver.read()
            if reading.serial != self._called:
                await self._know()
                self._called = reading.serial
            await self._look_around()
        except DriverLoss:
            self._is_known = False
            raise
        return reading

    def alarms(self) -> Collection[DeviceAlarm]:
        """Return what a person has to look at."""
        return (DeviceAlarm.POOLS_CHANGED,) if self._is_shut else ()

    async def command(self, watts: int) -> CommandOutcome:
        """Have it draw at most `watts`."""
        return await self._write(lambda: self._driver.command(watts))

    async def stop(self) -> CommandOutcome:
        """Bring it down by another way."""
        return await self._write(self._driver.stop)

    async def hand_back(self, was: DeviceSettings) -> str:
        """Set it to what it was, and return why it is not so; empty where it is.

        It has a while for it: what measures an outlet shows for a moment longer that it is closed.
        """
        outcome = await self._write(lambda: self._driver.restore(was))
        try:
            now = await self.settings()
            for _ in range(_BACK_LOOKS):
                if replace(now, pools=()) == replace(was, pools=()):
                    break
                await asyncio.sleep(_BACK_LOOK_S)
                now = await self.settings()
        except DriverLoss as loss:
            return str(loss)
        if replace(now, pools=()) != replace(was, pools=()):
            return f"it answered {outcome.value}, and is set to {now.words} instead of {was.words}"
        if now.pools != was.pools:
            return "its pools are others than when it was found; they are left as they are"
        if outcome is CommandOutcome.ACCEPTED:
            return ""
        return f"nothing differs, but it answered {outcome.value} when it was told so: is its login right?"

    async def settings(self) -> DeviceSettings:
        """Return what the right device is set to; raises DriverLoss."""
        await self._know()
        return await self._driver.settings()

    async def close(self) -> None:
        """Give back what the driver holds."""
        await self._driver.close()

    async def _know(self) -> None:
        """Raise DriverLoss unless the device at the address is the one that is meant."""
        self._is_known = False
        identity = await self._driver.identity()
        if not identity.is_named(self._expected):
            why = f"found serial {identity.serial}, MAC {identity.mac}; the file says {self._expected}"
            self._tell("wrong_device", "%s is another device, which is told nothing: %s", why)
            raise DriverLoss(f"{self._device} is another device: {why}")
        self._is_known = True

    async def _look_around(self) -> None:
        """Note how the device was found, and find out what a write has made of its pools; a device may not say now."""
        if self._device in self._found.all and not self._pools_due:
            return
        try:
            settings = await self._driver.settings()
        except DriverLoss:
            return
        await self._found.keep(self._device, settings)
        self._compare(settings.pools)

    def _compare(self, pools: tuple[Pool, ...]) -> None:
        if self._pools_due and self._pools is not None and pools != self._pools:
            self._is_shut = True
            self._tell(
                "pools_changed", "%s has other pools than before it was told, and is told no more: %s", _named(pools)
            )
        self._pools_due = False

    async def _write(self, write: Callable[[], Awaitable[CommandOutcome]]) -> CommandOutcome:
        if self._is_shut:
            return CommandOutcome.REFUSED
        try:
            async with bounded(self._device, _LOOK_S):
                await self._know()
                await self._note_pools()
        except DriverLoss:
            return CommandOutcome.UNKNOWN
        if self._is_shut:
            return CommandOutcome.REFUSED
        self._pools_due = True
        outcome = await write()
        self._note_outcome(outcome)
        return outcome

    def _note_outcome(self, outcome: CommandOutcome) -> None:
        if outcome is CommandOutcome.REFUSED and not self._refuses:
            text = "%s refuses what it is told: look at its login and its write access"
            _log.warning(text, self._device, extra={"event": "device_refuses", "device": self._device})
            self._refuses = True
        elif outcome is CommandOutcome.ACCEPTED:
            self._refuses = False

    async def _note_pools(self) -> None:
        """Take the pools of before the write; a driver that writes them refuses by itself where they cannot be read."""
        try:
            settings = await self._driver.settings()
        except DriverLoss:
            return
        self._compare(settings.pools)
        self._pools = settings.pools

    def _tell(self, event: str, text: str, why: str) -> None:
        if why != self._told_why:
            _log.error(text, self._device, why, extra={"event": event, "device": self._device})
        self._told_why = why


def _named(pools: tuple[Pool, ...]) -> str:
    return ", ".join(f"{pool.url} {pool.user}" for pool in pools) or "none"
