"""What one simulated meter shows: it measures its node of the world at its own rhythm and counts energy."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.clock import Clock, boottime_s
from drivers.errors import DriverLoss
from simulators.substation.encoder import encode
from simulators.substation.modbus_server import Faults
from simulators.worldlink import Truth

#: Asks the world; raises DriverLoss.
ReadTruth = Callable[[], Awaitable[Truth]]

PHASE_VOLTAGE_V: Final = 230.0


@dataclass(slots=True, kw_only=True)
class SimulatedMeter:
    """Meter of the node `node`, laid out as the profile data `data` say; `image` is None while the world is gone.

    `start_wh`: what the import counter shows at first.
    """

    node: str
    data: Mapping[str, Any]
    faults: Faults
    start_wh: float = 1e6
    clock: Clock = boottime_s
    image: dict[tuple[int, int], int] | None = None
    _energy_wh: dict[str, float] = field(default_factory=dict)
    _measured_s: float | None = None

    def shown(self) -> Mapping[tuple[int, int], int] | None:
        """Return what the meter shows now."""
        return self.image

    async def run(self, read_truth: ReadTruth, refresh_s: float) -> None:
        """Measure every `refresh_s`. Never returns; cancel it to stop."""
        while True:
            try:
                self.measure(await read_truth())
            except DriverLoss:
                self.image = None
            await asyncio.sleep(refresh_s)

    def measure(self, truth: Truth) -> None:
        """Show the node's power of `truth` from now on."""
        power_w = truth.node_w[self.node]
        self._count(power_w)
        shown_w = power_w * self.faults.scale_error * (-1 if self.faults.flip_sign else 1)
        values = {
            "active_power_w": shown_w,
            "frequency_hz": truth.frequency_hz,
            **self._energy_wh,
            **{f"voltage_{phase}_n_v": PHASE_VOLTAGE_V for phase in ("l1", "l2", "l3")},
            **{f"current_{phase}_a": abs(shown_w) / 3 / PHASE_VOLTAGE_V for phase in ("l1", "l2", "l3")},
        }
        self.image = encode(self.data, dict.fromkeys(values, math.nan) if self.faults.nan else values)

    def _count(self, power_w: float) -> None:
        now_s = self.clock()
        hours = 0.0 if self._measured_s is None else (now_s - self._measured_s) / 3600
        self._measured_s = now_s
        counted = self._energy_wh or {"energy_import_wh": self.start_wh, "energy_export_wh": 0.0}
        counter = "energy_import_wh" if power_w >= 0 else "energy_export_wh"
        self._energy_wh = {**counted, counter: counted[counter] + abs(power_w) * hours}
