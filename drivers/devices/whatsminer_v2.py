"""Whatsminer with API 2: a power limit in watts, and its mining on or off. TCP 4028, commands encrypted with a token.

A new limit restarts its mining, which takes minutes. A token holds for half an hour and there are sixteen of them, so one is kept, and made
anew only where the device no longer takes it. The write API is off as the device is delivered. Firmware since 2024-11 has API 3, whose
driver is `whatsminer_v3`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from drivers.devices import answers, whatsminer
from drivers.devices.bounded import bounded
from drivers.devices.calls import Write, carry_out
from drivers.devices.driver import DeviceIdentity, DeviceSettings, Target
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.wire import MeasuredBy
from drivers.transports.ends import Unanswered
from drivers.transports.line_json import ask
from drivers.transports.whatsminer_token import WhatsminerToken

_DONE: Final = 131
#: The token, or what is encrypted with it, is not the device's any more: a new one is made, and the command said once more.
_BAD_TOKEN: Final = frozenset({23, 134, 135})
_MINING: Final = {"false": True, "true": False}


def open_device(target: Target) -> WhatsminerV2:
    """Return the driver of the device at `target`; without a login it can only be read."""
    return WhatsminerV2(target)


class WhatsminerV2:
    """A `DeviceDriver`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._token: WhatsminerToken | None = None

    async def read(self) -> DeviceReading:
        """Return what it says; its MAC stands for its serial, which it does not tell in each answer."""
        async with bounded(self._target.place):
            summary = await self._summary()
            mines = await self._mines()
        return DeviceReading(
            setpoint_w=whatsminer.setpoint_w(answers.watts(summary, "Power Limit"), self._target.model, mines=mines),
            watts=answers.watts(summary, "Power"),
            measured_by=MeasuredBy.PSU,
            activity=whatsminer.activity(mines=mines, tunes=_tunes(summary)),
            uptime_s=answers.number(summary, "Uptime"),
            serial=answers.text(summary, "MAC"),
        )

    async def command(self, watts: int) -> CommandOutcome:
        """Set its limit and have it mine, or switch its mining off."""
        if watts <= self._target.model.off_w:
            return await carry_out(self._plan(asleep=True))
        return await carry_out(self._plan(watts, asleep=False))

    async def stop(self) -> CommandOutcome:
        """Switch its mining off, and have it answer when that is done instead of before."""
        return await carry_out(self._plan(asleep=True, answers_first=False))

    async def identity(self) -> DeviceIdentity:
        """Return what it is."""
        async with bounded(self._target.place):
            summary = await self._summary()
            version = await self._said("get_version")
            details = await self._reply("devdetails")
            info = await self._said("get_miner_info")
        return DeviceIdentity(
            family="whatsminer-v2",
            model=answers.text(details, "DEVDETAILS", 0, "Model"),
            firmware=answers.text(version, "fw_ver"),
            serial=answers.text(info, "minersn"),  # which not every firmware tells
            mac=answers.text(summary, "MAC"),
        )

    async def settings(self) -> DeviceSettings:
        """Return limit, whether it mines, and pools."""
        async with bounded(self._target.place):
            summary = await self._summary()
            mines = await self._mines()
            listed = answers.at(await self._reply("pools"), "POOLS")
        pools = answers.pools(listed, url="URL", user="User")
        return whatsminer.settings(answers.watts(summary, "Power Limit"), pools, mines=mines)

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        """Set limit and mining as they were found."""
        return await carry_out(self._plan(found.limit_w, asleep=bool(found.asleep)))

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about leading it."""
        async with bounded(self._target.place):
            summary = await self._summary()
            version = answers.text(await self._said("get_version"), "fw_ver") or ""
        said = {
            f"its firmware {version} is to be led by the family whatsminer-v3": version[:6] >= "202411",
            **whatsminer.findings(self._target, tunes=_tunes(summary), watts=answers.watts(summary, "Power")),
        }
        return [words for words, holds in said.items() if holds]

    async def close(self) -> None:
        """Forget its token, which ends by itself: there is no way to give it back."""
        self._token = None

    async def _plan(self, limit_w: int | None = None, *, asleep: bool, answers_first: bool = True) -> Sequence[Write]:
        mines = await self._mines()
        if self._token is None:
            self._token = await self._new_token()
        writes = [] if limit_w is None else [self._write("adjust_power_limit", power_limit=str(limit_w))]
        if asleep:
            return [*writes, self._write("power_off", respbefore=str(answers_first).lower())]
        return writes if mines else [*writes, self._write("power_on")]

    def _write(self, verb: str, **said: str) -> Write:
        """Return a write; numbers and truths are texts in it."""

        async def write() -> CommandOutcome:
            reply = await self._sealed(verb, said)
            if answers.at(reply, "Code") in _BAD_TOKEN:
                self._token = await self._new_token()
                reply = await self._sealed(verb, said)
            code, letter = answers.at(reply, "Code"), answers.text(reply, "STATUS")
            if code == _DONE and letter == "S":
                return CommandOutcome.ACCEPTED
            return CommandOutcome.REFUSED if letter == "E" else CommandOutcome.UNKNOWN

        return write

    async def _sealed(self, verb: str, said: dict[str, str]) -> Any:
        """Return the answer to a command; some refusals are not encrypted."""
        target, token = self._target, self._token
        if token is None:
            raise DriverLoss(f"{target.place} has given no token")
        reply = await ask(target.host, target.port, token.seal({"cmd": verb, **said}), timeout_s=target.timeout_s)
        hidden = reply.get("enc")
        if not isinstance(hidden, str):
            return reply
        try:
            return msgspec.json.decode(token.decrypt(hidden))
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            raise Unanswered(f"{target.place} answers {verb} with what its token does not open") from error

    async def _new_token(self) -> WhatsminerToken:
        login, said = self._target.login, await self._said("get_token")
        salt, new_salt, time = (answers.text(said, key) for key in ("salt", "newsalt", "time"))
        if login is None or salt is None or new_salt is None or time is None:
            raise DriverLoss(f"{self._target.place} gives no token, or there is no login for it")
        return WhatsminerToken.of(login.password, salt=salt, new_salt=new_salt, time=time)

    async def _summary(self) -> Any:
        summary = answers.at(await self._reply("summary"), "SUMMARY", 0)
        if summary is None:
            raise DriverLoss(f"{self._target.place} gives no summary")
        return summary

    async def _mines(self) -> bool:
        """Return whether it mines by its own word; raises DriverLoss where it says neither yes nor no."""
        status = await self._said("status")
        word = answers.text(status, "mineroff") or answers.text(status, "btmineroff") or ""
        mines = _MINING.get(word)
        if mines is None:
            raise DriverLoss(f"{self._target.place} does not say whether it mines")
        return mines

    async def _said(self, verb: str) -> Any:
        """Return the message that answers a read verb; raises DriverLoss where that is an error."""
        reply = await self._reply(verb)
        if reply.get("Code") != _DONE:
            raise DriverLoss(f"{self._target.place} answers {verb} with code {reply.get('Code')}")
        return reply.get("Msg")

    async def _reply(self, verb: str) -> dict[str, Any]:
        target = self._target
        return await ask(target.host, target.port, {"cmd": verb}, timeout_s=target.timeout_s)


def _tunes(summary: Any) -> bool:
    return answers.at(summary, "Hash Stable") is False
