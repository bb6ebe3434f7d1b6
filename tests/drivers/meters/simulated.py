"""A simulated meter with its traps, in a world whose clock is set by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from drivers.meters.profiles import Profile, bind, load_profile, parse_profile
from simulators.substation.encoder import identity, read_data
from simulators.substation.meter import SimulatedMeter
from simulators.substation.modbus_server import Faults, Unit
from simulators.substation.traps import Traps
from simulators.worldlink import Truth

POWER_W = 812_500.0
FULL_SCALE_W = 108_682_560.0


def truth(power_w: float = POWER_W, frequency_hz: float = 50.0) -> Truth:
    return Truth(
        t_s=0.0,
        ready=True,
        site_w=power_w,
        node_w={"pcc": power_w},
        surplus_w=0.0,
        export_w=0.0,
        feeder_load_w=0.0,
        frequency_hz=frequency_hz,
        devices_by_state={},
        envelope_w=0.0,
        binding="contract",
    )


@dataclass
class Case:
    """A meter with its traps, in a world whose clock is set by hand."""

    meter: SimulatedMeter
    unit: Unit
    now_s: list[float]

    def measure(self, power_w: float = POWER_W, frequency_hz: float = 50.0, *, after_s: float = 1.0) -> None:
        self.now_s[0] += after_s
        self.meter.measure(truth(power_w, frequency_hz))


def case(profile: str | Mapping[str, Any], *, start_wh: float = 1e6, unmapped: str = "gaps", **traps) -> Case:
    data = read_data(profile) if isinstance(profile, str) else profile
    now_s = [0.0]
    meter = SimulatedMeter(
        node="pcc",
        data=data,
        traps=Traps(**traps),
        start_wh=start_wh,
        full_scale_w=FULL_SCALE_W,
        clock=lambda: now_s[0],
    )
    unit = Unit(meter.shown, Faults(), data.get("largest_block", 125), unmapped, alone=identity(data))
    made = Case(meter, unit, now_s)
    made.measure()
    return made


def profile_of(profile: str | Mapping[str, Any]) -> Profile:
    loaded = load_profile(profile) if isinstance(profile, str) else parse_profile(yaml.safe_dump(dict(profile)), "own")
    return bind(loaded, FULL_SCALE_W if loaded.needs_full_scale else None)
