"""LuxOS: profiles with their watts, and sleep. TCP 4028, no password; a write needs the one session that the device has.

What a setpoint is: the profile of the most watts that are not above it, or sleep. Advanced thermal management (ATM) moves the
profile by itself, so it is switched off before a profile is set; while it is on, the device is said to run on its highest
profile. A session that somebody else has opened is used and left open; one of our own is closed after each write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from drivers.devices.bounded import bounded, number_of, text_of
from drivers.devices.driver import CALL_S, DeviceIdentity, DeviceSettings, Pool, Target, least_mode_over
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.wire import Activity, MeasuredBy
from drivers.transports import cgminer
from drivers.transports.cgminer import CgminerReply

ATM: Final = "atm"
_SLEEP: Final = {"sleep": True, "none": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Profile:
    name: str
    watts: float
    tuned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What ``config`` says of what it is set to; `profile`: its name. `raw`: all of it."""

    profile: str
    asleep: bool
    atm: bool
    raw: dict[str, Any]

    @property
    def activity(self) -> Activity:
        if self.asleep:
            return Activity.OFF
        status = text_of(self.raw.get("SystemStatus"))
        return Activity.UNKNOWN if status is None else Activity.RUNNING if status == "Normal" else Activity.STARTING


def open_device(target: Target) -> LuxOs:
    """Return the driver of the device at `target`; raises ConfigError for a model that is not made of modes."""
    if any(mode.continuous for mode in target.model.modes):
        raise ConfigError(f"LuxOS has profiles, but the model {target.model.id} has a continuous range")
    return LuxOs(target)


class LuxOs:
    """A `DeviceDriver`."""

    def __init__(self, target: Target) -> None:
        self._target, self._model = target, target.model
        self._profiles: dict[str, _Profile] = {}

    async def read(self) -> DeviceReading:
        """Return what it says; its watts are an estimate unless it says that they are its PSU's."""
        async with bounded(self._target.place):
            state = await self._state()
            watts, measured_by = await self._power()
            setpoint_w = await self._setpoint_w(state)
        return DeviceReading(
            setpoint_w=setpoint_w,
            watts=watts,
            measured_by=measured_by,
            activity=state.activity,
            serial=text_of(state.raw.get("SerialNumber")) or text_of(state.raw.get("MACAddr")),
        )

    async def command(self, watts: int) -> CommandOutcome:
        """Set the profile of the most watts that are not above `watts`; have it sleep where there is none."""
        if watts <= self._model.off_w:
            return await self._in_session(self._sleep)
        return await self._in_session(lambda session: self._run(session, watts))

    async def stop(self) -> CommandOutcome:
        """Have it sleep in a session of our own, whoever had one: no other way leaves its boards as they are."""
        return await self._in_session(self._sleep, take_over=True)

    async def identity(self) -> DeviceIdentity:
        """Return what it is."""
        async with bounded(self._target.place):
            raw = (await self._state()).raw
            version = (await self._ask("version")).part("VERSION")
        return DeviceIdentity(
            family="luxos",
            model=text_of(raw.get("Model")),
            firmware=text_of(version.get("LUXminer")),
            serial=text_of(raw.get("SerialNumber")),
            mac=text_of(raw.get("MACAddr")),
        )

    async def settings(self) -> DeviceSettings:
        """Return profile, sleep, ATM and pools."""
        async with bounded(self._target.place):
            state = await self._state()
            pools = (await self._ask("pools")).parts("POOLS")
        return DeviceSettings(
            mode=state.profile,
            asleep=state.asleep,
            moves_itself=(ATM,) if state.atm else (),
            pools=tuple(Pool(url=str(pool.get("URL", "")), user=str(pool.get("User", ""))) for pool in pools),
        )

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        """Set profile and sleep as they were found, and ATM last."""
        asleep, atm = "sleep" if found.asleep else "wakeup", str(ATM in found.moves_itself).lower()

        async def write(session: str) -> CommandOutcome:
            steps = [("atmset", "enabled=false"), ("profileset", str(found.mode)), ("curtail", asleep)]
            return await self._write(session, [*steps, ("atmset", f"enabled={atm}")])

        return await self._in_session(write)

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about leading it."""
        async with bounded(self._target.place):
            state = await self._state()
            await self._load_profiles()
            _, measured_by = await self._power()
        usable = [profile.watts for profile in self._usable()]
        reached = {least_mode_over(self._model, watts) for watts in usable}
        bare = [f"{mode.watts:g} W" for mode in self._model.modes[1:] if int(mode.watts) not in reached]
        said = {
            "thermal management (ATM) is on; it is switched off while the device is led": state.atm,
            f"it runs on the profile {state.profile}, which it does not list": state.profile not in self._profiles,
            "none of its profiles is tuned; `untuned: true` lets the others be used": not usable,
            f"it has no profile for {', '.join(bare)}": bool(bare and usable),
            "its firmware works its watts out; they prove nothing": measured_by is MeasuredBy.ESTIMATE,
            "it does not tell its watts": measured_by is MeasuredBy.NOTHING,
        }
        return [words for words, holds in said.items() if holds]

    async def close(self) -> None:
        """Hold nothing: each request has a connection of its own, each write a session."""

    async def _run(self, session: str, watts: int) -> CommandOutcome:
        state = await self._state()
        await self._load_profiles()
        fitting = [profile for profile in self._usable() if profile.watts <= watts]
        if not fitting:
            return await self._sleep(session)
        profile = max(fitting, key=lambda one: one.watts)
        steps = [("atmset", "enabled=false")] if state.atm else []
        steps.append(("profileset", profile.name))  # before it wakes: it does not come up on another one
        return await self._write(session, [*steps, ("curtail", "wakeup")] if state.asleep else steps)

    async def _sleep(self, session: str) -> CommandOutcome:
        return await self._write(session, [("curtail", "sleep")])

    async def _write(self, session: str, steps: Sequence[tuple[str, str]]) -> CommandOutcome:
        """Take the steps in turn, up to the first that is not accepted."""
        for verb, words in steps:
            outcome = (await self._ask(verb, f"{session},{words}")).outcome
            if outcome is not CommandOutcome.ACCEPTED:
                return outcome
        return CommandOutcome.ACCEPTED

    async def _in_session(
        self, write: Callable[[str], Awaitable[CommandOutcome]], *, take_over: bool = False
    ) -> CommandOutcome:
        ours = ""
        try:
            async with asyncio.timeout(CALL_S - self._target.timeout_s):
                if take_over and (other := await self._session()):
                    await self._ask("logoff", other)
                logon = await self._ask("logon")
                ours = _session_id(logon) if logon.outcome is CommandOutcome.ACCEPTED else ""
                session = ours or await self._session()
                return await write(session) if session else CommandOutcome.REFUSED
        except (DriverLoss, TimeoutError):
            return CommandOutcome.UNKNOWN
        finally:
            if ours:
                await self._log_off(ours)

    async def _session(self) -> str:
        """Return the id of the session that there is; empty for none."""
        return _session_id(await self._ask("session"))

    async def _log_off(self, session: str) -> None:
        try:
            await self._ask("logoff", session)
        except DriverLoss:
            return  # the device ends it by itself when nobody has used it for a minute

    async def _state(self) -> _State:
        raw = (await self._ask("config")).part("CONFIG")
        profile, curtailment, atm = (raw.get(key) for key in ("Profile", "CurtailMode", "IsAtmEnabled"))
        asleep = _SLEEP.get(curtailment.lower()) if isinstance(curtailment, str) else None
        if not isinstance(profile, str) or asleep is None or not isinstance(atm, bool):
            found = f"Profile {profile!r}, CurtailMode {curtailment!r}, IsAtmEnabled {atm!r}"
            raise DriverLoss(f"{self._target.place} answers config with {found}")
        return _State(profile=profile, asleep=asleep, atm=atm, raw=raw)

    async def _power(self) -> tuple[float | None, MeasuredBy]:
        reply = await self._ask("power")
        power = reply.part("POWER") if reply.outcome is CommandOutcome.ACCEPTED else {}
        watts = number_of(power.get("Watts"))
        if watts is None:
            return None, MeasuredBy.NOTHING
        return watts, MeasuredBy.PSU if power.get("PSU") is True else MeasuredBy.ESTIMATE

    async def _setpoint_w(self, state: _State) -> int | None:
        """Return what it runs on by its own word; None for a profile that it does not list, and that has no watts."""
        if state.asleep:
            return self._model.off_w
        if state.profile not in self._profiles:
            await self._load_profiles()
        profile = self._profiles.get(state.profile)
        if state.atm:
            return least_mode_over(self._model, max(one.watts for one in self._profiles.values()))
        return None if profile is None else least_mode_over(self._model, profile.watts)

    async def _load_profiles(self) -> None:
        listed = [_profile(one, self._target.place) for one in (await self._ask("profiles")).parts("PROFILES")]
        if not listed:
            raise DriverLoss(f"{self._target.place} lists no profile")
        self._profiles = {profile.name: profile for profile in listed}

    def _usable(self) -> list[_Profile]:
        return [profile for profile in self._profiles.values() if profile.tuned or self._target.untuned]

    async def _ask(self, verb: str, parameter: str | None = None) -> CgminerReply:
        target = self._target
        return await cgminer.command(target.host, target.port, verb, parameter, timeout_s=target.timeout_s)


def _session_id(reply: CgminerReply) -> str:
    return text_of(reply.part("SESSION").get("SessionID")) or ""


def _profile(raw: dict[str, Any], place: str) -> _Profile:
    name, watts = raw.get("Profile Name"), number_of(raw.get("Watts"))
    if not isinstance(name, str) or watts is None:
        raise DriverLoss(f"{place} lists the profile {name!r} with the watts {raw.get('Watts')!r}")
    return _Profile(name=name, watts=watts, tuned=raw.get("IsTuned") is True)
