"""The closed loop of the core's tests with jobs on its GPU nodes, and the books of what was drawn and what was held back.

Agents report once a second what a device drew then, off by the catalogue's error: so reports are older than the meter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller.core.site import Site
from tests.controller.core.world import World

F64 = NDArray[np.float64]

REPORT_S: Final = 1.0
_REPORT_NOISE: Final = 0.01
#: Errors of reports, as a share of what the catalogue says that they may be.
_USUAL_ERROR: Final = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class CapFigures:
    """What a run came to. `use`: of the envelope. `held`: share of the jobs' energy that their caps held back.

    `value`: currency per hour, at what was drawn. `above_s`: seconds above the contract by more than a thousandth.
    `most_above`: the largest excess as a share.
    """

    use: float
    held: float
    value: float
    above_s: float
    most_above: float


class JobWorld(World):
    """A world whose GPU nodes run jobs; `watch` lets time pass and keeps the books of it."""

    def __init__(self, site: Site, *, seed: int, **given: Any) -> None:
        self._random = random = np.random.default_rng(seed)
        devices = site.devices
        spread = random.uniform(-1.0, 1.0, (2, len(devices.ids)))
        self._error = 1.0 + _USUAL_ERROR * spread[0] * devices.report_error
        self._said_w, self._said_s = devices.off_w.copy(), -np.inf
        bias = np.where(devices.steady, 1.0 + 0.5 * spread[1] * devices.tolerance, 1.0)
        super().__init__(site, bias=bias, **given)

    def _told_w(self) -> F64:
        if self.now_s - self._said_s >= REPORT_S - 1e-6:
            noise = 1.0 + _REPORT_NOISE * self._random.standard_normal(self.draw_w.size)
            self._said_w, self._said_s = self.draw_w * self._error * noise, self.now_s
        return self._said_w

    def watch(self, seconds: float, limit_w: float) -> CapFigures:
        """Let so much time pass under a steady limit, and return what it came to."""
        devices, modes, steps = self.site.devices, self.tables.modes, round(seconds / self.tick_s)
        drawn_w, above_s, most, held_w, wanted_w = np.zeros(devices.off_w.size), 0.0, 0.0, 0.0, 0.0
        used_w = 0.0
        for _ in range(steps):
            self.cycle()
            drawn_w += self.draw_w
            used_w += min(self.site_w, limit_w)
            excess = self.site_w / limit_w - 1.0
            above_s += self.tick_s * (excess > 1e-3)
            most = max(most, excess)
            if self.demand_w is not None:
                jobs_w = np.where(devices.steady, 0.0, self.demand_w(self.now_s))
                wanted_w += float(jobs_w.sum())
                held_w += float(np.maximum(jobs_w - np.maximum(self.applied_w, self.draw_w), 0.0).sum())
        density = modes.value[modes.start[1:] - 1] / devices.max_w
        return CapFigures(
            use=used_w / steps / limit_w,
            held=held_w / wanted_w if wanted_w else 0.0,
            value=float(density @ (drawn_w / steps)),
            above_s=above_s,
            most_above=most,
        )
