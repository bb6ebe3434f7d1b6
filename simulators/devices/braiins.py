"""A miner with Braiins OS: HTTP with JSON and tokens, a power target, pause and resume, performance scaling.

Fields and their form are those of a recorded S21 Pro with 26.04 (github:256foundation/asic-rs fdcd1018,
asic-rs-firmwares/braiins/src/test/json/v26_04), verbs and answers those of the firmware's own description of its API
(meta/braiins/26.04/openapi.json there). Assumed, for no source tells: the words of a refusal, that a session ends with a start,
and how fast performance scaling goes back up to the target.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec

from drivers.clock import Clock
from drivers.fleet.wire import Activity
from simulators.devices.http_server import NOT_FOUND, HttpUnitServer, WebPage, WebRequest, page
from simulators.devices.unit import DeviceUnit

FIRMWARE: Final = "2026-04-14-0-912d084c-26.04-plus"
TOKEN_S: Final = 3600
#: Performance scaling is back at the target so long after it was set.
SCALES_S: Final = 300.0
_NORMAL, _PAUSED, _NOT_STARTED = 2, 3, 1
_ROOT: Final = b"<!DOCTYPE html><html><head><title>Braiins OS</title></head></html>"
_HTML: Final = {"Content-Type": "text/html"}
_REFUSED: Final = page({"message": "out of range"}, 412)
_UNAUTHORIZED: Final = page({"message": "unauthenticated"}, 401)


class BraiinsServer(HttpUnitServer):
    """One miner. `scales`: whether performance scaling is on, which may be changed at any time."""

    def __init__(
        self,
        unit: DeviceUnit,
        *,
        clock: Clock,
        user: str = "root",
        password: str = "root",  # noqa: S107  the vendor's default
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(unit, host=host, port=port)
        self._clock, self._login = clock, {"username": user, "password": password}
        self.tokens: dict[str, float] = {}
        self._boots, self._set_s = unit.boots, clock()
        self.scales, self._stopped = False, False
        self._target_w = max(unit.told_w, int(unit.model.modes[1].watts))

    def writes(self, request: WebRequest) -> bool:
        """Return whether a request changes anything but sessions."""
        return request.method in {"PUT", "PATCH"}

    def respond(self, request: WebRequest) -> WebPage:
        """Return the page that answers a request."""
        self._let_time_pass()
        if request.path == "/":
            return WebPage(body=_ROOT, headers=_HTML)
        if request.path == "/graphql":
            return self._graphql(str(request.json()))
        what = request.path.removeprefix("/api/v1/")
        if what == "auth/login":
            return self._log_in(request.json())
        token = request.headers.get("authorization", "")
        if self._clock() > self.tokens.get(token, -1.0):
            return _UNAUTHORIZED
        self.tokens[token] = self._clock() + TOKEN_S
        if request.method == "PUT":
            return self._put(what, request.json())
        reads = {
            "miner/details": self._details,
            "miner/stats": self._stats,
            "performance/tuner-state": self._tuner,
            "configuration/miner": self._config,
            "configuration/constraints": self._constraints,
            "network": lambda: {"hostname": "Antminer", "mac_address": self.unit.mac, "name": "eth0", "protocol": 1},
            "pools": self._pools,
        }
        return page(reads[what]()) if what in reads and request.method == "GET" else NOT_FOUND

    def _graphql(self, query: str) -> WebPage:
        """Answer the two questions that scanners know a miner by (asic-rs braiins firmware.rs)."""
        if "modelName" in query:
            return page({"data": {"bosminer": {"info": {"modelName": "Antminer S21"}}}})
        return page({"data": {"bos": {"info": {"version": {"full": FIRMWARE}}}}})

    def _log_in(self, said: Any) -> WebPage:
        if said != self._login:
            return _UNAUTHORIZED
        token = secrets.token_hex(8)
        self.tokens[token] = self._clock() + TOKEN_S
        return page({"token": token, "timeout_s": TOKEN_S})

    def _put(self, what: str, said: Any) -> WebPage:
        if what == "performance/dps" and isinstance(said, dict):
            self.scales, self._set_s = said.get("enable") is True, self._clock()
            return page({"enabled": self.scales})
        if what == "performance/power-target":
            return self._aim(said.get("watt") if isinstance(said, dict) else None)
        was_off = self._is_off
        goes_w = {
            "actions/pause": self.unit.model.off_w,
            "actions/stop": self.unit.model.off_w,
            "actions/resume": self._target_w,
            "actions/start": self._target_w,
        }.get(what)
        if goes_w is None:
            return NOT_FOUND
        before_w = self.unit.told_w
        if self.unit.manner().does:
            self._stopped = what == "actions/stop"
            self.unit.tell(goes_w)
        sleeps = goes_w == self.unit.model.off_w
        return WebPage(body=msgspec.json.encode(was_off is sleeps), moved_from_w=before_w, no=_REFUSED)

    def _aim(self, watts: Any) -> WebPage:
        least, most = self.unit.model.modes[1].watts, self.unit.model.max_w
        if type(watts) is not int or not least <= watts <= most:
            return _REFUSED
        before_w = self.unit.told_w
        if self.unit.manner().does:
            self._target_w, self._set_s = watts, self._clock()
            if not self._is_off:
                self.unit.tell(self.unit.model.at_most(watts))
        return WebPage(body=msgspec.json.encode({"watt": watts}), moved_from_w=before_w, no=_REFUSED)

    @property
    def _is_off(self) -> bool:
        return self.unit.told_w <= self.unit.model.off_w

    def _let_time_pass(self) -> None:
        if self._boots != self.unit.boots:
            self._boots = self.unit.boots
            self.tokens.clear()
        if self.scales and not self._is_off and self._clock() >= self._set_s + SCALES_S:
            self.unit.tell(self.unit.model.max_w)
        if not self._is_off and self.unit.model.at_most(self._target_w) != self.unit.told_w:
            self._target_w = self.unit.told_w

    def _details(self) -> dict[str, Any]:
        unit = self.unit
        off = _NOT_STARTED if self._stopped else _PAUSED
        return {
            "bos_mode": 4,
            "bos_version": {"bos_plus": True, "current": FIRMWARE, "major": "2022-09-13-0-11012d53-22.08-plus"},
            "bosminer_uptime_s": int(unit.uptime_s),
            "control_board_soc_family": 3,
            "hostname": "Antminer",
            "mac_address": unit.mac,
            "miner_identity": {"brand": 1, "miner_model": "Antminer S21", "model": 0, "name": "Antminer S21"},
            "platform": 4,
            "serial_number": unit.serial,
            "status": off if self._is_off else _NORMAL,
            "sticker_hashrate": {"gigahash_per_second": 1000.0 * unit.model.modes[-1].hashrate_ths},
            "system_uptime": int(unit.uptime_s),
            "system_uptime_s": int(unit.uptime_s),
        }

    def _stats(self) -> dict[str, Any]:
        unit = self.unit
        most = unit.model.modes[-1]
        hashes_ghs = 1000 * unit.draw_w * most.hashrate_ths / most.watts if unit.activity is Activity.RUNNING else 0.0
        real = {name: {"gigahash_per_second": hashes_ghs} for name in ("last_5s", "last_1m", "last_15m")}
        return {
            "miner_stats": {"nominal_hashrate": {"gigahash_per_second": hashes_ghs}, "real_hashrate": real},
            "pool_stats": {"accepted_shares": 848, "rejected_shares": 0, "stale_shares": 0},
            "power_stats": {"approximated_consumption": {"watt": round(unit.said_w)}},
        }

    def _tuner(self) -> dict[str, Any]:
        target = {"watt": self._target_w}
        state = {"current_target": target, "profile": {"estimated_power_consumption": target, "target": target}}
        return {"mode_state": {"powertargetmodestate": state}, "overall_tuner_state": 5}

    def _config(self) -> dict[str, Any]:
        tuner = {"enabled": True, "hashrate_target": None, "power_target": {"watt": self._target_w}, "tuner_mode": 1}
        return {"pool_groups": [], "tuner": tuner, "dps": {"enabled": self.scales}}

    def _constraints(self) -> dict[str, Any]:
        least, most = int(self.unit.model.modes[1].watts), self.unit.model.max_w
        bounds = {"default": {"watt": most}, "max": {"watt": most}, "min": {"watt": least}}
        return {"tuner_constraints": {"default_mode": 1, "power_target": bounds}}

    def _pools(self) -> list[dict[str, Any]]:
        pools = [
            {"active": place == 0, "alive": True, "enabled": True, "stats": {}, "url": pool.url, "user": pool.user}
            for place, pool in enumerate(self.unit.pools)
        ]
        return [{"name": "Default", "pools": pools, "strategy": {"quota": {"value": 1}}, "uid": "0"}]
