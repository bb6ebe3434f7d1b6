"""All that one meter's own samples say about how far it may be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from controller.core.trust.energy_balance import Counters, Tally, add_counters, add_power
from controller.core.trust.plausibility import contradiction, off_grid, vouched
from controller.core.trust.staleness import Life, live

_PROFILE: Final = "is its profile the right one?"
#: A sample that contradicts itself counts when it is the second in a row; before any that was right, at once.
_IN_A_ROW: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A meter's record.

    `off_grid`: its frequency is none of a 50 Hz grid. `against`: how many samples in a row contradicted themselves, the
    last of them by `contradiction`. `carried`: volts and amperes have vouched for its power, and have not denied it since.
    """

    life: Life = field(default_factory=Life)
    tally: Tally = field(default_factory=Tally)
    off_grid: bool = False
    against: int = _IN_A_ROW - 1
    contradiction: str = ""
    carried: bool = False

    @property
    def vouched(self) -> bool:
        """Whether its other quantities have vouched for the scale of its power."""
        return self.carried or self.tally.right

    @property
    def nonsense(self) -> str:
        """In words that follow "meter X": why its values mean nothing; empty where they may be used."""
        if self.off_grid:
            return f"shows no 50 Hz grid frequency: {_PROFILE}"
        return f"{self.contradiction}: {_PROFILE}" if self.contradiction and self.against >= _IN_A_ROW else ""

    @property
    def frozen(self) -> bool:
        """Whether its newest sample is a repetition that has lasted too long."""
        return self.life.heard_s > self.life.until_s

    @property
    def kinds(self) -> tuple[bool, bool, bool]:
        """Whether its values mean nothing, it is frozen, its counters are in doubt."""
        return bool(self.nonsense), self.frozen, bool(self.tally.doubt)

    @property
    def doubt(self) -> str:
        """In words that follow "meter X": all that speaks against it; empty where nothing does."""
        stands = "has stood still for longer than it ever does: it is taken for frozen" if self.frozen else ""
        return "; it ".join(text for text in (self.nonsense, stands, self.tally.doubt) if text)


def hear(witness: Witness, values: Mapping[str, float], at_s: float, rating_w: float) -> Witness:
    """Return the record after a sample that the meter calls good; `values` need not be all that it has."""
    found = contradiction(values, rating_w, known=witness.carried)
    return Witness(
        life=live(witness.life, values, at_s),
        tally=_counted(witness.tally, values, at_s, rating_w),
        off_grid=off_grid(values) if "frequency_hz" in values else witness.off_grid,
        against=witness.against if found is None else witness.against + 1 if found else 0,
        contradiction=witness.contradiction if found is None else found,
        carried=vouched(values, rating_w) or (witness.carried and not found),
    )


def _counted(tally: Tally, values: Mapping[str, float], at_s: float, rating_w: float) -> Tally:
    import_wh, export_wh = values.get("energy_import_wh"), values.get("energy_export_wh")
    counted = import_wh is not None or export_wh is not None
    power_w = values.get("active_power_w")
    if power_w is not None or counted:
        tally = add_power(tally, tally.power_w if power_w is None else power_w, at_s)
    return add_counters(tally, Counters(import_wh=import_wh, export_wh=export_wh), rating_w) if counted else tally
