"""How a meter is mounted: which way its transformers look, what they divide by, and what its power stands for. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Protocol

from drivers.meters.codec import Dropped
from drivers.meters.profiles import REQUIRED

#: Reversing the direction of power turns one counter into the other.
_REVERSED: Final = {"energy_import_wh": "energy_export_wh", "energy_export_wh": "energy_import_wh"}


class Mounted(Protocol):
    """A meter as the site has it: see `ModbusMeter`."""

    @property
    def sign(self) -> int:
        """-1 where its transformers are mounted backwards."""

    @property
    def swap_counters(self) -> bool:
        """Whether its counters change places then."""

    @property
    def ct_ratio(self) -> float:
        """What powers, energies and currents are multiplied with."""

    @property
    def quantity(self) -> str:
        """The name under which its active power is published."""


def oriented(decoded: Mapping[str, float | Dropped], meter: Mounted) -> dict[str, float | Dropped]:
    """Return what a meter shows with its sign, transformer ratio and quantity applied, by the name that is published."""
    directed = meter.sign * meter.ct_ratio
    if meter.quantity != REQUIRED:
        return {meter.quantity: _scaled(decoded[REQUIRED], directed)}
    factors = {"_w": directed, "_var": directed, "_wh": meter.ct_ratio, "_a": meter.ct_ratio}
    scaled = {name: _scaled(value, factors.get(name[name.rindex("_") :], 1.0)) for name, value in decoded.items()}
    swapped = _REVERSED if meter.sign < 0 and meter.swap_counters else {}
    return {swapped.get(name, name): value for name, value in scaled.items()}


def _scaled(value: float | Dropped, factor: float) -> float | Dropped:
    if factor == 1.0 or isinstance(value, Dropped):
        return value
    scaled = value * factor
    return scaled if math.isfinite(scaled) else Dropped(f"{value:g} times {factor:g} is not finite")
