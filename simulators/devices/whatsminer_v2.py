"""A Whatsminer with API 2: TCP 4028, JSON, commands encrypted with a token, a power limit, mining on and off.

Fields and their form are those of an M50S's answers (github:256foundation/asic-rs fdcd1018,
asic-rs-firmwares/whatsminer/src/test/json/v2), codes those of the vendor's API and of tetherto/mdk's mock. Assumed, for no source
tells: that a stopped miner tells -1 W, and that `status` names the limit of a stopped one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec

from drivers.clock import Clock
from drivers.fleet.wire import Activity
from drivers.transports.whatsminer_token import WhatsminerToken
from simulators.devices.replies import Words, say
from simulators.devices.server import UnitServer
from simulators.devices.traps import ReplyForm
from simulators.devices.unit import DeviceUnit

TOKEN_S: Final = 1800.0
MOST_TOKENS: Final = 16
_MOST_LIMIT_W: Final = 99_999
_WHEN: Final = 1773871985


class WhatsminerV2Server(UnitServer):
    """One miner. Its habits may be changed at any time.

    `tells_serial`: whether it has a `minersn`, which pyasic (e2b9d357) reads and the sample does not have. `writable`: whether its write
    API is on. `closes_on_off`: it closes without an answer when it is switched off, as some do. `firmware`: a date from 2024-11 on makes it
    one that has API 3 beside this.
    """

    def __init__(
        self,
        unit: DeviceUnit,
        *,
        clock: Clock,
        password: str = "admin",  # noqa: S107  the vendor's default
        firmware: str = "20230803.11.REL",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(unit, self._answer, host=host, port=port)
        self._unit, self._clock, self._password, self.firmware = unit, clock, password, firmware
        self.tokens: list[tuple[float, WhatsminerToken]] = []
        self._boots = unit.boots
        self.writable, self.closes_on_off, self.tells_serial = True, False, True
        self._limit_w = max(unit.told_w, round(unit.model.modes[1].watts))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _request(reader)
        if not self._unit.answers or request is None:
            return
        self._let_time_pass()
        if request.get("enc") == 1:
            await self._privileged(str(request.get("data")), writer)
            return
        verb = str(request.get("cmd") or request.get("command"))
        self._unit.asked(verb, writes=False)
        writer.write(msgspec.json.encode(self._read(verb)))
        await writer.drain()

    def _read(self, verb: str) -> dict[str, Any]:
        if "+" in verb:
            return {each: [self._read(each)] for each in verb.split("+")} | {"id": 1}
        reads = {
            "summary": self._summary,
            "status": self._status,
            "pools": self._pools,
            "devdetails": self._details,
            "devs": self._boards,
            "get_version": self._version,
            "get_miner_info": self._info,
            "get_psu": self._psu,
            "get_error_code": lambda: _ok({"error_code": []}),
            "get_token": self._token,
        }
        return reads[verb]() if verb in reads else _error(14, "invalid cmd")

    async def _privileged(self, data: str, writer: asyncio.StreamWriter) -> None:
        token, command = self._opened(data)
        if token is None:
            await say(ReplyForm.NO, Words(yes=b"", no=msgspec.json.encode(_error(135, "check token err"))), writer)
            return
        verb = str(command.get("cmd"))
        self._unit.asked(verb, writes=True)
        deed = self._deed(verb, command)
        if not self.writable or deed is None:
            no = _error(45, "permission denied") if not self.writable else _error(132, "command error")
            await say(ReplyForm.NO, Words(yes=b"", no=msgspec.json.encode(no)), writer)
            return
        manner, before_w = self._unit.manner(), self._unit.told_w
        if manner.does:
            deed()
        yes = token.encrypt(msgspec.json.encode(_ok("API command OK")))
        words = Words(yes=msgspec.json.encode({"enc": yes}), no=msgspec.json.encode(_error(132, "command error")))
        closes = verb == "power_off" and self.closes_on_off
        await say(ReplyForm.CLOSED if closes else manner.reply, words, writer)
        self._unit.wrote(before_w)

    def _opened(self, data: str) -> tuple[WhatsminerToken | None, dict[str, Any]]:
        """Return the token that a command came with, and the command; no token where none of those that hold opens it."""
        for _, token in self.tokens:
            try:
                command = msgspec.json.decode(token.decrypt(data))
            except ValueError:
                continue
            if isinstance(command, dict) and command.get("token") == token.sign:
                return token, command
        return None, {}

    def _deed(self, verb: str, command: dict[str, Any]) -> Callable[[], None] | None:
        """Return what a command does; None for one that the firmware does not take: numbers are texts."""
        limit = command.get("power_limit")
        if (
            verb == "adjust_power_limit"
            and isinstance(limit, str)
            and limit.isdigit()
            and 0 < int(limit) <= _MOST_LIMIT_W
        ):
            return lambda: self._limit(int(limit))
        if verb == "power_off" and command.get("respbefore") in {"true", "false"}:
            return lambda: self._unit.tell(self._unit.model.off_w)
        if verb == "power_on":
            return lambda: self._unit.tell(self._unit.model.at_most(self._limit_w), restarts=True)
        return None

    def _limit(self, limit_w: int) -> None:
        self._limit_w = limit_w
        if self._mines:
            self._unit.tell(self._unit.model.at_most(limit_w), restarts=True)

    def _let_time_pass(self) -> None:
        if self._boots != self._unit.boots:
            self._boots = self._unit.boots
            self.tokens.clear()
        self.tokens = [(ends_s, token) for ends_s, token in self.tokens if self._clock() < ends_s]
        told_w, model = self._unit.told_w, self._unit.model
        if self._mines and model.at_most(self._limit_w) != told_w:
            self._limit_w = told_w

    @property
    def _mines(self) -> bool:
        return self._unit.told_w > self._unit.model.off_w

    def _token(self) -> dict[str, Any]:
        if len(self.tokens) >= MOST_TOKENS:
            return _error(136, "over max connect")
        salt, new_salt = secrets.token_hex(4), secrets.token_hex(4)
        time = f"{secrets.randbelow(10_000):04d}"
        token = WhatsminerToken.of(self._password, salt=salt, new_salt=new_salt, time=time)
        self.tokens.append((self._clock() + TOKEN_S, token))
        return _ok({"time": time, "salt": salt, "newsalt": new_salt})

    def _summary(self) -> dict[str, Any]:
        unit = self._unit
        running = unit.activity is Activity.RUNNING
        hashes = round(unit.draw_w * unit.model.modes[-1].hashrate_ths / unit.model.max_w * 1e6, 1) if running else 0.0
        draws = self._mines or unit.activity is Activity.STOPPING
        summary = {
            "Accepted": 5412,
            "Elapsed": int(unit.uptime_s),
            "Env Temp": 28.5,
            "Factory GHS": 126000,
            "HS RT": hashes,
            "Hash Stable": unit.activity is not Activity.STARTING,
            "MAC": unit.mac.upper(),
            "MHS av": hashes,
            "Power": round(unit.said_w) if draws else -1,
            "Power Limit": self._limit_w,
            "Power Mode": "Normal",
            "Target Freq": 600,
            "Uptime": int(unit.uptime_s),
        }
        return {"STATUS": [_status_of(11, "Summary")], "SUMMARY": [summary], "id": 1}

    def _status(self) -> dict[str, Any]:
        said = {
            "FirmwareVersion": self.firmware,
            "hash_percent": "0",
            "mineroff": "false" if self._mines else "true",
            "mineroff_reason": "",
            "mineroff_time": "",
            "power_limit_set": str(self._limit_w),
            "power_mode": "normal",
        }
        return _ok(said)

    def _pools(self) -> dict[str, Any]:
        pools = [
            {
                "POOL": place + 1,
                "Priority": place,
                "Status": "Alive",
                "Stratum Active": place == 0,
                "URL": pool.url,
                "User": pool.user,
            }
            for place, pool in enumerate(self._unit.pools)
        ]
        return {"POOLS": pools, "STATUS": [_status_of(7, f"{len(pools)} Pool(s)")], "id": 1}

    def _details(self) -> dict[str, Any]:
        board = {"DEVDETAILS": 0, "Name": "SM", "ID": 0, "Driver": "bitmicro", "Kernel": "", "Model": "M60S_VK40"}
        return {"STATUS": [_status_of(69, "Device Details")], "DEVDETAILS": [board], "id": 1}

    def _boards(self) -> dict[str, Any]:
        boards = [
            {"ASC": slot, "Slot": slot, "Name": "SM", "Enabled": "Y", "Status": "Alive", "Effective Chips": 135}
            | {
                "Temperature": 65.0,
                "Chip Temp Avg": 72.0,
                "MHS av": 41_500_000.0,
                "PCB SN": f"BHM5CSD1302803K3000{slot}",
            }
            for slot in range(3)
        ]
        return {"STATUS": [_status_of(9, "3 ASC(s)")], "DEVS": boards, "id": 1}

    def _version(self) -> dict[str, Any]:
        return _ok({"api_ver": "2.0.5", "fw_ver": self.firmware, "platform": "H616"})

    def _info(self) -> dict[str, Any]:
        told = {"hostname": "WhatsMiner", "ledstat": "auto", "mac": self._unit.mac.upper()}
        return _ok({**told, "minersn": self._unit.serial} if self.tells_serial else told)

    def _psu(self) -> dict[str, Any]:
        return _ok({"fan_speed": "6000", "hw_version": "", "model": "P222B", "name": "P222B", "sw_version": "230208"})


async def _request(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """Return the JSON object that comes, whole after however many pieces; None where that is none."""
    text = b""
    while len(text) < 1 << 16 and (chunk := await reader.read(4096)):
        text += chunk
        try:
            request = msgspec.json.decode(text)
        except msgspec.DecodeError:
            continue
        return request if isinstance(request, dict) else None
    return None


def _status_of(code: int, message: str) -> dict[str, Any]:
    return {"STATUS": "S", "Code": code, "Msg": message, "Description": "btminer", "When": _WHEN}


def _ok(message: object) -> dict[str, Any]:
    return {"STATUS": "S", "When": _WHEN, "Code": 131, "Msg": message, "Description": ""}


def _error(code: int, message: str) -> dict[str, Any]:
    return {"STATUS": "E", "When": _WHEN, "Code": code, "Msg": message, "Description": ""}
