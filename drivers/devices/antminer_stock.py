"""Antminer with its maker's firmware: normal, low or asleep, by a configuration that it takes whole. HTTP with digest.

The configuration holds the pools, too. So it is written only as it has just been read and understood, with nothing but the mode
changed; and it is read again: a pool that is not as it was ends all writing. A write takes up to 20 s and more, and is never cut
off, since what the web server does with a half taken one is not known: who waits no longer is told that nobody knows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from drivers import ending
from drivers.devices import answers
from drivers.devices.antminer_power import PowerPage
from drivers.devices.bounded import bounded
from drivers.devices.calls import Write, carry_out
from drivers.devices.driver import DeviceIdentity, DeviceSettings, Target
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.catalogue import Model
from drivers.fleet.wire import Activity, MeasuredBy
from drivers.transports.digest import DigestAuth
from drivers.transports.http import HttpLine

_log = logging.getLogger(__name__)

#: A write that has had no answer for so long will have none.
WRITE_S: Final = 60.0
_SLEEP, _LOW, _NORMAL = "1", "3", "0"
#: What has to stand in a configuration before it is written back, and the name that the firmware's own page sends it under.
_KEYS: Final = {
    "bitmain-fan-ctrl": "bitmain-fan-ctrl",
    "bitmain-fan-pwm": "bitmain-fan-pwm",
    "bitmain-freq-level": "freq-level",
}
#: Firmwares differ in which of these they name and which they take: it is read from the first that is there, and written to both.
_MODE_KEYS: Final = ("bitmain-work-mode", "miner-mode")
_OUTCOMES: Final = {"success": CommandOutcome.ACCEPTED, "error": CommandOutcome.REFUSED}
_WATTS_KEYS: Final = ("chain_power", "power", "watt")


def open_device(target: Target) -> AntminerStock:
    """Return the driver of the device at `target`; raises ConfigError for a model with more than three modes, or a range."""
    return AntminerStock(target, _modes(target.model))


@dataclass(frozen=True, slots=True)
class _Conf:
    """A configuration as it was read: the mode that it names, and what its own page would send, but for the mode."""

    mode: str
    page: Mapping[str, Any]


class AntminerStock:
    """A `DeviceDriver`; `modes`: the firmware's, by watts."""

    def __init__(self, target: Target, modes: Mapping[int, str]) -> None:
        self._target, self._modes = target, modes
        self._line, self._writer = _line(target, target.timeout_s), _line(target, WRITE_S)
        self._power = PowerPage(target.host)
        self._writing: asyncio.Task[CommandOutcome] | None = None
        self._written: object = None  # the pools of the last write, until they have been seen again
        self._is_shut = False

    async def read(self) -> DeviceReading:
        """Return what it says."""
        async with bounded(self._target.place):
            conf = await self._conf()
            stats = answers.at(await self._get("stats"), "STATS", 0)
            system = await self._get("get_system_info")
            watts = await self._watts(stats)
        named = {mode: setpoint_w for setpoint_w, mode in self._modes.items()}
        return DeviceReading(
            setpoint_w=named.get(conf.mode),
            watts=watts,
            measured_by=MeasuredBy.NOTHING if watts is None else MeasuredBy.ESTIMATE,
            activity=Activity.OFF if conf.mode == _SLEEP else Activity.RUNNING,
            serial=answers.text(system, "serinum") or answers.text(system, "macaddr"),
        )

    async def command(self, watts: int) -> CommandOutcome:
        """Have it run in the mode of the most watts that are not above `watts`, or sleep."""
        return await carry_out(self._plan(self._modes[self._target.model.at_most(watts)], as_number=True))

    async def stop(self) -> CommandOutcome:
        """Have it sleep, with the mode written as a text: some firmwares take that alone."""
        return await carry_out(self._plan(_SLEEP, as_number=False))

    async def identity(self) -> DeviceIdentity:
        """Return what it is."""
        async with bounded(self._target.place):
            system = await self._get("get_system_info")
        return DeviceIdentity(
            family="antminer-stock",
            model=answers.text(system, "minertype"),
            firmware=answers.text(system, "system_filesystem_version"),
            serial=answers.text(system, "serinum"),
            mac=answers.text(system, "macaddr"),
        )

    async def settings(self) -> DeviceSettings:
        """Return mode and pools."""
        async with bounded(self._target.place):
            conf = await self._conf()
        pools = answers.pools(conf.page["pools"], url="url", user="user")
        return DeviceSettings(mode=conf.mode, asleep=conf.mode == _SLEEP, pools=pools)

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        """Set the mode that was found."""
        return await carry_out(self._plan(found.mode or _NORMAL, as_number=True))

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about leading it."""
        async with bounded(self._target.place):
            conf = await self._conf()
            watts = await self._watts(answers.at(await self._get("stats"), "STATS", 0))
        said = {
            f"it runs in mode {conf.mode}, which the model has no watts for": conf.mode not in self._modes.values(),
            "it does not tell its watts: a relay or a PDU has to prove them": watts is None,
        }
        return [words for words, holds in said.items() if holds]

    async def close(self) -> None:
        """End what is read; what is being written is waited for, and then ended."""
        if self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing], timeout=WRITE_S)
            await ending.end([self._writing])
        self._line.close()
        self._writer.close()
        self._power.close()

    async def _watts(self, stats: Any) -> float | None:
        """Return its watts, where its firmware tells them among its statistics, or on a page of its own."""
        watts = _watts(stats)
        return await self._power.watts() if watts is None else watts

    async def _plan(self, mode: str, *, as_number: bool) -> Sequence[Write]:
        if self._writing is not None and not self._writing.done():
            await asyncio.shield(self._writing)  # two at once would be two configurations
        conf = await self._conf()
        if self._is_shut:
            raise DriverLoss(f"{self._target.place} is written to no more")
        value = int(mode) if as_number else mode
        body = {**conf.page, **dict.fromkeys(_MODE_KEYS, value)}
        kind = "application/json" if as_number else "text/plain"

        async def write() -> CommandOutcome:
            self._written = conf.page["pools"]
            self._writing = asyncio.create_task(self._post(body, kind))
            return await asyncio.shield(self._writing)

        return [write]

    async def _post(self, body: Mapping[str, Any], kind: str) -> CommandOutcome:
        try:
            answer = await self._writer.request(
                "POST",
                "/cgi-bin/set_miner_conf.cgi",
                headers={"Content-Type": kind},
                body=msgspec.json.encode(body),
            )
            said = answers.text(answer.json(), "stats")
        except DriverLoss:
            return CommandOutcome.UNKNOWN
        return _OUTCOMES.get(said or "", CommandOutcome.UNKNOWN) if answer.status == 200 else CommandOutcome.UNKNOWN

    async def _conf(self) -> _Conf:
        """Return the configuration; raises DriverLoss where not all of it is there, pools above all."""
        conf = await self._get("get_miner_conf")
        mode = next((str(conf[key]) for key in _MODE_KEYS if key in conf), "")
        pools = conf.get("pools")
        if not mode.isdigit() or not set(_KEYS) <= set(conf) or not answers.pools(pools, url="url", user="user"):
            self._compare(pools)
            raise DriverLoss(f"{self._target.place} gives no configuration with a mode, its keys and a pool")
        self._compare(pools)
        return _Conf(mode, {"pools": pools, **{sent: conf[read] for read, sent in _KEYS.items()}})

    def _compare(self, pools: object) -> None:
        """Find out what the last write has made of the pools, with all that stands in them."""
        if self._written is None or (self._writing is not None and not self._writing.done()):
            return
        if pools != self._written and not self._is_shut:
            self._is_shut = True
            _log.error(
                "%s has other pools than were written, and is written to no more",
                self._target.place,
                extra={"event": "pools_changed", "device": self._target.place},
            )
        self._written = None

    async def _get(self, what: str) -> dict[str, Any]:
        answer = await self._line.get(f"/cgi-bin/{what}.cgi")
        said = answer.json() if answer.status == 200 else None
        if not isinstance(said, dict):
            raise DriverLoss(f"{self._target.place} answers {what} with status {answer.status}, and no object")
        return said


def _line(target: Target, timeout_s: float) -> HttpLine:
    login = target.login
    digest = None if login is None else DigestAuth(login.username or "root", login.password)
    return HttpLine(target.host, target.port, timeout_s=timeout_s, digest=digest)


def _modes(model: Model) -> Mapping[int, str]:
    """Return the firmware's modes by their watts: the first mode of a model is sleep, the last normal, one between low."""
    watts = [model.off_w, *(int(mode.watts) for mode in model.modes[1:])]
    if len(watts) > 3 or any(mode.continuous for mode in model.modes):
        raise ConfigError(f"stock firmware has the modes sleep, low and normal, but the model {model.id} has others")
    return dict(zip(watts, [_SLEEP, _LOW, _NORMAL] if len(watts) == 3 else [_SLEEP, _NORMAL], strict=True))


def _watts(stats: Any) -> float | None:
    """Return its watts, where its firmware tells them, as a number or as a text with its unit."""
    for key in _WATTS_KEYS:
        words = answers.text(stats, key)
        watts = answers.watts(stats, key) if words is None else answers.watts([words.split()[0]], 0)
        if watts is not None:
            return watts
    return None
