"""GPUs of a server by the Redfish of its BMC, in the shape of NVIDIA's HGX: a power limit for each, in its EnvironmentMetrics.

A limit acts only in the control mode Automatic; in any other, and where the mode is not said, the GPU counts with its highest limit,
whatever its SetPoint shows. Each GPU is asked over a connection of its own, for a BMC is slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from drivers.devices import answers
from drivers.devices.driver import DeviceIdentity, Target
from drivers.devices.gpu_machine import GpuMachine, GpuSight
from drivers.devices.gpu_shares import GpuRange
from drivers.devices.redfish_session import JSON, RedfishSession
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.transports.http import HttpAnswer, HttpLine

_SYSTEMS: Final = "/redfish/v1/Systems"
_ACTS: Final = "Automatic"


def open_device(target: Target) -> GpuMachine:
    """Return the driver of the GPUs behind the BMC at `target`."""
    return GpuMachine(target, RedfishGpus(target))


class RedfishGpus:
    """A `GpuAccess`; GPUs are named by the ids of their processors."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._service = RedfishSession(target)
        self._lines: dict[str, HttpLine] = {}
        self._system = ""
        self._etags: dict[str, str | None] = {}
        self._enforced_w: dict[str, float | None] = {}
        self.serial: str | None = None

    async def look(self) -> Sequence[GpuSight]:
        """Return what the BMC says of each."""
        await self._find()
        system, *gpus = await asyncio.gather(self._named(), *(self._sight(name) for name in self._lines))
        self.serial = answers.text(system, "SerialNumber")
        if all(gpu.error is not None for gpu in gpus):
            raise DriverLoss(f"{self._target.place}: {gpus[0].name}: {gpus[0].error}")
        return gpus

    async def limit(self, limits_w: Sequence[int]) -> CommandOutcome:
        """Set limits, all that go down at once, and then all that go up."""
        wanted = dict(zip(self._lines, limits_w, strict=True))
        down = {name: watts for name, watts in wanted.items() if watts <= (self._enforced_w.get(name) or watts)}
        outcome = await self._patch({name: _set_point(watts) for name, watts in down.items()})
        if outcome is not CommandOutcome.ACCEPTED:
            return outcome
        return await self._patch({name: _set_point(watts) for name, watts in wanted.items() if name not in down})

    async def ask_again(self, asked: Mapping[str, str]) -> CommandOutcome:
        """Set limits and control modes of before."""
        await self.look()
        return await self._patch(
            {name: msgspec.json.decode(text) for name, text in asked.items() if name in self._lines}
        )

    async def identity(self) -> DeviceIdentity:
        """Return what the server is."""
        await self._find()
        system = await self._named()
        return DeviceIdentity(
            family="redfish",
            model=answers.text(system, "Model"),
            firmware=answers.text(system, "BiosVersion"),
            serial=answers.text(system, "SerialNumber"),
        )

    async def warnings(self) -> Sequence[str]:
        """Return what is open to others."""
        return [] if self._target.tls else ["whoever is on its network can read the login: the file names no `tls`"]

    async def close(self) -> None:
        """Close the session and all connections."""
        await self._service.close()
        for line in self._lines.values():
            line.close()

    async def _find(self) -> None:
        """Find the GPUs: once, for a baseboard does not grow."""
        if self._lines:
            return
        for system in _members(await self._service.read(_SYSTEMS)):
            processors = _members(await self._service.read(f"{system}/Processors"))
            found = [path for path in processors if path.rpartition("/")[2].upper().startswith("GPU")]
            if found:
                self._system = system
                self._lines = {path.rpartition("/")[2]: self._service.line() for path in sorted(found)}
                return
        raise DriverLoss(f"{self._target.place} knows no GPU")

    async def _named(self) -> Any:
        return await self._service.read(self._system)

    def _path(self, name: str) -> str:
        return f"{self._system}/Processors/{name}/EnvironmentMetrics"

    async def _sight(self, name: str) -> GpuSight:
        try:
            answer = await self._service.ask("GET", self._path(name), line=self._lines[name])
            said = answer.json() if answer.status == HTTPStatus.OK else None
        except DriverLoss as loss:
            return GpuSight(name=name, error=str(loss))
        limit = answers.at(said, "PowerLimitWatts")
        lowest_w, highest_w = answers.watts(limit, "AllowableMin"), answers.watts(limit, "AllowableMax")
        set_w, mode = answers.watts(limit, "SetPoint"), answers.text(limit, "ControlMode")
        self._etags[name] = answer.headers.get("etag") or answers.text(said, "@odata.etag")
        self._enforced_w[name] = set_w if mode == _ACTS else highest_w
        wrong = None if isinstance(limit, dict) else f"status {answer.status} without PowerLimitWatts"
        return GpuSight(
            name=name,
            range=_range(lowest_w, highest_w),
            enforced_w=self._enforced_w[name],
            asked=None if set_w is None or mode is None else _words(set_w, mode),
            watts=answers.watts(said, "PowerWatts", "Reading"),
            error=wrong,
        )

    async def _patch(self, bodies: Mapping[str, object]) -> CommandOutcome:
        outcomes = await asyncio.gather(*(self._patch_one(name, body) for name, body in bodies.items()))
        worse = (one for one in (CommandOutcome.UNKNOWN, CommandOutcome.REFUSED) if one in outcomes)
        return next(worse, CommandOutcome.ACCEPTED)

    async def _patch_one(self, name: str, body: object) -> CommandOutcome:
        etag = self._etags.get(name)
        headers = {**JSON, "If-Match": etag} if etag else JSON
        text = msgspec.json.encode({"PowerLimitWatts": body})
        try:
            answer = await self._service.ask("PATCH", self._path(name), headers, text, line=self._lines[name])
            return _outcome(answer)
        except DriverLoss:
            return CommandOutcome.UNKNOWN


def _members(said: Any) -> list[str]:
    listed = answers.at(said, "Members")
    return [path for one in listed if (path := answers.text(one, "@odata.id"))] if isinstance(listed, list) else []


def _range(lowest_w: float | None, highest_w: float | None) -> GpuRange | None:
    if lowest_w is None or highest_w is None or lowest_w > highest_w:
        return None
    return GpuRange(lowest_w=-int(-lowest_w // 1), highest_w=int(highest_w))


def _set_point(watts: float) -> dict[str, object]:
    return {"SetPoint": watts, "ControlMode": _ACTS}


def _words(watts: float, mode: str) -> str:
    number = int(watts) if watts == int(watts) else watts
    return msgspec.json.encode({"SetPoint": number, "ControlMode": mode}).decode()


def _outcome(answer: HttpAnswer) -> CommandOutcome:
    """Return what an answer to a write says; a task that is only accepted (202), or a page, is neither yes nor no."""
    if answer.is_refusal:
        return CommandOutcome.REFUSED
    if answer.status == HTTPStatus.NO_CONTENT:
        return CommandOutcome.ACCEPTED
    said = answer.json() if answer.status == HTTPStatus.OK else None
    return CommandOutcome.ACCEPTED if isinstance(said, dict) and "error" not in said else CommandOutcome.UNKNOWN
