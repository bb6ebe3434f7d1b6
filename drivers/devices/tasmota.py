"""A relay or plug with Tasmota: commands in the address of a page, answered in JSON.

Closed with `hold_s`, its `PulseTime` is set first, after which it opens by itself; that is a setting, and stays. What is read
is what it says of its output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from drivers.devices import answers
from drivers.devices.bounded import bounded
from drivers.devices.login import Login
from drivers.devices.transports.http import HttpLine
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome

_STATES: Final = {"ON": True, "OFF": False}
#: Of a pulse time, what is above this is whole seconds more than it.
_SECONDS: Final = 100
_SHORTEST_S, _LONGEST_S = 12.0, 64_800.0
_USER: Final = "admin"


class TasmotaRelay:
    """A `Relay`; `channel`: which of its outputs, from 1. The connection is opened by the first request and kept."""

    def __init__(
        self, *, host: str, port: int = 80, channel: int = 1, login: Login | None = None, timeout_s: float
    ) -> None:
        self._line = HttpLine(host, port, timeout_s=timeout_s)
        self._place, self._channel = f"{host}:{port}", channel
        self._login = (
            "" if login is None else urlencode({"user": login.username or _USER, "password": login.password}) + "&"
        )
        self._pulse: int | None = None

    async def switch(self, *, closed: bool, hold_s: float | None = None) -> CommandOutcome:
        """Open or close it; with `hold_s` it opens by itself after so long, in whole seconds, never later."""
        if hold_s is not None and not (closed and _SHORTEST_S <= hold_s <= _LONGEST_S):
            return CommandOutcome.REFUSED
        pulse = 0 if hold_s is None else _SECONDS + math.floor(hold_s)
        try:
            if closed and self._pulse != pulse:
                said = answers.at(await self._ask(f"PulseTime{self._channel} {pulse}"), f"PulseTime{self._channel}")
                if answers.at(said, "Set") != pulse:
                    return CommandOutcome.REFUSED
                self._pulse = pulse
            is_on = self._state(await self._ask(f"Power{self._channel} {'ON' if closed else 'OFF'}"))
        except DriverLoss:
            return CommandOutcome.UNKNOWN
        return CommandOutcome.ACCEPTED if is_on is closed else CommandOutcome.UNKNOWN

    async def read(self) -> bool | None:
        """Return whether its output is on, None where it does not say; raises DriverLoss where it does not answer."""
        return self._state(await self._ask(f"Power{self._channel}"))

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about relying on it; raises DriverLoss."""
        async with bounded(self._place):
            state = answers.at(await self._ask("PowerOnState"), "PowerOnState")
        said = {f"after a power loss it comes up by PowerOnState {state}, not 0, which is off": state != 0}
        return [words for words, holds in said.items() if holds]

    async def close(self) -> None:
        """Let the connection go."""
        self._line.close()

    def _state(self, said: Any) -> bool | None:
        """Return what it says of its output; one that has but one calls it by no number."""
        word = answers.text(said, f"POWER{self._channel}") or (
            answers.text(said, "POWER") if self._channel == 1 else None
        )
        return _STATES.get(word or "")

    async def _ask(self, command: str) -> Any:
        path = f"/cm?{self._login}cmnd={quote(command)}"
        answer = await self._line.request("GET", path, changes=" " in command)
        said = answer.json() if answer.status == HTTPStatus.OK else None
        if not isinstance(said, dict) or "WARNING" in said:  # so it says that the login is wrong
            raise DriverLoss(f"{self._place} answers with status {answer.status}, and not to the command")
        return said
