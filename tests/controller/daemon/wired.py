"""The closed loop of the core with meters made of bytes: what is true is laid into registers by one profile and read by another."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from controller.core.site import SURPLUS
from controller.daemon.mailbox import as_heard
from drivers.meters.blocks import Block, Plan
from drivers.meters.modbus.meter import ModbusMeter, judged
from drivers.meters.profiles import FAST, Profile, bind, load_profile
from drivers.readings import Loss, Sample
from simulators.substation.encoder import Words, encode, read_data
from tests.controller.core.world import World

VOLTS = 230.0
FULL_SCALE_W = 400e3


def profile_of(name: str) -> Profile:
    profile = load_profile(name)
    return bind(profile, FULL_SCALE_W) if profile.needs_full_scale else profile


@dataclass(repr=False)
class Wired(World):
    """`shown`: data by which the meters lay out what is true; `read`: profile by which they are read.

    `power_scale`: of the power that the meters show, beside volts, amperes and energies that are right.
    """

    tick_s: float = 1.0
    shown: dict[str, Any] = field(default_factory=lambda: read_data("schneider_pm5xxx"))
    read: Profile = field(default_factory=lambda: profile_of("schneider_pm5xxx"))
    sign: int = 1
    power_scale: float = 1.0

    def __post_init__(self) -> None:
        World.__post_init__(self)
        self.energy_wh = 5e6
        self.full, self.fast = (Plan(self.read, names) for names in (tuple(self.read.registers), self._fast()))

    def _fast(self) -> list[str]:
        return [name for name in FAST if name in self.read.registers]

    def _meters_read(self) -> None:
        World._meters_read(self)
        self.heard = [item for item in self.heard if item.source == SURPLUS]
        self.energy_wh += self.site_w * self.tick_s / 3600
        cycle = round((self.now_s - 1000.0) / self.tick_s)
        plan = self.full if cycle % round(10.0 / self.tick_s) == 1 else self.fast
        words = encode(self.shown, self.truth(), full_scale_w=FULL_SCALE_W)
        for name in self.site.meters.ids:
            if name not in self.silent:
                self.heard.append(as_heard(self.sample(name, plan, words)))

    def truth(self) -> dict[str, float]:
        power_w = self.site_w
        jitter = 0.002 * math.sin(self.now_s * 7.3)
        phases = ("l1", "l2", "l3")
        return {
            "active_power_w": power_w * self.power_scale,
            "reactive_power_var": 0.2 * power_w,
            "frequency_hz": 50.0 + 10 * jitter,
            "energy_import_wh": self.energy_wh,
            "energy_export_wh": 0.0,
            **{f"active_power_{phase}_w": power_w * self.power_scale / 3 for phase in phases},
            **{f"voltage_{phase}_n_v": VOLTS * (1 + jitter) for phase in phases},
            **{f"voltage_{pair}_v": 3**0.5 * VOLTS for pair in ("l1_l2", "l2_l3", "l3_l1")},
            **{f"current_{phase}_a": power_w / 3 / VOLTS for phase in phases},
        }

    def sample(self, name: str, plan: Plan, words: Words) -> Sample | Loss:
        answers = {block: _read(words, block) for block in plan.blocks(self.now_s)}
        meter = ModbusMeter(id=name, host="x", profile=self.read, poll_s=0.5, timeout_s=0.4, sign=self.sign)
        return judged(meter, plan, answers, self.now_s, self.now_s)


def _read(words: dict[tuple[int, int], int], block: Block) -> tuple[int, ...]:
    """Return the registers of a block; what the meter does not have reads as zero, as many answer."""
    return tuple(words.get((block.fc, address), 0) for address in range(block.address, block.end))
