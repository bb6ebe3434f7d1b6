"""How a meter that answers well misleads its reader: the traps of the field, each a switch.

A meter is described by the data of its profile. Traps change these data before they are encoded (the meter is laid out
differently from what the profile says) and the values (the meter shows something else than it measures). Traps on the
wire are `simulators.substation.modbus_server.Faults`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from simulators.substation.encoder import SunspecChain
from simulators.substation.neighbours import NEIGHBOURS

#: How a power factor is written: with the sign of active power (IEC), of the reactive power's direction (IEEE), in
#: percent, or as Schneider's four-quadrant number from -2 to 2.
PowerFactor = Literal["iec", "ieee", "percent", "four_quadrant"]

_OTHER_ORDER: Final = {"big": "little", "little": "big"}
_OTHER_COUNTER: Final = {"energy_import_wh": "energy_export_wh", "energy_export_wh": "energy_import_wh"}
_DIRECTED: Final = ("active_power_", "reactive_power_")


@dataclass(slots=True, kw_only=True)
class Traps:
    """Switches, by quantity where they are mappings; they may change while the meter runs.

    Layout: `address_shift` added to every address; `moved`: quantities at another address; `swap_words`, `swap_bytes`:
    the other order than the profile's. `power_factor`: how the register beside the others writes it; None: its own way.
    `sunspec`: where in which chain of models the meter is, if it is one of SunSpec.

    Values: `factors`: what they are multiplied with before they are shown (a wrong prefix, a scaled float, secondary
    values, a scale that was configured otherwise). `limits`: the largest size that is shown. `resolution`: step of what
    is shown. `counter`: which counter stands where the profile has the total one; `reset_every_s`: how often somebody
    sets the partial one to zero; `rollover_wh`: where counters start over. `flip_sign`: of powers; `swap_energies`:
    import for export; both together are the other view of the meter. `no_value`: quantities that show the meter's mark
    for it, or ``all``. `coarser`: how much coarser than needed SunSpec scale factors are; `restless`: they change with
    every measurement.

    Time: `zero_for_s`: all registers are zero at first. `rhythm_s`: between what the meter itself measures. `frozen`: it
    shows the last value for ever.
    """

    address_shift: int = 0
    moved: Mapping[str, int] = field(default_factory=dict)
    swap_words: bool = False
    swap_bytes: bool = False
    power_factor: PowerFactor | None = None
    sunspec: SunspecChain = field(default_factory=SunspecChain)
    factors: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    resolution: Mapping[str, float] = field(default_factory=dict)
    counter: Literal["total", "partial", "l1"] = "total"
    reset_every_s: float = math.inf
    rollover_wh: float = math.inf
    flip_sign: bool = False
    swap_energies: bool = False
    no_value: frozenset[str] = frozenset()
    coarser: int = 0
    restless: bool = False
    zero_for_s: float = 0.0
    rhythm_s: float = 0.0
    frozen: bool = False

    def laid_out(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return how the meter is laid out that the profile `data` are used for, its unused neighbours included."""
        rows = {**NEIGHBOURS.get(data.get("id", ""), {}), **data["registers"]}
        orders = {key: _OTHER_ORDER[data.get(key, "big")] for key in self._swapped}
        return {**data, **orders, "registers": {name: self._laid_out(name, row) for name, row in rows.items()}}

    def shown(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return what the meter shows (SI, by quantity) where it measures `values`."""
        other = {"partial": "_partial", "l1": "_l1"}.get(self.counter, "")
        counters = {name: values[name.replace("_wh", f"{other}_wh")] for name in _OTHER_COUNTER}
        if self.swap_energies:
            counters = {_OTHER_COUNTER[name]: value for name, value in counters.items()}
        return {name: self._shown(name, value) for name, value in {**values, **counters}.items()}

    def _shown(self, name: str, value: float) -> float:
        if name in self.no_value or "all" in self.no_value:
            return math.nan
        if name.endswith("_wh"):
            value = math.fmod(value, self.rollover_wh)
        if name.startswith(_DIRECTED) and self.flip_sign:
            value = -value
        value *= self.factors.get(name, 1.0)
        limit = self.limits.get(name, math.inf)
        step = self.resolution.get(name, 0.0)
        value = max(-limit, min(limit, value))
        return round(value / step) * step if step else value

    def _laid_out(self, name: str, row: Mapping[str, Any]) -> dict[str, Any]:
        address = self.moved.get(name, row["address"])
        changed: dict[str, Any] = {**row, "address": address}
        for key in {"address", "subtract", "scale_address"} & changed.keys():
            changed[key] = _shifted(changed[key], self.address_shift)
        changed |= {key: _OTHER_ORDER[row[key]] for key in self._swapped & row.keys()}
        return changed

    @property
    def _swapped(self) -> set[str]:
        return {key for key, swap in (("word_order", self.swap_words), ("byte_order", self.swap_bytes)) if swap}


def power_factor(encoding: PowerFactor, active_w: float, reactive_var: float) -> float:
    """Return the number by which a meter tells a power factor; the quadrants are those of the load's view.

    Four-quadrant (Schneider, 4Q_FP_PF): as IEC while the current lags, and 2 (or -2) minus it while it leads.
    """
    size = abs(active_w) / math.hypot(active_w, reactive_var) if active_w else 0.0
    directed = math.copysign(size, active_w)
    leads = active_w * reactive_var < 0
    return {
        "iec": directed,
        "ieee": size if leads else -size,
        "percent": 100.0 * directed,
        "four_quadrant": math.copysign(2.0, active_w) - directed if leads else directed,
    }[encoding]


def _shifted(address: int | list[int], shift: int) -> int | list[int]:
    return [each + shift for each in address] if isinstance(address, list) else address + shift
