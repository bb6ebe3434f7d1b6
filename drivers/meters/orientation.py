"""Which way power counts, and by what it is multiplied: what the site file says of a meter, whatever it speaks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.meters.codec import Dropped
from drivers.meters.profiles import REQUIRED

#: Reversing the direction of power turns one counter into the other.
_REVERSED: Final = {"energy_import_wh": "energy_export_wh", "energy_export_wh": "energy_import_wh"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """How a meter is wired, and what it is read for.

    `sign`: -1 where the current transformers are mounted backwards: active and reactive powers are negated and the energy
    counters change places; `swap_counters`: they do not where the maker counts power the other way round and names the
    counters rightly. `ct_ratio`: what powers, energies and currents are multiplied with, for a meter that shows secondary
    values. `quantity`: name under which active power is published; `surplus_w` makes the meter a surplus source, which
    carries nothing else.
    """

    sign: int = 1
    swap_counters: bool = True
    ct_ratio: float = 1.0
    quantity: str = REQUIRED

    def apply(self, decoded: Mapping[str, float | Dropped]) -> dict[str, float | Dropped]:
        """Return what the meter shows as the site counts it, by quantity."""
        directed = self.sign * self.ct_ratio
        if self.quantity != REQUIRED:
            return {self.quantity: _scaled(decoded[REQUIRED], directed)}
        factors = {"_w": directed, "_var": directed, "_wh": self.ct_ratio, "_a": self.ct_ratio}
        scaled = {name: _scaled(value, factors.get(name[name.rindex("_") :], 1.0)) for name, value in decoded.items()}
        swapped = _REVERSED if self.sign < 0 and self.swap_counters else {}
        return {swapped.get(name, name): value for name, value in scaled.items()}


def _scaled(value: float | Dropped, factor: float) -> float | Dropped:
    if factor == 1.0 or isinstance(value, Dropped):
        return value
    scaled = value * factor
    return scaled if math.isfinite(scaled) else Dropped(f"{value:g} times {factor:g} is not finite")
