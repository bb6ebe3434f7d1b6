"""Shelly relays and plugs of the second generation and later, by RPC over HTTP; digest where a password is set.

A contact that is closed for a while is its dead-man: ``toggle_after`` opens it when nobody closes it again. One that is open with a
timer under way is not said to be open, for the timer would close it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from drivers.devices import answers
from drivers.devices.bounded import bounded
from drivers.devices.driver import DeviceIdentity, Target
from drivers.devices.switched import SwitchedDevice, seen_closed
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.transports.digest import DigestAuth
from drivers.transports.http import HttpAnswer, HttpLine

_USER: Final = "admin"
_JSON: Final = {"Content-Type": "application/json"}
_STAYS_OPEN: Final = "off"


def open_device(target: Target) -> SwitchedDevice:
    """Return the driver of what the outlet at `target` feeds."""
    return SwitchedDevice(target, open_outlet(target))


def open_outlet(target: Target) -> ShellyOutlet:
    """Return the outlet at `target`."""
    return ShellyOutlet(target)


class ShellyOutlet:
    """An `Outlet`; counted from 0."""

    def __init__(self, target: Target) -> None:
        self._target, self._id = target, target.outlet or 0
        login = target.login
        digest = None if login is None else DigestAuth(login.username or _USER, login.password)
        self._line = HttpLine(target.host, target.port, timeout_s=target.timeout_s, digest=digest)

    async def switch(self, *, closed: bool, hold_s: float | None) -> CommandOutcome:
        """Close or open it; with `hold_s` it opens by itself, in whole seconds."""
        asked: dict[str, object] = {"id": self._id, "on": closed}
        if hold_s is not None:
            asked["toggle_after"] = max(1, math.floor(hold_s))
        try:
            answer = await self._line.request("POST", "/rpc/Switch.Set", headers=_JSON, body=msgspec.json.encode(asked))
            if answer.status != HTTPStatus.OK:
                return _refusal(answer)
            said = answer.json()
        except DriverLoss:
            return CommandOutcome.UNKNOWN
        return CommandOutcome.ACCEPTED if isinstance(answers.at(said, "was_on"), bool) else CommandOutcome.UNKNOWN

    async def read(self) -> bool | None:
        """Return whether it is closed; None where it is open and a timer would close it."""
        status = await self._ask("Switch.GetStatus", id=self._id)
        output = answers.at(status, "output")
        if not isinstance(output, bool):
            raise DriverLoss(f"{self._target.place} does not say its output")
        would_close = output is False and answers.number(status, "timer_duration") is not None
        return None if would_close else seen_closed(output, answers.watts(status, "apower"))

    async def watts(self) -> float | None:
        """Return what flows, where the model measures."""
        return answers.watts(await self._ask("Switch.GetStatus", id=self._id), "apower")

    async def identity(self) -> DeviceIdentity:
        """Return what it is."""
        said = await self._ask("Shelly.GetDeviceInfo")
        return DeviceIdentity(
            family="shelly",
            model=answers.text(said, "model"),
            firmware=answers.text(said, "ver"),
            mac=answers.text(said, "mac"),
        )

    async def findings(self) -> Sequence[str]:
        """Return what it would do by itself, and who may switch it."""
        async with bounded(self._target.place):
            config = await self._ask("Switch.GetConfig", id=self._id)
            info = await self._ask("Shelly.GetDeviceInfo")
        initial = answers.text(config, "initial_state")
        said = {
            f"after a power cut it comes back by `initial_state: {initial}`; set it to off": initial != _STAYS_OPEN,
            "it closes by itself a while after it has opened (`auto_on`)": answers.at(config, "auto_on") is True,
            "it has no password, so that anybody on its network can switch it": answers.at(info, "auth_en") is False,
        }
        return [words for words, holds in said.items() if holds]

    async def close(self) -> None:
        """End the connection."""
        self._line.close()

    async def _ask(self, method: str, **asked: object) -> Any:
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        answer = await self._line.get(f"/rpc/{method}{'?' if query else ''}{query}")
        return answer.said(self._target.place, method)


def _refusal(answer: HttpAnswer) -> CommandOutcome:
    """Return what an error says: with a code of its own it is a no, whatever its status."""
    try:
        code = answers.number(answer.json(), "code")
    except DriverLoss:
        code = None
    return CommandOutcome.REFUSED if code is not None or answer.is_refusal else CommandOutcome.UNKNOWN
