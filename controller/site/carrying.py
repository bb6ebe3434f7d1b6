"""What a node may carry, in the site file: amperes or volt-amperes, with the worst that its conductors will see."""

from __future__ import annotations

import math

from controller.site.measures import Amperes, Imbalance, PowerFactor, VoltAmperes, Volts
from controller.site.part import Part, key
from controller.site.texts import PhaseCount


class CarriesEntry(Part):
    """What a node may carry by its conductors or its transformer; exactly one of `current` and `apparent_power`.

    The worst values count wherever no meter shows better ones, so all of them are needed.
    """

    current_a: Amperes | None = key("current", "most that each phase may carry", None)
    apparent_power_va: VoltAmperes | None = key("apparent_power", "most that all phases together may carry", None)
    phases: PhaseCount = key("phases", "phases that feed the node: 3 or 1", 3)
    volts: Volts | None = key(
        "volts",
        "lowest voltage that it will see: between two phases, or with one phase between its conductors; needed for `current`, and for it alone",
        None,
    )
    power_factor: PowerFactor = key("power_factor", "lowest power factor that it will see, harmonics included")
    imbalance: Imbalance | None = key(
        "imbalance",
        "most by which the highest of three phases will be above their mean; needed for three phases, and for them alone",
        None,
    )

    @property
    def most(self) -> float:
        """A of each phase, or VA of all."""
        return self.current_a if self.current_a is not None else self.apparent_power_va or 0.0

    @property
    def least_w(self) -> float:
        """Watts that each A, or VA, is at least."""
        watts = self.power_factor / (1.0 + (self.imbalance or 0.0))
        return watts if self.current_a is None else watts * self.phases * self.least_v

    @property
    def least_v(self) -> float:
        """Lowest volts to neutral, of one phase between its conductors; 0 where volts do not matter."""
        return (self.volts or 0.0) / (math.sqrt(3.0) if self.phases == 3 else 1.0)

    @property
    def worst_w(self) -> float:
        """Watts that the node may draw, whatever it sees within these values."""
        return self.most * self.least_w
