"""Antminer with its maker's firmware: normal, low or asleep, by a configuration that it takes whole. HTTP with digest.

The configuration holds the pools, too; what becomes of it is in `antminer_conf`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from drivers.devices import answers
from drivers.devices.antminer_conf import WRITE_S, AntminerConf
from drivers.devices.antminer_power import PowerPage
from drivers.devices.bounded import bounded
from drivers.devices.calls import carry_out
from drivers.devices.driver import DeviceIdentity, DeviceSettings, Target
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.catalogue import Model
from drivers.fleet.wire import Activity, MeasuredBy
from drivers.transports.digest import DigestAuth
from drivers.transports.http import HttpLine

_SLEEP, _LOW, _NORMAL = "1", "3", "0"
_WATTS_KEYS: Final = ("chain_power", "power", "watt")


def open_device(target: Target) -> AntminerStock:
    """Return the driver of the device at `target`; raises ConfigError for a model with more than three modes, or a range."""
    return AntminerStock(target, _modes(target.model))


class AntminerStock:
    """A `DeviceDriver`; `modes`: the firmware's, by watts."""

    def __init__(self, target: Target, modes: Mapping[int, str]) -> None:
        self._target, self._modes = target, modes
        self._line, self._power = _line(target, target.timeout_s), PowerPage(target.host)
        self._conf = AntminerConf(target.place, self._get, _line(target, WRITE_S))

    async def read(self) -> DeviceReading:
        """Return what it says."""
        async with bounded(self._target.place):
            conf = await self._conf.read()
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
        return await carry_out(self._conf.change(self._modes[self._target.model.at_most(watts)], as_number=True))

    async def stop(self) -> CommandOutcome:
        """Have it sleep, with the mode written as a text: some firmwares take that alone."""
        return await carry_out(self._conf.change(_SLEEP, as_number=False))

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
            conf = await self._conf.read()
        pools = answers.pools(conf.page["pools"], url="url", user="user")
        return DeviceSettings(mode=conf.mode, asleep=conf.mode == _SLEEP, pools=pools)

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        """Set the mode that was found."""
        return await carry_out(self._conf.change(found.mode or _NORMAL, as_number=True))

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about leading it."""
        async with bounded(self._target.place):
            conf = await self._conf.read()
            watts = await self._watts(answers.at(await self._get("stats"), "STATS", 0))
        said = {
            f"it runs in mode {conf.mode}, which the model has no watts for": conf.mode not in self._modes.values(),
            "it does not tell its watts: a relay or a PDU has to prove them": watts is None,
        }
        return [words for words, holds in said.items() if holds]

    async def close(self) -> None:
        """End what is read; what is being written is waited for, and then ended."""
        await self._conf.close()
        self._line.close()
        self._power.close()

    async def _watts(self, stats: Any) -> float | None:
        """Return its watts, where its firmware tells them among its statistics, or on a page of its own."""
        watts = _watts(stats)
        return await self._power.watts() if watts is None else watts

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
