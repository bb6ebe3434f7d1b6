"""An Antminer with VNish: HTTP with JSON and tokens, presets that are named after their watts, a preset switcher.

Fields and their form are those of a recorded S21 Pro with VNish 1.2.7 (github:block/proto-fleet 2dc174bb,
tests/plugin-contract/testdata/antminer-vnish), verbs, states and codes those of the firmware's own description of its API
(asic-rs fdcd1018, meta/vnish/v1.3.4/api-doc.json). Assumed, for no source tells: that a paused miner is in the state `stopped`, that
its session ends with a start, and what the switcher does within its `check_time`.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec

from drivers.clock import Clock
from drivers.fleet.wire import Activity
from simulators.devices.http_server import NOT_FOUND, HttpUnitServer, WebPage, WebRequest, page
from simulators.devices.unit import DeviceUnit

FIRMWARE: Final = "1.2.7"
#: How long a preset takes that was not tuned.
TUNING_S: Final = 600.0
_UNAUTHORIZED: Final = page({"unlock_timeout": None, "unlocked": False}, 401)
_FAILURE: Final = page({"err": "failed to apply"}, 400)
_OPEN: Final = frozenset({"info", "summary", "perf-summary", "status"})
_ROOT: Final = (
    b'<!DOCTYPE html><html><head><meta name="firmware" content="AnthillOS"><title>Firmware</title></head></html>'
)


class VnishServer(HttpUnitServer):
    """One miner. Its habits may be changed at any time.

    `tuned`: whether its presets are. `asks_restart`: a new preset waits for a restart of the mining, which its answer says.
    `switcher`: its preset switcher, which goes to the highest preset after its `check_time`.
    """

    def __init__(
        self,
        unit: DeviceUnit,
        *,
        clock: Clock,
        password: str = "admin",  # noqa: S107  the vendor's default
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(unit, host=host, port=port)
        self._clock, self._password = clock, password
        self.tokens: set[str] = set()
        self._boots, self._set_s = unit.boots, clock()
        self.tuned, self.asks_restart = True, False
        self.presets = [str(int(mode.watts)) for mode in unit.model.modes[1:]]
        self.switcher: dict[str, Any] = {"enabled": False, "top_preset": self.presets[-1], "check_time": 300}
        self._preset = self._running or self.presets[-1]

    def writes(self, request: WebRequest) -> bool:
        """Return whether a request changes anything but sessions."""
        return request.method == "POST" and not request.path.endswith("lock")

    def respond(self, request: WebRequest) -> WebPage:
        """Return the page that answers a request."""
        self._let_time_pass()
        what = request.path.removeprefix("/api/v1/")
        if request.path == "/":
            return WebPage(body=_ROOT, headers={"Content-Type": "text/html"})
        if what == "unlock":
            return self._unlock(request.json())
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if what not in _OPEN and token not in self.tokens:
            return _UNAUTHORIZED
        if request.method == "POST":
            return self._write(what, request, token)
        reads = {
            "info": self._info,
            "summary": self._summary,
            "perf-summary": self._perf,
            "status": self._status,
            "settings": self._settings,
            "autotune/presets": self._list,
        }
        return page(reads[what]()) if what in reads else NOT_FOUND

    def _unlock(self, said: Any) -> WebPage:
        if said != {"pw": self._password}:
            return page({"unlocked": False}, 403)
        token = secrets.token_hex(8)
        self.tokens.add(token)
        return page({"token": token})

    def _write(self, what: str, request: WebRequest, token: str) -> WebPage:
        before_w, unit = self.unit.told_w, self.unit
        if what == "lock":
            self.tokens.discard(token)
            return WebPage()
        if what == "settings":
            return self._save(request.json())
        goes_w = {
            "mining/stop": unit.model.off_w,
            "mining/pause": unit.model.off_w,
            "mining/start": int(self._preset),
            "mining/resume": int(self._preset),
            "mining/restart": int(self._preset),
        }.get(what)
        if goes_w is None:
            return NOT_FOUND
        if unit.manner().does:
            self._tell(goes_w)
        return WebPage(moved_from_w=before_w, no=_FAILURE)

    def _save(self, said: Any) -> WebPage:
        overclock = said.get("miner", {}).get("overclock") if isinstance(said, dict) else None
        if not isinstance(overclock, dict) or overclock.get("preset") not in self.presets or "chains" not in overclock:
            return _FAILURE
        before_w, runs = self.unit.told_w, self.unit.told_w > self.unit.model.off_w
        if self.unit.manner().does:
            self.switcher = overclock["preset_switcher"]
            self._preset, self._set_s = overclock["preset"], self._clock()
            if runs and not self.asks_restart:
                self._tell(int(self._preset))
        saved = msgspec.json.encode({"restart_required": runs and self.asks_restart, "reboot_required": False})
        return WebPage(body=saved, moved_from_w=before_w, no=_FAILURE)

    def _tell(self, watts: int) -> None:
        self.unit.tell(watts, restarts=watts != self.unit.told_w, tunes_s=0.0 if self.tuned else TUNING_S)

    def _let_time_pass(self) -> None:
        if self._boots != self.unit.boots:
            self._boots = self.unit.boots
            self.tokens.clear()
        due_s = self._set_s + self.switcher["check_time"]
        if self.switcher["enabled"] and self._running is not None and self._clock() >= due_s:
            self._tell(int(self.switcher["top_preset"]))

    @property
    def _running(self) -> str | None:
        """The preset that it runs, None while it is stopped."""
        told_w = self.unit.told_w
        return str(told_w) if told_w > self.unit.model.off_w else None

    def _state(self) -> str:
        unit = self.unit
        if unit.activity is Activity.STARTING and not self.tuned:
            return "auto-tuning"
        words = {Activity.STARTING: "starting", Activity.RUNNING: "mining", Activity.STOPPING: "shutting-down"}
        return words.get(unit.activity, "stopped") if self._running else "stopped"

    def _preset_named(self, name: str) -> dict[str, Any]:
        status = "tuned" if self.tuned else "untuned"
        return {"name": name, "pretty": f"{name} watt", "status": status, "modded_psu_required": False}

    def _info(self) -> dict[str, Any]:
        network = {"mac": self.unit.mac.upper(), "dhcp": True, "ip": "127.0.0.1", "hostname": "Antminer"}
        return {
            "miner": "Antminer S19 XP",
            "model": "s19xp",
            "fw_name": "Vnish",
            "fw_version": FIRMWARE,
            "platform": "aml",
            "install_type": "nand",
            "algorithm": "sha256d",
            "hr_measure": "GH/s",
            "system": {"os": "GNU/Linux", "miner_name": "s19xp", "network_status": network, "uptime": "1:55"},
            "serial": self.unit.serial,
        }

    def _summary(self) -> dict[str, Any]:
        unit = self.unit
        watts = round(unit.said_w)
        hashes_ghs = 1000 * unit.draw_w * unit.model.modes[-1].hashrate_ths / unit.model.modes[-1].watts
        pools = [
            {"id": place, "url": pool.url, "pool_type": "UserPool", "user": pool.user, "status": "active"}
            for place, pool in enumerate(unit.pools)
        ]
        miner = {
            "miner_status": {"miner_state": self._state(), "miner_state_time": int(unit.uptime_s)},
            "miner_type": f"Antminer S19 XP (Vnish {FIRMWARE})",
            "hr_realtime": hashes_ghs if self._state() == "mining" else 0.0,
            "power_consumption": watts,
            "power_usage": watts,
            "pools": pools,
            "chains": [],
            "psu": {"psu_power_metering": True},
        }
        return {"miner": miner}

    def _perf(self) -> dict[str, Any]:
        return {"current_preset": self._preset_named(self._running or self._preset), "preset_switcher": self.switcher}

    def _status(self) -> dict[str, Any]:
        return {"miner_state": self._state(), "throttled": 100, "find_miner": False, "unlocked": False}

    def _settings(self) -> dict[str, Any]:
        overclock = {
            "modded_psu": False,
            "preset": self._preset,
            "globals": {"volt": 1270, "freq": 555},
            "chains": [{"freq": 555, "chips": [], "disabled": False}],
            "preset_switcher": self.switcher,
        }
        pools = [{"url": pool.url, "user": pool.user, "pass": "x"} for pool in self.unit.pools]
        misc = {"remain_stopped_on_reboot": True, "quick_start": False}
        return {"miner": {"misc": misc, "overclock": overclock, "pools": [*pools, {"url": "", "user": "", "pass": ""}]}}

    def _list(self) -> list[dict[str, Any]]:
        disabled = {"name": "disabled", "pretty": "Disabled", "status": "untuned", "modded_psu_required": False}
        return [disabled, *(self._preset_named(name) for name in self.presets)]
