"""A simulated meter or gateway that sends JSON: what it shows now, and everything by which one misleads its reader."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from drivers.errors import DriverLoss
from simulators.substation.messages import PowerForm, messages
from simulators.substation.meter import ReadTruth, momentary
from simulators.worldlink import Truth


@dataclass(slots=True, kw_only=True)
class GatewayFaults:
    """Switches; they may change while the gateway runs.

    What it says: `power`: what stands where the power should. `frozen`: its values stand still, its stamps move on;
    `stuck`: both stand still. `clock_s`: by how much its clock is ahead.

    Over HTTP: `status` other than 200; `html`: a page in place of JSON; `cut_to`: bytes of the body, after which it closes;
    `redirect`: where to; `delay_s`: before an answer; `padding`: bytes that are added to the document; `content_type`;
    `dated`: whether answers say what its clock shows; `close`: after each answer.

    Over MQTT: `retained`: whether the broker keeps its messages; `silent`: it sends nothing.
    """

    power: PowerForm = "number"
    frozen: bool = False
    stuck: bool = False
    clock_s: float = 0.0
    status: int = 200
    html: bool = False
    cut_to: int | None = None
    redirect: str = ""
    delay_s: float = 0.0
    padding: int = 0
    content_type: str = "application/json"
    dated: bool = True
    close: bool = False
    retained: bool = False
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLogin:
    """Who may ask over HTTP: a bearer token, or a user by one way of saying so. An empty secret: everybody."""

    way: Literal["bearer", "basic", "digest", "query"] = "basic"
    username: str = "admin"
    secret: str = ""


@dataclass(slots=True, kw_only=True)
class Gateway:
    """One gateway with one meter, laid out as the profile data `data` say. `values`: what it shows, by quantity in SI units."""

    data: Mapping[str, Any]
    values: Mapping[str, float] = field(default_factory=dict)
    faults: GatewayFaults = field(default_factory=GatewayFaults)
    login: GatewayLogin = field(default_factory=GatewayLogin)
    node: str = ""
    wall_s: Callable[[], float] = time.time
    _kept: dict[str, float] = field(default_factory=dict)
    _stamp_s: float = 0.0
    _energy_wh: dict[str, float] = field(default_factory=lambda: {"energy_import_wh": 1e6, "energy_export_wh": 0.0})
    _measured_s: float | None = None

    def now_s(self) -> float:
        """Return what its clock says, in s since 1970."""
        return self.wall_s() + self.faults.clock_s

    def messages(self) -> dict[str, bytes]:
        """Return what it sends now, by topic."""
        faults = self.faults
        if not self._kept or not (faults.frozen or faults.stuck):
            self._kept = dict(self.values)
        if not self._stamp_s or not faults.stuck:
            self._stamp_s = self.now_s()
        return messages(self.data, self._kept, self._stamp_s, faults.power)

    async def run(self, read_truth: ReadTruth, refresh_s: float) -> None:
        """Look at the world every `refresh_s`. Never returns; cancel it to stop."""
        while True:
            try:
                self.measure(await read_truth())
            except DriverLoss:
                self.values = {}
            await asyncio.sleep(refresh_s)

    def measure(self, truth: Truth) -> None:
        """Count the node's energy, and take what its meter measures."""
        now_s, power_w = time.monotonic(), truth.node_w[self.node]
        hours = 0.0 if self._measured_s is None else (now_s - self._measured_s) / 3600
        self._measured_s = now_s
        self._energy_wh["energy_import_wh" if power_w >= 0 else "energy_export_wh"] += abs(power_w) * hours
        self.values = {**momentary(power_w, truth.frequency_hz), **self._energy_wh}
