"""LuxOS: profiles with their watts, and sleep. TCP 4028, no password; a write needs the one session that the device has.

What a setpoint is: the profile of the most watts that are not above it, or sleep. Advanced thermal management (ATM) moves the
profile by itself, so it is switched off before a profile is set; while it is on, the device is said to run on its highest
profile. What a session is about is in `luxos_session`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from drivers.devices import answers
from drivers.devices.bounded import bounded
from drivers.devices.driver import CALL_S, DeviceIdentity, DeviceSettings, Target, least_mode_over
from drivers.devices.luxos_session import Step, write_in_session
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
        status = answers.text(self.raw, "SystemStatus")
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
            serial=answers.text(state.raw, "SerialNumber") or answers.text(state.raw, "MACAddr"),
        )

    async def command(self, watts: int) -> CommandOutcome:
        """Set the profile of the most watts that are not above `watts`; have it sleep where there is none."""
        return await self._write(self._to_sleep if watts <= self._model.off_w else partial(self._to_run, watts))

    async def stop(self) -> CommandOutcome:
        """Have it sleep in a session of our own, whoever had one: no other way leaves its boards as they are."""
        return await self._write(self._to_sleep, take_over=True)

    async def identity(self) -> DeviceIdentity:
        """Return what it is."""
        async with bounded(self._target.place):
            raw = (await self._state()).raw
            version = (await self._ask("version")).part("VERSION")
        return DeviceIdentity(
            family="luxos",
            model=answers.text(raw, "Model"),
            firmware=answers.text(version, "LUXminer"),
            serial=answers.text(raw, "SerialNumber"),
            mac=answers.text(raw, "MACAddr"),
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
            pools=answers.pools(pools, url="URL", user="User"),
        )

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        """Set profile and sleep as they were found, and ATM last."""
        return await self._write(partial(self._to_be, found))

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

    async def _to_run(self, watts: int) -> Sequence[Step]:
        state = await self._state()
        await self._load_profiles()
        fitting = [profile for profile in self._usable() if profile.watts <= watts]
        if not fitting:
            return await self._to_sleep()
        profile = max(fitting, key=lambda one: one.watts)
        steps = [("atmset", "enabled=false")] if state.atm else []
        steps.append(("profileset", profile.name))  # before it wakes: it does not come up on another one
        return [*steps, ("curtail", "wakeup")] if state.asleep else steps

    async def _to_sleep(self) -> Sequence[Step]:
        return [("curtail", "sleep")]

    async def _to_be(self, found: DeviceSettings) -> Sequence[Step]:
        asleep, atm = "sleep" if found.asleep else "wakeup", str(ATM in found.moves_itself).lower()
        steps = [("atmset", "enabled=false"), ("profileset", str(found.mode)), ("curtail", asleep)]
        return [*steps, ("atmset", f"enabled={atm}")]

    async def _write(self, plan: Callable[[], Awaitable[Sequence[Step]]], *, take_over: bool = False) -> CommandOutcome:
        within_s = CALL_S - self._target.timeout_s  # the rest is for the end of the session
        return await write_in_session(self._ask, plan, within_s=within_s, take_over=take_over)

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
        watts = answers.watts(power, "Watts")
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


def _profile(raw: dict[str, Any], place: str) -> _Profile:
    name, watts = raw.get("Profile Name"), answers.watts(raw, "Watts")
    if not isinstance(name, str) or watts is None:
        raise DriverLoss(f"{place} lists the profile {name!r} with the watts {raw.get('Watts')!r}")
    return _Profile(name=name, watts=watts, tuned=raw.get("IsTuned") is True)
