"""A large site and a fleet that follows it, for the figures."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from controller.core.allocation.tables import Tables, make_tables
from controller.core.site import SURPLUS, Site
from controller.core.snapshot import FleetColumns, Followed, Grade, Measurer, Snapshot, SourceSample
from controller.core.state import State, initial_state
from controller.core.step import step
from controller.site.compile import compile_site
from controller.site.load import load

_MODELS = ("antminer-s21", "antminer-s19k-pro", "antminer-s19-xp", "whatsminer-m60s")
_RATED_W = {"antminer-s21": 3500, "antminer-s19k-pro": 2794, "antminer-s19-xp": 3010, "whatsminer-m60s": 3441}


def site_text(devices: int) -> str:
    """Return a site file: 40 devices a PDU, 16 PDUs a feeder, 8 feeders a transformer, an agent a hundred devices."""
    pdus = devices // 40
    feeders, transformers = -(-pdus // 16), -(-pdus // 128)
    total_w = sum(40 * _RATED_W[_MODELS[k % 4]] for k in range(pdus))
    grid = (
        f"{{contract: {total_w} W, firm: 100 kW, failsafe: {total_w // 2} W, ramp_up: {total_w // 20} W/s,"
        f" ramp_down: {total_w // 10} W/s, emergency_ramp: {total_w // 7} W/s}}"
    )
    modbus = "{host: 127.0.0.1, profile: siemens_pac3200_4200}"
    lines = [
        "version: 1", "site: bench", "tick: 1 s", f"grid: {grid}",
        "nodes:", "  - {id: pcc, house_load: 50 kW}",
        *(f"  - {{id: tx{t}, parent: pcc, limit: {0.9 * 128 * 40 * 3200:.0f} W}}" for t in range(transformers)),
        *(f"  - {{id: f{f}, parent: tx{f // 8}, limit: {0.85 * 16 * 40 * 3200:.0f} W}}" for f in range(feeders)),
        *(f"  - {{id: p{p}, parent: f{p // 16}, limit: {0.8 * 40 * 3200:.0f} W}}" for p in range(pdus)),
        "meters:",
        f"  - {{id: main, node: pcc, rating: {2 * total_w} W, class: 0.5 %, modbus: {modbus}}}",
        "surplus: {model: direct, modbus: {host: 127.0.0.1, unit: 2, profile: siemens_pac3200_4200}}",
        "economics: {hashprice: 0.05 USD/TH/day, tariff: 0.04 USD/kWh}",
        "fleet:", "  groups:",
        *(
            f"    - {{id: g{p}, model: {_MODELS[p % 4]}, count: 40, agent: a{p * 40 // 100}, node: p{p}}}"
            for p in range(pdus)
        ),
        "mqtt: {host: 127.0.0.1, port: 1883, tls: none}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def read_site(devices: int) -> Site:
    """Return the columns of such a site."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.yaml"
        path.write_text(site_text(devices))
        return compile_site(load(path))


class Loop:
    """Ticks of a site whose devices follow at once and whose surplus moves in every tick."""

    def __init__(self, site: Site) -> None:
        self.tables: Tables = make_tables(site)
        self.now_s = 1000.0
        self.state: State = initial_state(site, self.now_s)
        self._draw_w = site.devices.off_w.copy()
        # One of its own for the surplus: whatever else is drawn, that moves the same in every version of this loop.
        self._random, self._surplus_random = np.random.default_rng(2), np.random.default_rng(1)

    def snapshot(self) -> Snapshot:
        """Return the inputs of the next tick."""
        site = self.tables.site
        self.now_s += 1.0
        site_w = float(self._draw_w.sum()) + 40e3
        agents = len(site.agents)
        surplus = {"surplus_w": float(self._surplus_random.uniform(0.3, 0.9)) * site.rules.contract_w}
        return Snapshot(
            now_s=self.now_s,
            utc_s=self.now_s,
            utc_trusted=True,
            heard=(self._sample(site.meters.ids[0], self._meter(site_w)), self._sample(SURPLUS, surplus)),
            fleet=FleetColumns(
                heard_s=np.full(agents, self.now_s),
                echo=np.ones(agents, dtype=np.bool_),
                confirmed_s=np.full(agents, self.now_s - 1.0),
                applied_w=self._draw_w,
                measured_w=self._draw_w,
                measured_by=np.full(len(self._draw_w), Measurer.PSU, dtype=np.int8),
                follow=np.full(len(self._draw_w), Followed.PROVEN, dtype=np.int8),
                rests=np.zeros(len(self._draw_w), dtype=np.bool_),
                max_w=site.devices.max_w,
                down_seen_s=site.devices.down_seen_s,
                up_seen_s=site.devices.up_seen_s,
            ),
            link_lost_s=float("inf"),
            orders=(),
            orders_unsure=None,
        )

    def _meter(self, power_w: float) -> dict[str, float]:
        phases = {f"voltage_l{k}_n_v": 230.0 for k in (1, 2, 3)} | {
            f"current_l{k}_a": power_w / 690.0 for k in (1, 2, 3)
        }
        return {"active_power_w": power_w, "frequency_hz": 50.0 + 0.01 * float(self._random.normal()), **phases}

    def _sample(self, source: str, values: dict[str, float]) -> SourceSample:
        return SourceSample(source=source, values=values, grade=Grade.GOOD, taken_s=self.now_s, arrived_s=self.now_s)

    def tick(self, snapshot: Snapshot) -> None:
        """Carry out one tick and let the fleet follow."""
        self.state, decision = step(self.tables, self.state, snapshot)
        self._draw_w = decision.setpoint_w
