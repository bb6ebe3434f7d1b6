"""An Antminer with its maker's firmware: HTTP with digest, a configuration that is taken whole, and modes instead of watts.

Fields and their form are those of recorded answers (github:block/proto-fleet 2dc174bb,
tests/plugin-contract/testdata/antminer-stock/web, and server/fake-antminer for `chain_power`; serial of asic-rs fdcd1018,
antminer v2020 system_info.json). What a refusal says beside its code is assumed; so is what the firmware checks of a
configuration: that all its keys are there.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any, Final

from drivers.devices.driver import Pool
from drivers.fleet.wire import Activity
from simulators.devices.http_server import NOT_FOUND, HttpUnitServer, WebPage, WebRequest, page
from simulators.devices.traps import PAGE
from simulators.devices.unit import DeviceUnit

REALM: Final = "antMiner Configuration"
FIRMWARE: Final = "Fri Nov 17 17:37:21 CST 2023"
_NEEDED: Final = frozenset({"pools", "bitmain-fan-ctrl", "bitmain-fan-pwm", "freq-level"})
_NORMAL, _SLEEP, _LOW = "0", "1", "3"
_PART: Final = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


class AntminerStockServer(HttpUnitServer):
    """One miner. Its habits may be changed at any time.

    `tells_watts`: whether its statistics have `chain_power`, as some firmware's have. `write_key`: which key sets the mode.
    `write_s`: how long a configuration takes. `conf_fails`: its configuration cannot be read, but is a page with this status.
    `empties_pools`: a write leaves it without pools.
    """

    def __init__(
        self,
        unit: DeviceUnit,
        *,
        user: str = "root",
        password: str = "root",  # noqa: S107  the maker's default
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(unit, host=host, port=port)
        self._user, self._password = user, password
        self._nonce, self._boots = secrets.token_hex(8), unit.boots
        self.tells_watts, self.write_key, self.write_s = True, "miner-mode", 0.0
        self.conf_fails: int | None = None
        self.empties_pools = False
        self._other: dict[str, Any] = {"bitmain-fan-ctrl": False, "bitmain-fan-pwm": "100", "bitmain-freq-level": ""}

    def writes(self, request: WebRequest) -> bool:
        """Return whether a request changes anything."""
        return request.method == "POST"

    def respond(self, request: WebRequest) -> WebPage:
        """Return the page that answers a request."""
        if self._boots != self.unit.boots:
            self._boots, self._nonce = self.unit.boots, secrets.token_hex(8)
        if not self._is_known(request):
            challenge = f'Digest realm="{REALM}", nonce="{self._nonce}", qop="auth"'
            return WebPage(
                status=401, headers={"WWW-Authenticate": challenge, "Content-Type": "text/html"}, body=b"401"
            )
        if request.path == "/cgi-bin/set_miner_conf.cgi" and request.method == "POST":
            return self._set(request.json())
        if request.path == "/cgi-bin/get_miner_conf.cgi" and self.conf_fails is not None:
            return WebPage(status=self.conf_fails, body=PAGE)
        said = {
            "/cgi-bin/get_miner_conf.cgi": self._conf,
            "/cgi-bin/get_system_info.cgi": self._system,
            "/cgi-bin/stats.cgi": self._stats,
            "/cgi-bin/summary.cgi": self._summary,
            "/cgi-bin/miner_type.cgi": self._type,
        }
        return page(said[request.path]()) if request.path in said and request.method == "GET" else NOT_FOUND

    def cut_off(self, _request: WebRequest) -> None:
        """Lose what it was writing, as a web server does that ends a script whose client has gone."""
        self.unit.pools = ()

    def _is_known(self, request: WebRequest) -> bool:
        said = {name: quoted or bare for name, quoted, bare in _PART.findall(request.headers.get("authorization", ""))}
        inner = _md5(f"{self._user}:{REALM}:{self._password}")
        outer = _md5(f"{request.method}:{request.path}")
        words = [inner, self._nonce, said.get("nc", ""), said.get("cnonce", ""), said.get("qop", ""), outer]
        return said.get("nonce") == self._nonce and said.get("response") == _md5(":".join(words))

    @property
    def _mode(self) -> str:
        told_w, model = self.unit.told_w, self.unit.model
        if told_w <= model.off_w:
            return _SLEEP
        return _NORMAL if told_w == model.max_w else _LOW

    def _conf(self) -> dict[str, Any]:
        pools = [{"url": pool.url, "user": pool.user, "pass": "x"} for pool in self.unit.pools]
        return {
            "pools": [*pools, {"url": "", "user": "", "pass": ""}],
            "api-listen": True,
            "api-network": False,
            "api-groups": "A:stats:pools:devs:summary:version",
            "api-allow": "A:0/0,W:*",
            "bitmain-use-vil": True,
            "bitmain-freq": "675",
            "bitmain-voltage": "1400",
            "bitmain-ccdelay": "0",
            "bitmain-pwth": "0",
            "bitmain-work-mode": self._mode,
            "bitmain-hashrate-percent": "0",
            **self._other,
        }

    def _set(self, wanted: Any) -> WebPage:
        """Take a configuration, whole, with the pools that it has."""
        no = page({"stats": "error", "code": "M001", "msg": "ILLEGAL request!"})
        pools = wanted.get("pools") if isinstance(wanted, dict) else None
        if not isinstance(pools, list) or not set(wanted) >= _NEEDED or not all(isinstance(one, dict) for one in pools):
            return no
        manner, before_w, model = self.unit.manner(), self.unit.told_w, self.unit.model
        if manner.does:
            self._other |= {key: wanted[key] for key in ("bitmain-fan-ctrl", "bitmain-fan-pwm")}
            self._other["bitmain-freq-level"] = wanted["freq-level"]
            listed = [] if self.empties_pools else pools
            found = tuple(Pool(url=str(one.get("url", "")), user=str(one.get("user", ""))) for one in listed)
            self.unit.pools = tuple(pool for pool in found if pool.url)
            low_w = round(model.modes[-2].watts)
            told = {_NORMAL: model.max_w, _SLEEP: model.off_w, _LOW: low_w}.get(str(wanted.get(self.write_key)))
            if told is not None:
                self.unit.tell(told, restarts=True)
        yes = {"stats": "success", "code": "M000", "msg": "OK!"}
        said = page(yes)
        return WebPage(body=said.body, after_s=self.write_s, moved_from_w=before_w, no=no)

    def _type(self) -> dict[str, Any]:
        return {"miner_type": "Antminer S21 Pro", "subtype": "AMLCtrl_BHB68701", "fw_version": FIRMWARE}

    def _system(self) -> dict[str, Any]:
        return {
            "minertype": "Antminer S21 Pro",
            "nettype": "DHCP",
            "netdevice": "eth0",
            "macaddr": self.unit.mac.upper(),
            "hostname": "Antminer",
            "ipaddress": "127.0.0.1",
            "system_mode": "GNU/Linux",
            "system_filesystem_version": FIRMWARE,
            "firmware_type": "Release",
            "serinum": self.unit.serial,
        }

    def _stats(self) -> dict[str, Any]:
        told = {"chain_power": f"{self.unit.said_w:.0f} W"} if self.tells_watts else {}
        hashes_ghs = self._hashes_ghs()
        stats = {
            "elapsed": int(self.unit.uptime_s),
            "rate_5s": hashes_ghs,
            "rate_30m": hashes_ghs,
            "rate_avg": hashes_ghs,
            "rate_unit": "GH/s",
            "miner-mode": int(self._mode),
            "chain_num": 3,
            "fan_num": 4,
            "fan": [4080, 4380, 3750, 3690],
            "chain": [],
            **told,
        }
        return {**self._head("stats"), "STATS": [stats]}

    def _summary(self) -> dict[str, Any]:
        hashes_ghs = self._hashes_ghs()
        summary = {
            "elapsed": int(self.unit.uptime_s),
            "rate_5s": hashes_ghs,
            "rate_30m": hashes_ghs,
            "rate_avg": hashes_ghs,
            "rate_unit": "GH/s",
            "hw_all": 12,
            "bestshare": 5_000_000_000,
            "status": [{"type": "rate", "status": "s", "code": 0, "msg": ""}],
        }
        return {**self._head("summary"), "SUMMARY": [summary]}

    def _head(self, what: str) -> dict[str, Any]:
        return {
            "STATUS": {"STATUS": "S", "when": 1741500000, "Msg": what, "api_version": "1.0.0"},
            "INFO": {"miner_version": "49.0.1.3", "CompileTime": FIRMWARE, "type": "Antminer S21 Pro"},
        }

    def _hashes_ghs(self) -> float:
        modes, unit = self.unit.model.modes, self.unit
        return (
            1000 * modes[-1].hashrate_ths * unit.draw_w / modes[-1].watts if unit.activity is Activity.RUNNING else 0.0
        )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
