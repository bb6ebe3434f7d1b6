"""What the devices and the house really draw, step by step: the same inputs and the same seed give the same trace.

Every device draws by one law, whatever its model: from a setpoint it takes the largest mode that fits, and goes there
in a line over its down or up time. A model that restarts (`restarts`) first falls to little, boots, and comes up at
the end of its up time. The real draw is off its mode by a bias of the model and of the device, within the
catalogue's tolerance. A GPU node's setpoint is only a cap: its jobs want 60 to 100 % of the most that
the node may draw. What a device reports is
off by its estimate error. Devices go on drawing whatever happens to the processes that lead them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.errors import Refused
from simulators.world.site import F64, I64, WorldSite

Bool = NDArray[np.bool_]

#: The columns of all devices.
EVERY: Final = slice(None)

#: A restart draws this share of its aim while it boots, which takes this share of the up time.
BOOT_DRAW: Final = 0.1
BOOT_TIME: Final = 0.8
#: Jobs on a GPU node: the least share of the cap, mean time between changes, time constant of a change.
JOB_LEAST: Final = 0.6
JOB_CHANGE_S: Final = 15.0
JOB_LAG_S: Final = 3.0
#: House load as shares of what is declared: mean, slow drift with its time constant, fast noise.
HOUSE_MEAN: Final = 0.85
HOUSE_DRIFT: Final = 0.05
HOUSE_DRIFT_S: Final = 60.0
HOUSE_NOISE: Final = 0.005
#: Fluctuation of a miner's draw, and of what a device reports, as shares.
DRAW_NOISE: Final = 0.003
REPORT_NOISE: Final = 0.01
FREQUENCY_DRIFT_HZ: Final = 0.02


class WorldState(IntEnum):
    """What a device is doing."""

    OFF = 0
    STARTING = 1
    RUNNING = 2
    STOPPING = 3


class Physics:
    """D devices on N nodes, advanced by `step_s` at a time; everything starts off.

    After each `step`: `draw_w` (D,) real power, `led_w` (D,) the part of it that setpoints lead (a GPU node at its
    full cap), `node_w` (N,) real power of the nodes, `house_w` (N,) house load of the nodes themselves.

    `surge` (D,) is a factor on what each device would draw; one that is not `powered` (D,) draws nothing. A node that is not
    `fed` (N,), for a contactor above it or its own is open, carries nothing; its devices are to be cut, too.
    """

    def __init__(self, site: WorldSite, *, seed: int, step_s: float = 0.1) -> None:
        self.site = site
        self.step_s = step_s
        self.now_s = 0.0
        self._rng = np.random.default_rng(seed)
        self._rng_of_reports = np.random.default_rng((seed, 1))  # who asks, and how often, must not change the trace
        self._models = [device.model for device in site.devices]
        self._index = {device.id: i for i, device in enumerate(site.devices)}
        self._above: Bool = _ancestry(site.parent)
        self.node: I64 = np.array([device.node for device in site.devices], dtype=np.int64)
        self.off_w: F64 = np.array([model.modes[0].watts for model in self._models])
        self._steady: Bool = np.array([model.steady for model in self._models])
        self._up_s: F64 = np.array([max(model.up_s, step_s) for model in self._models])
        self._bias = np.where(self._steady, self._spread([model.tolerance for model in self._models]), 0.0)
        self._report_error = self._spread([model.estimate_error for model in self._models])
        self.max_w: F64 = np.array([model.max_w for model in self._models]) * (1.0 + self._bias)
        self._start_at_rest()
        self._draw()

    def _start_at_rest(self) -> None:
        count = len(self._models)
        self.setpoint_w = self.off_w.copy()
        self.led_w = self.off_w.copy()
        # A move: from `_from_w` to `_first_w` over `_first_s`; after `_wait_s` on to `_aim_w` over `_last_s`.
        self.powered = np.ones(count, dtype=bool)
        self.fed: Bool = np.ones(len(self.site.node_ids), dtype=bool)
        self.surge = np.ones(count)
        self._on = np.zeros(count, dtype=bool)
        self._booting = np.zeros(count, dtype=bool)
        self._began_s = np.full(count, -np.inf)
        self._from_w, self._first_w, self._aim_w = self.off_w.copy(), self.off_w.copy(), self.off_w.copy()
        self._first_s, self._wait_s, self._last_s = np.ones(count), np.zeros(count), np.ones(count)
        self._job = self._rng.uniform(JOB_LEAST, 1.0, count)
        self._job_aim = self._job.copy()
        self._draw_noise = np.zeros(count)
        self._house_drift = np.zeros(len(self.site.node_ids))
        self._frequency_drift_hz = 0.0

    def apply(self, setpoints: Mapping[str, float]) -> None:
        """Set what devices may draw, in watts; raises Refused, and changes nothing, for an unknown device."""
        for i, watts in zip(self.indices(setpoints), setpoints.values(), strict=True):
            self.move(i, self._models[i].at_most(watts))

    def move(self, i: int, allowed_w: int) -> None:
        """Set what the device in column `i` may draw, one of its model's setpoints in whole watts."""
        if allowed_w == self.setpoint_w[i]:
            return
        model = self._models[i]
        was_on, self._on[i] = self._on[i], allowed_w > model.off_w
        self.setpoint_w[i] = allowed_w
        self._aim_w[i] = allowed_w * (1.0 + self._bias[i]) if self._on[i] else self.off_w[i]
        in_place = bool(was_on and self._on[i] and not model.restarts_on_change)
        if in_place and model.restarts and self._is_booting(i):
            return  # it comes up at the new aim, as soon as it would have come up at the old one
        restarts = model.restarts and bool(self._on[i]) and not in_place
        self._began_s[i], self._from_w[i] = self.now_s, self.led_w[i]
        self._booting[i] = bool(self._on[i]) and not in_place
        up = self._aim_w[i] > self.led_w[i] and not model.restarts
        self._first_w[i] = self.off_w[i] + BOOT_DRAW * (self._aim_w[i] - self.off_w[i]) if restarts else self._aim_w[i]
        self._first_s[i] = max(model.up_s if up else model.down_s, self.step_s)
        self._wait_s[i] = BOOT_TIME * model.up_s if restarts else self._first_s[i]
        self._last_s[i] = max((1.0 - BOOT_TIME) * model.up_s if restarts else 0.0, self.step_s)

    def cut(self, i: int) -> None:
        """Take the power from the device in column `i`; with it again (`powered`), it starts at its residual watts."""
        self.powered[i] = self._on[i] = self._booting[i] = False
        self.setpoint_w[i] = self._from_w[i] = self._first_w[i] = self._aim_w[i] = self.off_w[i]
        self.led_w[i] = 0.0
        self._began_s[i] = -np.inf

    def _is_booting(self, i: int) -> bool:
        return bool(self._booting[i]) and self.now_s - self._began_s[i] < self._wait_s[i] + self._last_s[i]

    def step(self) -> None:
        """Advance everything by `step_s`."""
        self.now_s += self.step_s
        elapsed_s = self.now_s - self._began_s
        first = np.minimum(elapsed_s / self._first_s, 1.0)
        last = np.clip((elapsed_s - self._wait_s) / self._last_s, 0.0, 1.0)
        self.led_w = self._from_w + (self._first_w - self._from_w) * first + (self._aim_w - self._first_w) * last
        self.led_w = np.where(self.powered, self.led_w * self.surge, 0.0)
        self._fluctuate()
        self._draw()

    def _fluctuate(self) -> None:
        chance, level = self._rng.random((2, len(self._job)))
        changes = chance < self.step_s / JOB_CHANGE_S
        self._job_aim = np.where(changes, JOB_LEAST + (1.0 - JOB_LEAST) * level, self._job_aim)
        self._job += (self._job_aim - self._job) * self.step_s / JOB_LAG_S
        self._draw_noise = self._wander(self._draw_noise, DRAW_NOISE, 5.0)
        self._house_drift = self._wander(self._house_drift, HOUSE_DRIFT, HOUSE_DRIFT_S)
        self._frequency_drift_hz = float(
            self._wander(np.array([self._frequency_drift_hz]), FREQUENCY_DRIFT_HZ, 30.0)[0]
        )

    def _wander(self, value: F64, deviation: float, lag_s: float) -> F64:
        """Return the next value of a mean-reverting walk with this standard deviation and time constant."""
        share = self.step_s / lag_s
        kick = deviation * math.sqrt(2.0 * share)
        return value * (1.0 - share) + kick * self._rng.standard_normal(len(value))

    def _draw(self) -> None:
        used = np.where(self._steady, 1.0 + self._draw_noise, 1.0)
        wanted_w = np.where(self._steady, np.inf, self.off_w + (self.max_w - self.off_w) * self._job)
        drawn_w = np.minimum(self.off_w + (self.led_w - self.off_w) * used, wanted_w)
        self.draw_w = np.where(self.powered, drawn_w, 0.0)
        noise = HOUSE_NOISE * self._rng.standard_normal(len(self._house_drift))
        self.house_w: F64 = self.site.house_w * np.clip(HOUSE_MEAN + self._house_drift + noise, 0.5, 1.0)
        self.node_w: F64 = self.up_the_tree(self.draw_w)

    @property
    def followed_w(self) -> F64:
        """What devices (D,) draw by what they are told; of a GPU node, what its jobs use of its cap."""
        return np.where(self._steady, self.led_w, self.draw_w)

    def up_the_tree(self, device_w: F64) -> F64:
        """Return (N,): what each node carries when the devices draw `device_w` (D,), house load included."""
        carried_w: F64 = self._above @ self.own_w(device_w)
        return carried_w

    def own_w(self, device_w: F64) -> F64:
        """Return (N,): what hangs directly on each node when the devices draw `device_w` (D,), house load included."""
        return (self.at_nodes(device_w) + self.house_w) * self.fed

    def feed(self, cut: Iterable[int]) -> None:
        """Let every node have power but these, and all that hangs below them."""
        unfed: Bool = np.logical_or.reduce(self._above[list(cut)], axis=0)
        self.fed = ~unfed

    def at_nodes(self, device_w: F64) -> F64:
        """Return (N,): the sum over the devices that hang directly on each node."""
        return np.bincount(self.node, weights=device_w, minlength=len(self.site.node_ids)).astype(np.float64)

    def able_w(self, since_s: float) -> F64:
        """Return (D,): what each device could draw now, had it been told at `since_s` to draw all it may."""
        full_w = self.off_w + (self.max_w - self.off_w) * np.where(self._steady, 1.0, self._job)
        return np.where(self.now_s - since_s >= self._up_s, np.maximum(full_w, self.draw_w), self.draw_w)

    def states(self, of: slice = EVERY) -> I64:
        """Return the `WorldState` of the devices in these columns."""
        booting, moves_s = self._booting[of], self._first_s[of]
        moving = self.now_s - self._began_s[of] < np.where(booting, self._wait_s[of] + self._last_s[of], moves_s)
        on = np.where(moving & booting, WorldState.STARTING, WorldState.RUNNING)
        return np.where(self._on[of], on, np.where(moving, WorldState.STOPPING, WorldState.OFF)).astype(np.int64)

    def reported_w(self, of: slice = EVERY) -> F64:
        """Return what the devices in these columns say that they draw."""
        draw_w = self.draw_w[of]
        noise = REPORT_NOISE * self._rng_of_reports.standard_normal(len(draw_w))
        return draw_w * (1.0 + self._report_error[of] + noise)

    def frequency_hz(self) -> float:
        """Return the grid's frequency."""
        return self.site.frequency_hz + self._frequency_drift_hz

    def indices(self, names: Iterable[str]) -> list[int]:
        """Return the columns of devices; raises Refused for unknown ones."""
        names = list(names)
        if unknown := sorted(name for name in names if name not in self._index):
            raise Refused(f"no such device: {', '.join(unknown[:5])}")
        return [self._index[name] for name in names]

    def device_index(self, name: str) -> int:
        """Return the column of a device; raises Refused for an unknown one."""
        return self.indices([name])[0]

    def _spread(self, bounds: list[float]) -> F64:
        """Return an error per device within its bound: half of it common to the model, half the device's own."""
        common = {name: self._rng.uniform(-0.5, 0.5) for name in sorted({model.id for model in self._models})}
        shared = np.array([common[model.id] for model in self._models])
        return np.asarray(bounds) * (shared + self._rng.uniform(-0.5, 0.5, len(bounds)))


def _ancestry(parent: I64) -> Bool:
    """Return (N, N): ``[i, j]`` is True where node j is node i or hangs below it."""
    above = np.eye(len(parent), dtype=bool)
    for child in range(len(parent) - 1, 0, -1):
        above[parent[child]] |= above[child]
    return above
