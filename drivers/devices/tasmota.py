"""Relays and plugs with Tasmota, by its commands over HTTP.

PulseTime is its dead-man: a relay that is told to close opens by itself after that time. It is set before the relay is closed, and only
where it is another one, for each change of it is written into its flash.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from drivers.devices import answers
from drivers.devices.bounded import bounded
from drivers.devices.driver import CALL_S, DeviceIdentity, Target
from drivers.devices.switched import SwitchedDevice, seen_closed
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.transports.http import HttpLine

_USER: Final = "admin"
_STATES: Final = {"ON": True, "OFF": False}
#: Up to this a PulseTime is in tenths of a second; what is above is in seconds after 100.
_TENTHS: Final = 111
_SECONDS_FROM: Final = 100
_MOST: Final = 64_900


def open_device(target: Target) -> SwitchedDevice:
    """Return the driver of what the outlet at `target` feeds."""
    return SwitchedDevice(target, open_outlet(target))


def open_outlet(target: Target) -> TasmotaOutlet:
    """Return the outlet at `target`."""
    return TasmotaOutlet(target)


def pulse_time(hold_s: float) -> int:
    """Return the PulseTime that is nearest to `hold_s` and not longer.

    >>> pulse_time(5.55), pulse_time(11.5), pulse_time(30)
    (55, 110, 130)
    """
    if hold_s < _TENTHS / 10:
        return max(1, math.floor(hold_s * 10))
    whole_s = math.floor(hold_s)
    return min(_MOST, whole_s + _SECONDS_FROM) if whole_s + _SECONDS_FROM > _TENTHS else _TENTHS - 1


class TasmotaOutlet:
    """An `Outlet`; counted from 1."""

    def __init__(self, target: Target) -> None:
        self._target, self._number = target, target.outlet or 1
        login = target.login
        self._login = (
            "" if login is None else f"user={quote(login.username or _USER)}&password={quote(login.password)}&"
        )
        self._line = HttpLine(target.host, target.port, timeout_s=target.timeout_s)

    async def switch(self, *, closed: bool, hold_s: float | None) -> CommandOutcome:
        """Close or open it; with `hold_s` it opens by itself."""
        try:
            async with bounded(self._target.place, CALL_S):
                if closed and hold_s is not None and not await self._holds(pulse_time(hold_s)):
                    return CommandOutcome.REFUSED
                said = await self._tell(f"Power{self._number} {'ON' if closed else 'OFF'}")
        except DriverLoss:
            return CommandOutcome.UNKNOWN
        if answers.at(said, "Command") in {"Error", "Unknown"} or "WARNING" in (said if isinstance(said, dict) else ()):
            return CommandOutcome.REFUSED
        return CommandOutcome.ACCEPTED if self._state(said) is closed else CommandOutcome.UNKNOWN

    async def read(self) -> bool:
        """Return whether it is closed."""
        said = await self._tell(f"Power{self._number}")
        state = self._state(said)
        if state is None:
            raise DriverLoss(f"{self._target.place} does not say its power")
        return seen_closed(state, await self.watts()) is True

    async def watts(self) -> float | None:
        """Return what flows, where the device measures."""
        power = answers.at(await self._tell("Status 8"), "StatusSNS", "ENERGY", "Power")
        return answers.watts(power, self._number - 1) if isinstance(power, list) else answers.watts({"w": power}, "w")

    async def identity(self) -> DeviceIdentity:
        """Return what it is."""
        async with bounded(self._target.place):
            net = await self._tell("Status 5")
            firmware = await self._tell("Status 2")
        return DeviceIdentity(
            family="tasmota",
            model=answers.text(firmware, "StatusFWR", "Hardware"),
            firmware=answers.text(firmware, "StatusFWR", "Version"),
            mac=answers.text(net, "StatusNET", "Mac"),
        )

    async def findings(self) -> Sequence[str]:
        """Return what it would do by itself, and who may switch it."""
        async with bounded(self._target.place):
            state = answers.number(await self._tell("PowerOnState"), "PowerOnState")
        said = {
            f"after a power cut it comes back by `PowerOnState {state}`; set it to 0": state != 0,
            "the file has no password for it; without one anybody on its network can switch it": not self._login,
        }
        return [words for words, holds in said.items() if holds]

    async def close(self) -> None:
        """End the connection."""
        self._line.close()

    async def _holds(self, wanted: int) -> bool:
        """Return whether its PulseTime is the wanted one now."""
        verb = f"PulseTime{self._number}"
        if _pulse_of(await self._tell(verb), self._number) == wanted:
            return True
        return _pulse_of(await self._tell(f"{verb} {wanted}"), self._number) == wanted

    def _state(self, said: Any) -> bool | None:
        """Return its state; a device with one relay calls it POWER."""
        named = answers.at(said, f"POWER{self._number}")
        state = named if named is not None or self._number != 1 else answers.at(said, "POWER")
        return _STATES.get(state) if isinstance(state, str) else None

    async def _tell(self, command: str) -> Any:
        """Return the answer to a command; raises DriverLoss, which does not show the login."""
        answer = await self._line.request("GET", f"/cm?{self._login}cmnd={quote(command)}")
        return answer.said(self._target.place, command)


def _pulse_of(said: Any, number: int) -> int | None:
    """Return a PulseTime; older firmware says the number alone, or with words behind it."""
    value = answers.at(said, f"PulseTime{number}")
    if isinstance(value, dict):
        value = value.get("Set")
    elif isinstance(value, str):
        value = value.partition(" ")[0]
    found = answers.number({"set": value}, "set")
    return None if found is None else int(found)
