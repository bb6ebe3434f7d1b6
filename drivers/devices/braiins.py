"""Braiins OS: a power target in watts, and mining that is paused and resumed. HTTP with JSON and a token.

Dynamic performance scaling (DPS) moves the target by itself, so it is switched off before a target is set. The target is always set as
a whole: its steps up and down would be taken twice by whoever asks twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from drivers.devices import answers
from drivers.devices.bounded import bounded
from drivers.devices.calls import Write, carry_out
from drivers.devices.driver import DeviceIdentity, DeviceSettings, Target
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.wire import Activity, MeasuredBy
from drivers.transports.http import HttpLine
from drivers.transports.token_http import TokenLine, TokenLogin

_API: Final = "/api/v1"
_DPS: Final = "dps"
_NOT_STARTED, _NORMAL, _PAUSED, _SUSPENDED = 1, 2, 3, 4
#: What has it mine again; one that is suspended comes back by itself, and so is not off.
_WAKES: Final = {_NOT_STARTED: "start", _PAUSED: "resume"}
_ACTIVITIES: Final = {_NORMAL: Activity.RUNNING, _SUSPENDED: Activity.STARTING}


def open_device(target: Target) -> Braiins:
    """Return the driver of the device at `target`; without a login it says no more than what it is."""
    return Braiins(target)


class Braiins:
    """A `DeviceDriver`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        login = None
        if target.login is not None:
            said = {"username": target.login.username or "root", "password": target.login.password}
            login = TokenLogin(path=f"{_API}/auth/login", body=msgspec.json.encode(said))
        self._line = TokenLine(HttpLine(target.host, target.port, timeout_s=target.timeout_s), login)

    async def read(self) -> DeviceReading:
        """Return what it says; its watts are approximated by its firmware."""
        async with bounded(self._target.place):
            details = await self._read("miner/details")
            tuner = await self._read("performance/tuner-state")
            stats = await self._read("miner/stats")
        status = _status(details)
        watts = answers.watts(stats, "power_stats", "approximated_consumption", "watt")
        target_w = answers.watts(tuner, "mode_state", "powertargetmodestate", "current_target", "watt")
        named_w = None if target_w is None else round(target_w)
        return DeviceReading(
            setpoint_w=self._target.model.off_w if status in _WAKES else named_w,
            watts=watts,
            measured_by=MeasuredBy.NOTHING if watts is None else MeasuredBy.ESTIMATE,
            activity=_ACTIVITIES.get(status, Activity.OFF),
            uptime_s=answers.number(details, "system_uptime_s"),
            serial=answers.text(details, "serial_number") or answers.text(details, "mac_address"),
        )

    async def command(self, watts: int) -> CommandOutcome:
        """Set its power target and have it mine, or pause its mining."""
        if watts <= self._target.model.off_w:
            return await carry_out(self._plan_to("pause"))
        return await carry_out(self._plan(watts))

    async def stop(self) -> CommandOutcome:
        """Stop its mining software, which is another way than to pause it."""
        return await carry_out(self._plan_to("stop"))

    async def identity(self) -> DeviceIdentity:
        """Return what it is."""
        async with bounded(self._target.place):
            details = await self._read("miner/details")
        return DeviceIdentity(
            family="braiins",
            model=answers.text(details, "miner_identity", "name"),
            firmware=answers.text(details, "bos_version", "current"),
            serial=answers.text(details, "serial_number"),
            mac=answers.text(details, "mac_address"),
        )

    async def settings(self) -> DeviceSettings:
        """Return power target, whether it is paused, DPS and pools."""
        async with bounded(self._target.place):
            status = _status(await self._read("miner/details"))
            config = await self._read("configuration/miner")
            groups = await self._read("pools")
        limit_w = answers.watts(config, "tuner", "power_target", "watt")
        listed = [answers.at(group, "pools") for group in groups] if isinstance(groups, list) else [None]
        return DeviceSettings(
            limit_w=None if limit_w is None else round(limit_w),
            asleep=status in _WAKES,
            moves_itself=(_DPS,) if _scales(config) else (),
            pools=tuple(pool for pools in listed for pool in answers.pools(pools, url="url", user="user")),
        )

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        """Set power target, mining and DPS as they were found."""
        return await carry_out(self._plan_back(found))

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about leading it."""
        async with bounded(self._target.place):
            tuner = await self._read("performance/tuner-state")
            config = await self._read("configuration/miner")
            bounds = answers.at(await self._read("configuration/constraints"), "tuner_constraints", "power_target")
        most_w, least_w = answers.watts(bounds, "max", "watt"), answers.watts(bounds, "min", "watt")
        modes = self._target.model.modes
        said = {
            "performance scaling (DPS) is on: it is switched off while the device is led": _scales(config),
            "it has no power target": answers.at(tuner, "mode_state", "powertargetmodestate", "current_target") is None,
            f"it takes no target above {most_w} W": most_w is not None and most_w < modes[-1].watts,
            f"it takes no target below {least_w} W": least_w is not None and least_w > modes[1].watts,
            "its watts are worked out by its firmware, and prove nothing": True,
        }
        return [words for words, holds in said.items() if holds]

    async def close(self) -> None:
        """Hold no connection; the device has no way to end a session, which ends by itself within an hour."""
        self._line.forget()

    async def _plan(self, watts: int) -> Sequence[Write]:
        status = _status(await self._read("miner/details"))
        config = await self._read("configuration/miner")
        scaling = [self._put("performance/dps", {"enable": False}, dict)] if _scales(config) else []
        wakes = [self._act(_WAKES[status])] if status in _WAKES else []
        return [*scaling, self._aim(watts), *wakes]

    async def _plan_back(self, found: DeviceSettings) -> Sequence[Write]:
        status = _status(await self._read("miner/details"))
        aims = [] if found.limit_w is None else [self._aim(found.limit_w)]
        wakes = [self._act(_WAKES[status])] if status in _WAKES and not found.asleep else []
        sleeps = [self._act("pause")] if found.asleep and status not in _WAKES else []
        return [*sleeps, *aims, *wakes, self._put("performance/dps", {"enable": _DPS in found.moves_itself}, dict)]

    async def _plan_to(self, action: str) -> Sequence[Write]:
        return [self._act(action)]

    def _aim(self, watts: int) -> Write:
        return self._put("performance/power-target", {"watt": watts}, dict, names=watts)

    def _act(self, action: str) -> Write:
        """Return a write whose answer says whether it was so before, which is a yes either way."""
        return self._put(f"actions/{action}", None, bool)

    def _put(self, what: str, body: object, kind: type, *, names: int | None = None) -> Write:
        async def write() -> CommandOutcome:
            answer = await self._line.request("PUT", f"{_API}/{what}", body)
            if answer.is_refusal:
                return CommandOutcome.REFUSED
            said = answer.json() if answer.status == HTTPStatus.OK else None
            as_asked = type(said) is kind and (names is None or answers.number(said, "watt") == names)
            return CommandOutcome.ACCEPTED if as_asked else CommandOutcome.UNKNOWN

        return write

    async def _read(self, what: str) -> Any:
        return await self._line.read(f"{_API}/{what}")


def _status(details: Any) -> int:
    status = answers.at(details, "status")
    if type(status) is not int or status not in {_NOT_STARTED, _NORMAL, _PAUSED, _SUSPENDED}:
        raise DriverLoss(f"it is in a status {status!r} that is not known")
    return status


def _scales(config: Any) -> bool:
    return answers.at(config, "dps", "enabled") is True
