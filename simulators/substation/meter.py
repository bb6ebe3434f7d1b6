"""What one simulated meter shows: it measures its node of the world at its own rhythm and counts energy."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.clock import Clock, boottime_s
from drivers.errors import DriverLoss
from simulators.substation.encoder import Words, encode
from simulators.substation.traps import Traps, power_factor
from simulators.worldlink import Truth

#: Asks the world; raises DriverLoss.
ReadTruth = Callable[[], Awaitable[Truth]]

PHASE_VOLTAGE_V: Final = 230.0
#: Reactive power of a load per active power: a power factor of 0.98, lagging.
_REACTIVE_SHARE: Final = 0.2
_PHASES: Final = ("l1", "l2", "l3")


@dataclass(slots=True, kw_only=True)
class SimulatedMeter:
    """Meter of the node `node`, laid out as the profile data `data` say; `image` is None while the world is gone.

    `values`: what it shows in SI units, by quantity; empty then. `start_wh`: what the import counter shows at first. `full_scale_w`: what the powers of a LIN3 meter reach.
    """

    node: str
    data: Mapping[str, Any]
    traps: Traps = field(default_factory=Traps)
    start_wh: float = 1e6
    full_scale_w: float = 10e6
    clock: Clock = boottime_s
    image: Words | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    _counted_wh: dict[str, float] = field(default_factory=lambda: {"import": 0.0, "export": 0.0})
    _reset_wh: dict[str, float] = field(default_factory=lambda: {"import": 0.0, "export": 0.0})
    _reset_s: float = math.inf
    _started_s: float = math.inf
    _counted_s: float = math.inf
    _measured_s: float = -math.inf
    _measurements: int = 0

    def shown(self) -> Words | None:
        """Return what the meter shows now."""
        return self.image

    def reset_partial(self) -> None:
        """Set the partial counters to zero, as anyone may at the meter."""
        self._reset_wh, self._reset_s = dict(self._counted_wh), self._counted_s

    async def run(self, read_truth: ReadTruth, refresh_s: float) -> None:
        """Look at the world every `refresh_s`. Never returns; cancel it to stop."""
        while True:
            try:
                self.measure(await read_truth())
            except DriverLoss:
                self.image, self.values = None, {}
            await asyncio.sleep(refresh_s)

    def measure(self, truth: Truth) -> None:
        """Count the node's energy, and show what the meter measures of `truth` if it is time to."""
        now_s, power_w, traps = self.clock(), truth.node_w[self.node], self.traps
        self._count(power_w, now_s)
        if now_s - self._reset_s >= traps.reset_every_s:
            self.reset_partial()
        if self.image is not None and (traps.frozen or now_s - self._measured_s < traps.rhythm_s):
            return
        self._measured_s, self._measurements = now_s, self._measurements + 1
        values = traps.shown(self._values(power_w, truth.frequency_hz))
        coarser = traps.coarser + (traps.restless and self._measurements % 2)
        layout = traps.laid_out(self.data)
        self._write_power_factor(layout, values)
        image = encode(layout, values, full_scale_w=self.full_scale_w, coarser=coarser, sunspec=traps.sunspec)
        ready = now_s - self._started_s >= traps.zero_for_s
        self.image = image if ready else dict.fromkeys(image, 0)
        self.values = values if ready else dict.fromkeys(values, 0.0)

    def _values(self, power_w: float, frequency_hz: float) -> dict[str, float]:
        partial_wh = {way: counted_wh - self._reset_wh[way] for way, counted_wh in self._counted_wh.items()}
        total_wh = {"import": self.start_wh + self._counted_wh["import"], "export": self._counted_wh["export"]}
        return {
            **momentary(power_w, frequency_hz),
            **{f"energy_{way}_wh": wh for way, wh in total_wh.items()},
            **{f"energy_{way}_l1_wh": wh / 3 for way, wh in total_wh.items()},
            **{f"energy_{way}_partial_wh": wh for way, wh in partial_wh.items()},
        }

    def _write_power_factor(self, layout: Mapping[str, Any], values: dict[str, float]) -> None:
        if "power_factor" in layout["registers"]:
            own = layout["registers"]["power_factor"]["encoding"]
            powers = values["active_power_w"], values["reactive_power_var"]
            values["power_factor"] = power_factor(self.traps.power_factor or own, *powers)

    def _count(self, power_w: float, now_s: float) -> None:
        self._started_s, self._reset_s = min(self._started_s, now_s), min(self._reset_s, now_s)
        hours = max(0.0, now_s - self._counted_s) / 3600
        self._counted_wh["import" if power_w >= 0 else "export"] += abs(power_w) * hours
        self._counted_s = now_s


def momentary(power_w: float, frequency_hz: float) -> dict[str, float]:
    """Return all that a meter of a balanced load measures now, by quantity."""
    return {
        "active_power_w": power_w,
        "reactive_power_var": _REACTIVE_SHARE * power_w,
        "frequency_hz": frequency_hz,
        **{f"voltage_{phase}_n_v": PHASE_VOLTAGE_V for phase in _PHASES},
        **{f"voltage_{pair}_v": math.sqrt(3) * PHASE_VOLTAGE_V for pair in ("l1_l2", "l2_l3", "l3_l1")},
        **{f"current_{phase}_a": abs(power_w) / 3 / PHASE_VOLTAGE_V for phase in _PHASES},
        **{f"active_power_{phase}_w": power_w / 3 for phase in _PHASES},
    }
