"""A relay or plug of Shelly's second generation and later: JSON-RPC over HTTP, with digest where it has a password.

Closed with `hold_s`, it is told to flip back after that time (`toggle_after`), which each renewal begins anew: a lease in hardware.
What is read is what it says of its output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from drivers.devices import answers
from drivers.devices.bounded import bounded
from drivers.devices.login import Login
from drivers.devices.transports.digest import DigestAuth
from drivers.devices.transports.http import HttpLine
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome

_USER: Final = "admin"  # the only one that there is


class ShellyRelay:
    """A `Relay`; `channel`: which of its outputs, from 0. The connection is opened by the first request and kept."""

    def __init__(
        self, *, host: str, port: int = 80, channel: int = 0, login: Login | None = None, timeout_s: float
    ) -> None:
        digest = None if login is None else DigestAuth(login.username or _USER, login.password)
        self._line = HttpLine(host, port, timeout_s=timeout_s, digest=digest)
        self._place, self._channel = f"{host}:{port}", channel

    async def switch(self, *, closed: bool, hold_s: float | None = None) -> CommandOutcome:
        """Open or close it; with `hold_s` it opens by itself after so long, in whole seconds, never later."""
        if hold_s is not None and (not closed or hold_s < 1.0):
            return CommandOutcome.REFUSED
        holds = {} if hold_s is None else {"toggle_after": math.floor(hold_s)}
        try:
            said = await self._call("Switch.Set", {"on": closed, **holds})
        except DriverLoss:
            return CommandOutcome.UNKNOWN
        if answers.at(said, "error", "code") is not None:
            return CommandOutcome.REFUSED
        is_done = isinstance(answers.at(said, "result", "was_on"), bool)
        return CommandOutcome.ACCEPTED if is_done else CommandOutcome.UNKNOWN

    async def read(self) -> bool | None:
        """Return whether its output is on, None where it does not say; raises DriverLoss where it does not answer."""
        output = answers.at(await self._call("Switch.GetStatus", {}), "result", "output")
        return output if isinstance(output, bool) else None

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about relying on it; raises DriverLoss."""
        async with bounded(self._place):
            config = answers.mapping(await self._call("Switch.GetConfig", {}), "result")
        state = answers.text(config, "initial_state")
        said = {f"after a power loss it comes up {state!r}, not 'off'": state != "off"}
        return [words for words, holds in said.items() if holds]

    async def close(self) -> None:
        """Let the connection go."""
        self._line.close()

    async def _call(self, method: str, params: dict[str, Any]) -> Any:
        """Return the answer to a call; raises DriverLoss where there is none, or not to this call."""
        frame = {"id": 1, "src": "surplusd", "method": method, "params": {"id": self._channel, **params}}
        kind = {"Content-Type": "application/json"}
        answer = await self._line.request("POST", "/rpc", headers=kind, body=msgspec.json.encode(frame))
        said = answer.json() if answer.status == HTTPStatus.OK else None
        if answers.at(said, "id") != 1:
            raise DriverLoss(f"{self._place} answers {method} with status {answer.status}, and not to the call")
        return said
