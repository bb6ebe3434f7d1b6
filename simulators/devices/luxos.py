"""A miner with LuxOS: TCP 4028, one JSON command a connection, an answer with a trailing NUL, then the connection is closed.

Its answers have the fields of a capture of an Antminer S19k Pro (firmware 2025.4.8, in the tests of asic-rs, fdcd1018) that a
driver reads; codes and the single session, which ends after a minute without use, are those of public clients and mocks of the
firmware. Assumed, for no source tells: that a profile may be set while the miner sleeps, and the word for an unknown session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from drivers.clock import Clock
from drivers.fleet.catalogue import Model
from drivers.fleet.wire import Activity
from simulators.devices.server import UnitServer
from simulators.devices.traps import PAGE, ReplyForm
from simulators.devices.unit import DeviceUnit

FIRMWARE: Final = "2025.4.8.220305-57b389c7"
_SESSION_S: Final = 60.0
#: With ATM on, a profile that was set lasts so long; then the miner goes back up.
ATM_S: Final = 4.0
_ERROR_500: Final = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
_MOST_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LuxProfile:
    """One entry of its list of profiles."""

    name: str
    watts: int
    hashrate_ths: float = 0.0
    tuned: bool = True


class LuxOsServer(UnitServer):
    """One miner. `profiles`: None for one a mode of its model; `psu`: its watts are measured. `atm`: whether that is on."""

    def __init__(
        self,
        unit: DeviceUnit,
        *,
        clock: Clock,
        profiles: tuple[LuxProfile, ...] | None = None,
        psu: bool = False,
        atm: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(unit, self._answer, host=host, port=port)
        self._unit, self._clock = unit, clock
        self.profiles = profiles or tuple(
            LuxProfile(name=mode.name, watts=int(mode.watts), hashrate_ths=mode.hashrate_ths)
            for mode in unit.model.modes[1:]
        )
        self.atm, self._psu = atm, psu
        self._profile = self._profile_on(unit.told_w) or self.profiles[-1]
        self.session = ""
        self._sessions, self._used_s, self._boots = 0, clock(), unit.boots
        self._set_s = clock()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _request(reader)
        if not request:
            return
        self._let_time_pass()
        verb, parameter = str(request.get("command", "")), str(request.get("parameter", ""))
        moves = verb in {"curtail", "profileset"}
        for each in verb.split("+"):
            self._unit.asked(each, writes=each in _SESSIONS)
        if moves and self._is_valid(parameter.partition(",")[0]):
            await self._move(verb, parameter, writer)
            return
        await _send(writer, _bytes(self._all(verb) if "+" in verb else self._one(verb, parameter)))

    def _one(self, verb: str, parameter: str) -> dict[str, Any]:
        return (_READS.get(verb) or _SESSIONS.get(verb) or LuxOsServer._no_verb)(self, parameter)

    def _all(self, verbs: str) -> dict[str, Any]:
        """Answer several verbs, which take no parameter, each below its name."""
        return {"id": 1, **{verb: [self._one(verb, "")] for verb in verbs.split("+")}}

    async def _move(self, verb: str, parameter: str, writer: asyncio.StreamWriter) -> None:
        """Do, and answer, what moves power, as the trap has it."""
        manner, before_w = self._unit.manner(), self._unit.told_w
        good = _bytes(self._curtail(parameter) if verb == "curtail" else self._set(parameter)) if manner.does else b""
        match manner.reply:
            case ReplyForm.YES:
                await _send(writer, good or _bytes(_ok("OK", 0)))
            case ReplyForm.NO:
                await _send(writer, _bytes(_error(14, "not allowed")))
            case ReplyForm.HALF:
                await _send(writer, good[: len(good) // 2])
            case ReplyForm.HTML:
                await _send(writer, PAGE)
            case ReplyForm.HTTP_500:
                await _send(writer, _ERROR_500)
            case ReplyForm.NOTHING:
                await asyncio.Event().wait()
        self._unit.wrote(before_w)

    def _let_time_pass(self) -> None:
        """Drop what a start or a minute drops, and go where ATM goes."""
        now_s = self._clock()
        if self._boots != self._unit.boots or now_s > self._used_s + _SESSION_S:
            self._boots, self.session = self._unit.boots, ""
        if self.atm and not self._is_asleep() and now_s >= self._set_s + ATM_S:
            self._unit.tell(self.profiles[-1].watts)
        if not self._is_asleep():
            self._profile = self._profile_on(self._unit.told_w) or self._profile

    def _is_asleep(self) -> bool:
        return self._unit.told_w <= self._unit.model.off_w

    def _profile_on(self, watts: int) -> LuxProfile | None:
        return next((profile for profile in self.profiles if profile.watts == watts), None)

    def _is_valid(self, session: str) -> bool:
        valid = session != "" and session == self.session
        self._used_s = self._clock() if valid else self._used_s
        return valid

    def _curtail(self, parameter: str) -> dict[str, Any]:
        wanted = parameter.split(",")[1:]
        if wanted == ["sleep"]:
            self._unit.tell(self._unit.model.off_w)
        elif wanted == ["wakeup"]:
            self._unit.tell(self._profile.watts)
        else:
            return _error(402, "Invalid parameter")
        return _ok("Curtail mode set", 400)

    def _set(self, parameter: str) -> dict[str, Any]:
        wanted = parameter.split(",")[1:]
        profile = next((one for one in self.profiles if [one.name] == wanted), None)
        if profile is None:
            return _error(402, "Unknown profile")
        self._profile, self._set_s = profile, self._clock()
        if not self._is_asleep():
            self._unit.tell(profile.watts)
        return _ok("Profile set", 321)

    def _set_atm(self, parameter: str) -> dict[str, Any]:
        session, *words = parameter.split(",")
        if not self._is_valid(session):
            return _error(402, "Invalid session")
        if words not in (["enabled=true"], ["enabled=false"]):
            return _error(402, "Invalid parameter")
        self.atm, self._set_s = words == ["enabled=true"], self._clock()
        return _ok("ATM configuration set", 340)

    def _log_on(self, _: str) -> dict[str, Any]:
        if self.session:
            return _error(402, "Another session is active")
        self._sessions += 1
        self.session, self._used_s = f"sid{self._sessions:05d}", self._clock()
        return _ok("Session created", 316, SESSION=[{"SessionID": self.session}])

    def _log_off(self, parameter: str) -> dict[str, Any]:
        if not self._is_valid(parameter):
            return _error(402, "Invalid session")
        self.session = ""
        return _ok("Session dropped", 317)

    def _config(self, _: str) -> dict[str, Any]:
        unit = self._unit
        config = {
            "CurtailMode": "Sleep" if self._is_asleep() else "None",
            "IsAtmEnabled": self.atm,
            "IsPowerSupplyOn": not self._is_asleep(),
            "IsTuning": False,
            "MACAddr": unit.mac,
            "Model": _name(unit.model),
            "OS": "LuxOS",
            "Pool Count": len(unit.pools),
            "Profile": self._profile.name,
            "SerialNumber": unit.serial,
            "SystemStatus": "Initializing" if unit.activity is Activity.STARTING else "Normal",
        }
        return _ok("LUXminer config", 33, CONFIG=[config])

    def _power(self, _: str) -> dict[str, Any]:
        return _ok("Power usage", 311, POWER=[{"PSU": self._psu, "Watts": round(self._unit.said_w)}])

    def _list(self, _: str) -> dict[str, Any]:
        profiles = [
            {
                "Frequency": place,
                "Hashrate": one.hashrate_ths,
                "IsDynamic": True,
                "IsTuned": one.tuned,
                "Profile Name": one.name,
                "Step": str(place),
                "Voltage": 11.88,
                "Watts": one.watts,
            }
            for place, one in enumerate(self.profiles)
        ]
        return _ok("List profiles", 323, PROFILES=profiles)

    def _pools(self, _: str) -> dict[str, Any]:
        pools = [
            {"POOL": place, "GROUP": 0, "Priority": place, "Status": "Alive", "URL": pool.url, "User": pool.user}
            for place, pool in enumerate(self._unit.pools)
        ]
        return _ok(f"{len(pools)} Pool(s)", 7, POOLS=pools)

    def _version(self, _: str) -> dict[str, Any]:
        version = {"API": "3.7", "LUXminer": FIRMWARE, "Miner": "2025.4.8.220305", "Type": _name(self._unit.model)}
        return _ok("LUXminer versions", 22, VERSION=[version])

    def _summary(self, _: str) -> dict[str, Any]:
        return _ok("Summary", 11, SUMMARY=[{"Elapsed": int(self._unit.uptime_s), "GHS 5s": 1000 * self._hashes()}])

    def _hashes(self) -> float:
        return self._profile.hashrate_ths if self._unit.activity is Activity.RUNNING else 0.0

    def _atm(self, _: str) -> dict[str, Any]:
        return _ok("ATM configuration values", 339, ATM=[{"Enabled": self.atm, "MaxProfile": self.profiles[-1].name}])

    def _groups(self, _: str) -> dict[str, Any]:
        return _ok("List groups", 324, GROUPS=[{"GROUP": 0, "Name": "default", "Quota": 1.0}])

    def _fans(self, _: str) -> dict[str, Any]:
        fans = [{"FAN": f"FAN{k}", "ID": k, "RPM": 1920, "Speed": 20} for k in range(4)]
        return _ok("4 Fan(s)", 202, FANCTRL=[{"MinFans": 3, "PowerOffSpeed": 20}], FANS=fans)

    def _temperatures(self, _: str) -> dict[str, Any]:
        return _ok(
            "Temperature control", 200, TEMPCTRL=[{"Dangerous": 70.0, "Hot": 65.0, "Mode": "Automatic", "Target": 45.0}]
        )

    def _session(self, _: str) -> dict[str, Any]:
        return _ok("Session information", 319, SESSION=[{"SessionID": self.session}])

    def _reboot(self, parameter: str) -> dict[str, Any]:
        if not self._is_valid(parameter):
            return _error(402, "Invalid session")
        self._unit.reboot()
        return _ok("Rebooting device", 328)

    def _no_session(self, _: str) -> dict[str, Any]:
        return _error(402, "Invalid session")

    def _no_verb(self, _: str) -> dict[str, Any]:
        return _error(14, "Invalid command")


_Verb = Callable[[LuxOsServer, str], dict[str, Any]]
_READS: Final[Mapping[str, _Verb]] = {
    "config": LuxOsServer._config,
    "power": LuxOsServer._power,
    "profiles": LuxOsServer._list,
    "pools": LuxOsServer._pools,
    "version": LuxOsServer._version,
    "summary": LuxOsServer._summary,
    "atm": LuxOsServer._atm,
    "groups": LuxOsServer._groups,
    "fans": LuxOsServer._fans,
    "tempctrl": LuxOsServer._temperatures,
    "session": LuxOsServer._session,
}
_SESSIONS: Final[Mapping[str, _Verb]] = {
    "logon": LuxOsServer._log_on,
    "logoff": LuxOsServer._log_off,
    "atmset": LuxOsServer._set_atm,
    "rebootdevice": LuxOsServer._reboot,
    "curtail": LuxOsServer._no_session,
    "profileset": LuxOsServer._no_session,
}


async def _request(reader: asyncio.StreamReader) -> Mapping[str, Any]:
    """Return the JSON command that comes, whole after however many pieces; an empty one where that is none."""
    text = b""
    while len(text) < _MOST_BYTES and (chunk := await reader.read(4096)):
        text += chunk
        try:
            request = msgspec.json.decode(text)
        except msgspec.DecodeError:
            continue
        return request if isinstance(request, dict) else {}
    return {}


async def _send(writer: asyncio.StreamWriter, answer: bytes) -> None:
    writer.write(answer)
    await writer.drain()


def _name(model: Model) -> str:
    """Return a model as the firmware writes it, such as ``Antminer S19k Pro``."""
    return " ".join(word.capitalize() for word in model.id.split("-"))


def _bytes(reply: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(reply) + b"\x00"


def _ok(message: str, code: int, **parts: Any) -> dict[str, Any]:
    return {"STATUS": [_status("S", message, code)], "id": 1, **parts}


def _error(code: int, message: str) -> dict[str, Any]:
    return {"STATUS": [_status("E", message, code)], "id": 1}


def _status(letter: str, message: str, code: int) -> dict[str, Any]:
    return {"STATUS": letter, "Code": code, "Msg": message, "Description": f"LUXminer {FIRMWARE}", "When": 1760242394}
