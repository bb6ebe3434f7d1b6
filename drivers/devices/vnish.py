"""VNish: presets that are named after their watts, and mining that is stopped and started. HTTP with JSON and a token.

Its preset switcher moves the preset by the temperature, so it is switched off with the first preset that is set; while it is on, the
device is said to run on the highest preset that the switcher may take. A preset that is not tuned is tuned when it is set, for
long and perhaps with more watts than it is named after: it is used only where the file says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from drivers.devices import answers
from drivers.devices.bounded import bounded
from drivers.devices.calls import Write, carry_out
from drivers.devices.driver import DeviceIdentity, DeviceSettings, Target
from drivers.devices.vnish_state import SWITCHER, VnishState, usable_presets
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.transports.http import HttpAnswer, HttpLine
from drivers.transports.token_http import TokenLine, TokenLogin

_API: Final = "/api/v1"


def open_device(target: Target) -> Vnish:
    """Return the driver of the device at `target`; without a login it can be read in part, and not told."""
    return Vnish(target)


class Vnish:
    """A `DeviceDriver`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        login = None
        if target.login is not None:
            body = msgspec.json.encode({"pw": target.login.password})
            login = TokenLogin(path=f"{_API}/unlock", body=body, scheme="Bearer ")
        self._line = TokenLine(HttpLine(target.host, target.port, timeout_s=target.timeout_s), login)

    async def read(self) -> DeviceReading:
        """Return what it says."""
        async with bounded(self._target.place):
            state = await self._state()
            serial, mac = _names(await self._read("info"))
        return DeviceReading(
            setpoint_w=state.setpoint_w(self._target.model),
            watts=state.watts,
            measured_by=state.measured_by,
            activity=state.activity,
            serial=serial or mac,
        )

    async def command(self, watts: int) -> CommandOutcome:
        """Set the preset of the most watts that are not above `watts` and have it mine, or stop its mining."""
        if watts <= self._target.model.off_w:
            return await carry_out(self._plan_to("stop"))
        return await carry_out(self._plan(watts))

    async def stop(self) -> CommandOutcome:
        """Pause its mining, which is another way than to stop it."""
        return await carry_out(self._plan_to("pause"))

    async def identity(self) -> DeviceIdentity:
        """Return what it is."""
        async with bounded(self._target.place):
            info = await self._read("info")
        serial, mac = _names(info)
        return DeviceIdentity(
            family="vnish",
            model=answers.text(info, "miner"),
            firmware=answers.text(info, "fw_version"),
            serial=serial,
            mac=mac,
        )

    async def settings(self) -> DeviceSettings:
        """Return preset, whether it is stopped, its switcher and its pools."""
        async with bounded(self._target.place):
            state = await self._state()
            overclock, miner = await self._overclock()
        return DeviceSettings(
            mode=answers.text(overclock, "preset"),
            asleep=state.stopped,
            moves_itself=(SWITCHER,) if answers.at(overclock, SWITCHER, "enabled") else (),
            pools=answers.pools(miner.get("pools"), url="url", user="user"),
        )

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        """Set preset, switcher and mining as they were found."""
        return await carry_out(self._plan_back(found))

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about leading it."""
        async with bounded(self._target.place):
            state = await self._state()
            presets = await self._presets() if self._target.login is not None else None
        said = {
            "its preset switcher is on: it is switched off while the device is led": state.switches,
            f"its preset is {state.preset}, which names no watts": state.preset_w is None,
            "no preset is tuned: `untuned: true` lets the others be used": presets == {},
            "it tells a power that its firmware works out, and that proves nothing": not state.metered,
            "the file has no login for it: it can only be read": presets is None,
        }
        return [words for words, holds in said.items() if holds]

    async def close(self) -> None:
        """Give its session back."""
        if self._line.has_token:
            try:
                await self._line.request("POST", f"{_API}/lock")
            except DriverLoss:
                self._line.forget()
                return  # the session ends by itself
        self._line.forget()

    async def _plan(self, watts: int) -> Sequence[Write]:
        usable = await self._presets()
        fitting = [preset_w for preset_w in usable if preset_w <= watts]
        if not fitting:
            return await self._plan_to("stop")
        state = await self._state()
        overclock, _ = await self._overclock()
        return self._writes(overclock, usable[max(fitting)], switcher=False, stopped=state.stopped)

    async def _plan_back(self, found: DeviceSettings) -> Sequence[Write]:
        state = await self._state()
        overclock, _ = await self._overclock()
        preset = found.mode or answers.text(overclock, "preset")
        stops = [self._mining("stop")] if found.asleep else []
        stopped = state.stopped and not found.asleep
        return [*stops, *self._writes(overclock, preset, switcher=SWITCHER in found.moves_itself, stopped=stopped)]

    def _writes(
        self, overclock: Mapping[str, Any], preset: str | None, *, switcher: bool, stopped: bool
    ) -> Sequence[Write]:
        moves = (
            {SWITCHER: {**answers.mapping(overclock, SWITCHER), "enabled": switcher}} if SWITCHER in overclock else {}
        )
        body = {"miner": {"overclock": {**overclock, **moves, "preset": preset}}}

        async def write() -> CommandOutcome:
            answer = await self._line.request("POST", f"{_API}/settings", body)
            outcome = _outcome(answer)
            if outcome is CommandOutcome.ACCEPTED and not stopped and answers.at(answer.json(), "restart_required"):
                return await self._mining("restart")()
            return outcome

        return [write, self._mining("start")] if stopped else [write]

    async def _plan_to(self, verb: str) -> Sequence[Write]:
        return [self._mining(verb)]

    def _mining(self, verb: str) -> Write:
        async def write() -> CommandOutcome:
            return _outcome(await self._line.request("POST", f"{_API}/mining/{verb}"))

        return write

    async def _presets(self) -> dict[int, str]:
        return usable_presets(await self._read("autotune/presets"), untuned=self._target.untuned)

    async def _state(self) -> VnishState:
        return VnishState.of(await self._read("summary"), await self._read("perf-summary"))

    async def _overclock(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return its overclocking, whole, and what it stands in; raises DriverLoss where it lacks what is to be changed."""
        miner = answers.at(await self._read("settings"), "miner")
        overclock = answers.at(miner, "overclock")
        is_whole = answers.text(overclock, "preset") is not None and isinstance(overclock.get(SWITCHER, {}), dict)
        if not is_whole:
            raise DriverLoss(f"{self._target.place} gives no settings with a preset")
        return overclock, miner

    async def _read(self, what: str) -> Any:
        return await self._line.read(f"{_API}/{what}")


def _names(info: Any) -> tuple[str | None, str | None]:
    """Return its serial and its MAC; many have no serial."""
    serial = answers.text(info, "serial")
    return None if serial == "N/A" else serial, answers.text(info, "system", "network_status", "mac")


def _outcome(answer: HttpAnswer) -> CommandOutcome:
    """Return its yes or no; a body may be empty, but no page."""
    if answer.is_refusal:
        return CommandOutcome.REFUSED
    if answer.status != HTTPStatus.OK:
        return CommandOutcome.UNKNOWN
    said = answer.json() if answer.body.strip() else {}
    return CommandOutcome.REFUSED if answers.at(said, "success") is False else CommandOutcome.ACCEPTED
