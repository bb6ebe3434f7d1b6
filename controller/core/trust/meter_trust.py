"""How far one source may be believed by its own samples: a meter, or the source of the surplus."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from controller.core.reasons import Code, Reason
from controller.core.site import SURPLUS
from controller.core.snapshot import Grade, SourceLoss, SourceSample
from controller.core.trust.energy_balance import Counters, EnergyBalance, add_counters, add_power
from controller.core.trust.plausibility import contradiction, off_grid, unready
from controller.core.trust.staleness import Rhythm, learn

#: Where the value of a source stands in its samples: a meter that serves as surplus source gives its active power.
_VALUES: Final = ("surplus_w", "active_power_w")
#: A sample that contradicts itself counts when it is the second in a row; before any that was right, at once.
_IN_A_ROW: Final = 2


class Shown(NamedTuple):
    """The newest good value of a quantity, in the unit that its name carries, and when it was taken.

    A tuple, because every sample makes one for each of its quantities: as a dataclass it takes three times as long.
    """

    value: float
    taken_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTrust:
    """A source's record.

    `value_w`, `taken_s`: its newest good power, ``-inf`` if there never was one. `grade`: of its newest sample, BAD after a
    loss. `fault`: why it gave no value last, None where it did. `shown`: the newest of every quantity. `notes`: quantity to
    what a person should know about its value. `off_grid`: its frequency is none of the grid. `against`: how many samples in
    a row contradicted themselves, the last of them by `contradiction`. `carried`: volts and amperes have vouched for its
    power, and have not denied it since.
    """

    source: str
    grid_hz: float
    value_w: float = 0.0
    taken_s: float = float("-inf")
    grade: Grade = Grade.BAD
    fault: Reason | None
    shown: Mapping[str, Shown] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    rhythm: Rhythm = field(default_factory=Rhythm)
    balance: EnergyBalance = field(default_factory=EnergyBalance)
    off_grid: bool = False
    against: int = _IN_A_ROW - 1
    contradiction: Code | None = None
    carried: bool = False

    @property
    def vouched(self) -> bool:
        """Whether its other quantities have vouched for the scale of its power."""
        return self.carried or self.balance.right

    @property
    def nonsense(self) -> Reason | None:
        """Why its values mean nothing; None where they may be used."""
        if self.off_grid:
            return Reason(Code.METER_OFF_GRID, self.source, {"grid_hz": self.grid_hz})
        if self.contradiction is not None and self.against >= _IN_A_ROW:
            return Reason(self.contradiction, self.source)
        return None

    @property
    def doubts(self) -> tuple[Reason, ...]:
        """All that its samples say against it."""
        frozen, doubt = self.rhythm.frozen, self.balance.doubt
        if not (frozen or doubt or self.off_grid or self.contradiction):
            return ()
        still = Reason(Code.METER_FROZEN, self.source) if frozen else None
        figures = {"times": self.balance.times} if doubt is Code.COUNTERS_OFF else {}
        counters = Reason(doubt, self.source, figures) if doubt else None
        return tuple(reason for reason in (self.nonsense, still, counters) if reason)

    @property
    def noted(self) -> tuple[Reason, ...]:
        """What a person should know about its values."""
        if not self.notes:
            return ()
        return tuple(
            Reason(Code.VALUE_NOTED, self.source, {"quantity": quantity, "note": note})
            for quantity, note in self.notes.items()
        )

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """All that is to be said of it."""
        return (*((self.fault,) if self.fault else ()), *self.doubts, *self.noted)

    @property
    def believed_s(self) -> float:
        """When the value was taken, or, of a frozen source, when it should have moved at the latest."""
        return min(self.taken_s, self.rhythm.until_s)


def unheard(source: str, grid_hz: float) -> MeterTrust:
    """Return the record of a source before its first sample."""
    never_read = Code.SURPLUS_NEVER_READ if source == SURPLUS else Code.METER_NEVER_READ
    return MeterTrust(source=source, grid_hz=grid_hz, fault=Reason(never_read, source))


def lose(trust: MeterTrust, loss: SourceLoss) -> MeterTrust:
    """Return the record after a loss; the last good value goes on and grows old."""
    fault = Reason(Code.SOURCE_LOST, loss.source, {"error": loss.error})
    return replace(trust, grade=Grade.BAD, fault=fault, notes={})


def hear(trust: MeterTrust, sample: SourceSample, rating_w: float) -> MeterTrust:
    """Return the record after a sample, which need not carry all that the source has."""
    name = _value(sample.values)
    fault = _fault(sample, name)
    if fault is not None:
        notes = {name: note for name, note in trust.notes.items() if name not in sample.invalid}
        return replace(trust, grade=max(sample.grade, Grade.UNCERTAIN), fault=fault, notes=notes)
    # A value that claims to be taken after it arrived is no younger than its arrival.
    taken_s, values = min(sample.taken_s, sample.arrived_s), sample.values
    seen = {quantity: Shown(value, taken_s) for quantity, value in values.items()}
    notes = {name: note for name, note in trust.notes.items() if name not in seen} if trust.notes else {}
    found = contradiction(values, rating_w, known=trust.carried)
    against, contradicted = trust.against, trust.contradiction
    if found.looked:
        against, contradicted = against + 1 if found.against else 0, found.against
    slow = name is None  # a sample of slow quantities alone
    # One record for a sample: in small sites these are a part of the tick that can be seen.
    return MeterTrust(
        source=trust.source,
        grid_hz=trust.grid_hz,
        value_w=trust.value_w if name is None else values[name],
        taken_s=trust.taken_s if slow else taken_s,
        grade=trust.grade if slow else sample.grade,
        fault=trust.fault if slow else None,
        shown={**trust.shown, **seen},
        notes={**notes, **sample.notes} if sample.notes else notes,
        rhythm=learn(trust.rhythm, values, taken_s),
        balance=_counted(trust.balance, values, taken_s, rating_w),
        off_grid=off_grid(values, trust.grid_hz) if "frequency_hz" in values else trust.off_grid,
        against=against,
        contradiction=contradicted,
        carried=found.vouched or (trust.carried and not found.against),
    )


def _value(values: Mapping[str, float]) -> str | None:
    """Return which quantity of a sample is the value of its source; None of slow quantities alone."""
    for name in _VALUES:
        if name in values:
            return name
    return None


def _counted(balance: EnergyBalance, values: Mapping[str, float], at_s: float, rating_w: float) -> EnergyBalance:
    import_wh, export_wh = values.get("energy_import_wh"), values.get("energy_export_wh")
    counted = import_wh is not None or export_wh is not None
    power_w = values.get("active_power_w")
    if power_w is not None or counted:
        balance = add_power(balance, balance.power_w if power_w is None else power_w, at_s)
    return add_counters(balance, Counters(import_wh=import_wh, export_wh=export_wh), rating_w) if counted else balance


def _fault(sample: SourceSample, name: str | None) -> Reason | None:
    """Return why nothing of a sample may be used, None where it may."""
    source = sample.source
    if sample.invalid:
        missing = name is None and any(quantity in sample.invalid for quantity in _VALUES)
        if missing or sample.grade is not Grade.GOOD:
            why = "; ".join(f"{quantity}: {reason}" for quantity, reason in sample.invalid.items())
            return Reason(Code.SAMPLE_INVALID, source, {"why": why})
    if sample.grade is not Grade.GOOD:
        return Reason(Code.SAMPLE_DOUBTED, source, {"quality": sample.grade.name.lower()})
    if not all(map(math.isfinite, (sample.taken_s, sample.arrived_s, *sample.values.values()))):
        return Reason(Code.SAMPLE_NOT_FINITE, source)
    return Reason(Code.SAMPLE_ALL_ZERO, source) if name is not None and unready(sample.values) else None
