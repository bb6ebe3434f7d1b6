"""The site of a load: a folder with site file, model, keys and tokens, for so many devices under so many agents."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.fleet.keys import CONTROLLER, make_keys
from simulators.light.crowd import MAIN_UNIT, PROFILE, SURPLUS_UNIT

HOST: Final = "127.0.0.1"
SITE: Final = "load"
ROOT: Final = "pcc"
HOUSE_W: Final = 50_000
#: Of the model: watts of its modes, the first one off.
_MODES_W: Final = (25, 1080, 1657, 2192, 2794, 3500)
_PER_PDU: Final = 50
_MODEL: Final = """version: 1
models:
  load-device:
    kind: asic
    vendor: none
    description: a device that follows at once, for load alone
    modes:
{modes}
    tolerance: 5 %
    down: 1 s
    up: 1 s
    restarts: false
    min_up: 0 s
    min_down: 0 s
    settle: 0 s
    start_wear: 0 s
    change_wear: 0 s
    steady: true
    estimate_error: 5 %
    sources: {{all: made up}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSite:
    """Where everything of one load is; ports are of the loopback."""

    folder: Path
    devices: int
    agents: int
    broker_port: int
    meter_port: int
    http_port: int

    @property
    def file(self) -> Path:
        """Return the site file."""
        return self.folder / "site.yaml"

    @property
    def keys(self) -> Path:
        """Return the folder of keys."""
        return self.folder / "keys"

    @property
    def url(self) -> str:
        """Return the daemon's HTTP address."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def token(self) -> str:
        """Return the authority's token."""
        return (self.folder / "authority.token").read_text(encoding="utf-8").strip()

    @property
    def surplus_w(self) -> int:
        """Return the surplus: enough for every device."""
        return 2 * self.devices * _MODES_W[-1] + 10 * HOUSE_W


def make_site(folder: Path, *, devices: int, agents: int, tick_s: float) -> LoadSite:
    """Write all files of a site; `devices` are a multiple of `agents`."""
    broker, meter, http = (_free_port() for _ in range(3))
    site = LoadSite(folder=folder, devices=devices, agents=agents, broker_port=broker, meter_port=meter, http_port=http)
    names = [f"a{a:04d}" for a in range(agents)]
    make_keys(site.keys, [CONTROLLER, *names])
    with os.fdopen(os.open(folder / "authority.token", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    modes = "\n".join(
        f'      - {{name: "{"off" if not k else f"m{k}"}", watts: {watts}, hashrate_ths: {k and 10 * k + watts / 50:.0f}}}'
        for k, watts in enumerate(_MODES_W)
    )
    (folder / "models.yaml").write_text(_MODEL.format(modes=modes), encoding="utf-8")
    site.file.write_text(_site_text(site, names, tick_s), encoding="utf-8")
    return site


def _site_text(site: LoadSite, names: list[str], tick_s: float) -> str:
    each = site.devices // site.agents
    total_w = site.surplus_w
    pdus = -(-site.devices // _PER_PDU)
    grid = (
        f"{{contract: {total_w} W, firm: 100 kW, failsafe: {total_w // 4} W, ramp_up: {total_w} W/s,"
        f" ramp_down: {total_w} W/s, emergency_ramp: {total_w} W/s, settle: 5 s}}"
    )
    modbus = f"host: {HOST}, port: {site.meter_port}, profile: {PROFILE}, poll: 500 ms, timeout: 400 ms"
    pdu_w = 1.2 * _PER_PDU * _MODES_W[-1]
    lines = [
        "version: 1", f"site: {SITE}", f"tick: {tick_s:g} s", "models: models.yaml", f"grid: {grid}",
        "nodes:", f"  - {{id: {ROOT}, house_load: {HOUSE_W} W}}",
        *(f"  - {{id: f{f}, parent: {ROOT}, limit: {20 * pdu_w:.0f} W}}" for f in range(-(-pdus // 20))),
        *(f"  - {{id: p{p}, parent: f{p // 20}, limit: {pdu_w:.0f} W}}" for p in range(pdus)),
        "meters:",
        f"  - {{id: main, node: {ROOT}, rating: {2 * total_w} W, class: 0.5 %, modbus: {{unit: {MAIN_UNIT}, {modbus}}}}}",
        f"surplus: {{model: direct, stale_after: 60 s, modbus: {{unit: {SURPLUS_UNIT}, {modbus}}}}}",
        "economics: {hashprice: 0.05 USD/TH/day, tariff: 0.01 USD/kWh}",
        "fleet:", "  lease: 30 s", "  groups:",
        *(line for a, name in enumerate(names) for line in _groups(a, name, each)),
        "orders: {tokens: [{name: grid, role: authority, token_file: authority.token}]}",
        f"mqtt: {{host: {HOST}, port: {site.broker_port}, keys: keys, tls: none}}",
        f'http: {{listen: "{HOST}:{site.http_port}"}}', "state: state",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _groups(a: int, agent: str, each: int) -> list[str]:
    """Return the groups of one agent's devices: one for each PDU that they are on."""
    first, last, lines = a * each, (a + 1) * each, []
    while first < last:
        pdu = first // _PER_PDU
        until = min(last, (pdu + 1) * _PER_PDU)
        lines.append(
            f"    - {{id: d{a}-{pdu}, model: load-device, count: {until - first}, agent: {agent}, node: p{pdu}, failsafe: off}}"
        )
        first = until
    return lines


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
