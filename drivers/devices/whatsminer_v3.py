"""Whatsminer with API 3: a power limit in watts, and its mining service on or off. TCP 4433, a token for each write.

A new limit restarts its mining, which takes minutes. The token holds the second at which it was made, so the clock of the agent
has to be right. What the device runs on is named by two answers: whether it works, and its limit.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Sequence
from typing import Any, Final

from drivers.devices import answers, whatsminer
from drivers.devices.bounded import bounded
from drivers.devices.calls import Write, carry_out, whatever_it_says
from drivers.devices.driver import DeviceIdentity, DeviceSettings, Target
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.wire import MeasuredBy
from drivers.transports import framed_json

_SERVICE: Final = "set.miner.service"
_ACCOUNT: Final = "super"
_TOKEN_LETTERS: Final = 8
#: A token that is older is refused by some; seen from here, the device's clock may differ by so much before it is told.
_SKEW_S: Final = 30.0
_WORKS: Final = {"true": True, "false": False}


def open_device(target: Target) -> WhatsminerV3:
    """Return the driver of the device at `target`; without a login it can only be read."""
    return WhatsminerV3(target)


class WhatsminerV3:
    """A `DeviceDriver`."""

    def __init__(self, target: Target) -> None:
        self._target = target

    async def read(self) -> DeviceReading:
        """Return what it says."""
        async with bounded(self._target.place):
            miner = await self._get("get.device.info", "miner")
            summary = await self._get("get.miner.status", "summary")
        works, limit_w = _works(miner), answers.watts(summary, "summary", "power-limit")
        return DeviceReading(
            setpoint_w=whatsminer.setpoint_w(limit_w, self._target.model, mines=works),
            watts=_watts(summary),
            measured_by=MeasuredBy.PSU,
            activity=whatsminer.activity(mines=works, tunes=_tunes(summary)),
            serial=answers.text(miner, "miner", "miner-sn"),
        )

    async def command(self, watts: int) -> CommandOutcome:
        """Set its limit and have it work, or stop its mining service."""
        if watts <= self._target.model.off_w:
            return await carry_out(self._plan(asleep=True))
        return await carry_out(self._plan(watts, asleep=False))

    async def stop(self) -> CommandOutcome:
        """Disable its mining service, so that no start of the device brings it back, and stop it."""
        return await carry_out(self._plan(asleep=True, for_good=True))

    async def identity(self) -> DeviceIdentity:
        """Return what it is."""
        async with bounded(self._target.place):
            info = await self._get("get.device.info")
        return DeviceIdentity(
            family="whatsminer-v3",
            model=answers.text(info, "miner", "type"),
            firmware=answers.text(info, "system", "fwversion"),
            serial=answers.text(info, "miner", "miner-sn"),
            mac=answers.text(info, "network", "mac"),
        )

    async def settings(self) -> DeviceSettings:
        """Return limit, whether it works, and pools."""
        async with bounded(self._target.place):
            miner = await self._get("get.device.info", "miner")
            summary = await self._get("get.miner.status", "summary")
            listed = await self._get("get.miner.status", "pools")
        pools = answers.pools(answers.at(listed, "pools"), url="url", user="account")
        return whatsminer.settings(answers.watts(summary, "summary", "power-limit"), pools, mines=_works(miner))

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        """Set limit and service as they were found."""
        return await carry_out(self._plan(found.limit_w, asleep=bool(found.asleep)))

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about leading it."""
        async with bounded(self._target.place):
            info = await self._reply("get.device.info")
            summary = await self._get("get.miner.status", "summary")
        skew_s = (answers.number(info, "when") or time.time()) - time.time()
        codes = answers.at(info, "msg", "error-code")
        said = {
            "its write API is switched off": answers.text(info, "msg", "system", "apiswitch") == "0",
            f"its clock differs from the agent's by {skew_s:.0f} s, so that it may refuse tokens": abs(skew_s)
            > _SKEW_S,
            f"it tells {len(codes or ())} error codes": bool(codes),
            **whatsminer.findings(self._target, tunes=_tunes(summary), watts=_watts(summary)),
        }
        return [words for words, holds in said.items() if holds]

    async def close(self) -> None:
        """Hold nothing: each request has a connection and a token of its own."""

    async def _plan(self, limit_w: int | None = None, *, asleep: bool, for_good: bool = False) -> Sequence[Write]:
        info = await self._get("get.device.info")
        writes = [] if limit_w is None else [self._write(info, "set.miner.power_limit", limit_w)]
        first = "disable" if for_good else None if asleep or _works(info) else "enable"
        if first is not None:
            writes.append(whatever_it_says(self._write(info, _SERVICE, first)))
        if asleep or not _works(info):
            writes.append(self._write(info, _SERVICE, "stop" if asleep else "start"))
        return writes

    def _write(self, info: Any, verb: str, param: object) -> Write:
        salt, login = answers.text(info, "salt"), self._target.login
        if salt is None or login is None:
            raise DriverLoss(f"{self._target.place} gives no salt, or there is no login for it")
        place, account, password = self._target, login.username or _ACCOUNT, login.password

        async def write() -> CommandOutcome:
            now_s = int(time.time())
            made = hashlib.sha256(f"{verb}{password}{salt}{now_s}".encode()).digest()
            token = base64.b64encode(made).decode()[:_TOKEN_LETTERS]
            request = {"cmd": verb, "param": param, "ts": now_s, "token": token, "account": account}
            reply = await framed_json.ask(place.host, place.port, request, place.timeout_s)
            return _outcome(reply, verb)

        return write

    async def _get(self, verb: str, param: str | None = None) -> Any:
        return answers.at(await self._reply(verb, param), "msg")

    async def _reply(self, verb: str, param: str | None = None) -> Any:
        """Return the answer to a read verb; raises DriverLoss where that is an error."""
        target = self._target
        request = {"cmd": verb} if param is None else {"cmd": verb, "param": param}
        reply = await framed_json.ask(target.host, target.port, request, target.timeout_s)
        if _outcome(reply, verb) is not CommandOutcome.ACCEPTED:
            raise DriverLoss(f"{target.place} answers {verb} with code {answers.at(reply, 'code')}")
        return reply


def _outcome(reply: Any, verb: str) -> CommandOutcome:
    code = answers.at(reply, "code")
    if type(code) is not int or answers.at(reply, "desc") not in {verb, None}:
        return CommandOutcome.UNKNOWN
    return CommandOutcome.ACCEPTED if code == 0 else CommandOutcome.REFUSED


def _works(info: Any) -> bool:
    """Return whether it mines by its own word; raises DriverLoss where it says neither yes nor no."""
    works = _WORKS.get(answers.text(info, "miner", "working") or "")
    if works is None:
        raise DriverLoss("it does not say whether it works")
    return works


def _tunes(summary: Any) -> bool:
    return answers.number(summary, "summary", "up-freq-finish") == 0


def _watts(summary: Any) -> float | None:
    return answers.watts(summary, "summary", "power-realtime")
