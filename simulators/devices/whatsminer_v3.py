"""A Whatsminer with API 3: TCP 4433, length-framed JSON, tokens of a salt and a time, a power limit, a mining service.

Fields and their form are those of an M60S's answers (github:256foundation/asic-rs fdcd1018,
asic-rs-firmwares/whatsminer/src/test/json/v3). What no source shows is assumed: the codes of a refusal, but that they are
negative; that a stopped miner tells -1 W; that the limit of a stopped one stays named; that `disable` alone does not stop it;
how old a token may be; `get.miner.setting` and the `id` of a pool, which pyasic (e2b9d357) reads and the samples do not have.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from drivers.clock import Clock
from drivers.fleet.wire import Activity
from simulators.devices.replies import Words, say
from simulators.devices.server import UnitServer
from simulators.devices.traps import ReplyForm
from simulators.devices.unit import DeviceUnit

FIRMWARE: Final = "20251209.16.Rel2"
TOKEN_S: Final = 60.0
_ACCOUNT: Final = "super"
_MOST_LIMIT_W: Final = 99_999
_MOST_BYTES: Final = 1 << 16
_REFUSED, _BAD_TOKEN = -1, -2
_SERVICE: Final = frozenset({"start", "stop", "restart", "enable", "disable"})


class WhatsminerV3Server(UnitServer):
    """One miner. `password`: of its account; `wall`: its own UTC seconds."""

    def __init__(
        self,
        unit: DeviceUnit,
        *,
        password: str = "super",  # noqa: S107  the vendor's default
        wall: Clock = time.time,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(unit, self._answer, host=host, port=port)
        self._unit, self._password, self._wall = unit, password, wall
        self._salt = secrets.token_urlsafe(6)
        self._limit_w = max(unit.told_w, round(unit.model.modes[1].watts))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stays = True
        while stays:
            try:
                length = int.from_bytes(await reader.readexactly(4), "little")
                request = msgspec.json.decode(await reader.readexactly(min(length, _MOST_BYTES)))
            except (asyncio.IncompleteReadError, msgspec.DecodeError):
                return
            if not self._unit.answers:
                return
            stays = await self._respond(request if isinstance(request, dict) else {}, writer)

    async def _respond(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        verb, param = str(request.get("cmd")), request.get("param")
        writes = verb.startswith("set.")
        self._unit.asked(f"{verb} {param}" if param is not None else verb, writes=writes)
        self._see_limit()
        words = Words(yes=self._said(verb, 0, "ok"), no=self._said(verb, _REFUSED, "command error"))
        if not writes:
            said = self._read(verb, param)
            answer = words.no if said is None else self._said(verb, 0, said)
            return await say(ReplyForm.YES, Words(yes=answer, no=answer), writer)
        if not self._is_signed(verb, request):
            return await say(ReplyForm.NO, Words(yes=b"", no=self._said(verb, _BAD_TOKEN, "token error")), writer)
        deed = self._deed(verb, param)
        if deed is None:
            return await say(ReplyForm.NO, words, writer)
        manner, before_w = self._unit.manner(), self._unit.told_w
        if manner.does:
            deed()
        stays = await say(manner.reply, words, writer)
        self._unit.wrote(before_w)
        return stays

    def _said(self, verb: str, code: int, message: object) -> bytes:
        text = msgspec.json.encode({"code": code, "when": int(self._wall()), "msg": message, "desc": verb})
        return len(text).to_bytes(4, "little") + text

    def _is_signed(self, verb: str, request: dict[str, Any]) -> bool:
        at_s = request.get("ts")
        if request.get("account") != _ACCOUNT or type(at_s) is not int or abs(at_s - self._wall()) > TOKEN_S:
            return False
        made = hashlib.sha256(f"{verb}{self._password}{self._salt}{at_s}".encode()).digest()
        return bool(request.get("token") == base64.b64encode(made).decode()[:8])

    def _deed(self, verb: str, param: object) -> Callable[[], None] | None:
        """Return what a write does; None for one that the firmware does not take."""
        if verb == "set.miner.power_limit" and type(param) is int and 0 < param <= _MOST_LIMIT_W:
            limit_w = param
            return lambda: self._limit(limit_w)
        if verb == "set.miner.service" and param in _SERVICE:
            return lambda: self._serve_to(str(param))
        return None

    def _limit(self, limit_w: int) -> None:
        self._limit_w = limit_w
        if self._works:
            self._unit.tell(self._unit.model.at_most(limit_w), restarts=True)

    def _serve_to(self, service: str) -> None:
        if service == "stop":
            self._unit.tell(self._unit.model.off_w)
        elif service in {"start", "restart"}:
            self._unit.tell(self._unit.model.at_most(self._limit_w), restarts=True)

    def _see_limit(self) -> None:
        """Name the limit that the unit runs on, where something else than a write has moved it."""
        told_w, model = self._unit.told_w, self._unit.model
        if self._works and model.at_most(self._limit_w) != told_w:
            self._limit_w = told_w

    @property
    def _works(self) -> bool:
        return self._unit.told_w > self._unit.model.off_w

    def _read(self, verb: str, param: object) -> dict[str, Any] | None:
        if verb == "get.device.info":
            info = self._info()
            return info if param is None else {str(param): info[str(param)]} if param in info else None
        if verb == "get.miner.setting":
            return {"power-limit": self._limit_w, "power-mode": "normal"}
        said = {"summary": self._summary, "pools": self._pools, "edevs": self._boards}
        if verb == "get.miner.status" and param in said:
            return {str(param): said[str(param)]()}
        return None

    def _info(self) -> dict[str, Any]:
        unit = self._unit
        return {
            "miner": {
                "board-num": "3",
                "fast-boot": "disable",
                "hash-board": "K40",
                "miner-sn": unit.serial,
                "type": "M60S_VK40",
                "working": "true" if self._works else "false",
            },
            "network": {"hostname": "WhatsMiner", "ip": "127.0.0.1", "mac": unit.mac.upper(), "proto": "dhcp"},
            "power": {"fanspeed": 6344, "mode": "1", "model": "P221B", "type": "P221B", "vendor": "1"},
            "salt": self._salt,
            "system": {
                "api": "3.0.2",
                "apiswitch": "1",
                "fwversion": FIRMWARE,
                "ledstatus": "auto",
                "platform": "H616",
            },
        }

    def _summary(self) -> dict[str, Any]:
        unit = self._unit
        hash_ths = self._hash_ths()
        return {
            "bootup-time": 1323,
            "elapsed": int(unit.uptime_s),
            "environment-temperature": 28.5,
            "factory-hash": 181.051,
            "hash-average": hash_ths,
            "hash-realtime": hash_ths,
            "power-5min": round(unit.said_w, 1),
            "power-limit": self._limit_w,
            "power-realtime": round(unit.said_w, 1) if self._works or unit.activity is Activity.STOPPING else -1,
            "up-freq-finish": 0 if unit.activity is Activity.STARTING else 1,
        }

    def _hash_ths(self) -> float:
        """Return a hashrate in proportion to its draw; the slope is the capture's 171.259 TH/s at 3156 W."""
        return round(self._unit.draw_w * 171.259 / 3156, 3) if self._unit.activity is Activity.RUNNING else 0.0

    def _pools(self) -> list[dict[str, Any]]:
        return [
            {
                "account": pool.user,
                "id": place + 1,
                "pool-priority": place,
                "status": "alive",
                "stratum-active": place == 0,
                "url": pool.url,
            }
            for place, pool in enumerate(self._unit.pools)
        ]

    def _boards(self) -> list[dict[str, Any]]:
        share_ths = round(self._hash_ths() / 3, 3)
        return [
            {"effective-chips": 75, "factory-hash": 60.35, "hash-average": share_ths, "id": board, "status": "alive"}
            for board in range(3)
        ]
