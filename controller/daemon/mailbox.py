"""The newest of every quantity of every meter and of the surplus, handed from the drivers to the tick."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from controller.core.site import SURPLUS, Site
from controller.core.snapshot import MeterColumns, SurplusReading
from controller.core.trust.meter_trust import Witness, hear
from controller.core.trust.plausibility import unready
from drivers.readings import Loss, Quality, Sample

_log = logging.getLogger(__name__)

#: Where the value of a source stands in its samples: a meter that serves as surplus source gives its active power.
_VALUES: Final = ("surplus_w", "active_power_w")
_PROFILE: Final = "is its profile the right one?"


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest good value of a quantity, in the unit that its name carries, and when it was taken."""

    value: float
    taken_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """One source: its newest good value in W and when it was taken (``-inf``: never), and what is wrong with it now.

    `quality` is that of the newest sample, BAD after a loss. `problem` is empty while all is well; `unusable` is that of a
    sample that came without a value. `readings`: the newest of every quantity, which come at different times.
    `witness`: how far its samples may be believed.
    """

    value_w: float = 0.0
    taken_s: float = float("-inf")
    quality: Quality = Quality.BAD
    problem: str = "not read yet"
    unusable: str = ""
    readings: Mapping[str, Reading] = field(default_factory=dict)
    witness: Witness = field(default_factory=Witness)

    @property
    def believed_s(self) -> float:
        """When the value was taken, or, of a frozen source, when it should have moved at the latest."""
        return min(self.taken_s, self.witness.life.until_s)


class Board:
    """The sources' views by name; replaced as a whole, so that the tick never waits."""

    def __init__(self, site: Site) -> None:
        self._meters = site.meters.ids
        ratings_w = dict(zip(self._meters, site.meters.rating_w.tolist(), strict=True))
        self._rating_w = {**ratings_w, SURPLUS: math.inf}
        self.views: Mapping[str, SourceView] = dict.fromkeys((*self._meters, SURPLUS), SourceView())

    def publish(self, item: Sample | Loss) -> None:
        """Take in what a driver saw."""
        old = self.views[item.meter]
        new = _lost(old, item) if isinstance(item, Loss) else _taken(old, item, self._rating_w[item.meter])
        _note(item.meter, old.witness, new.witness)
        self.views = {**self.views, item.meter: new}

    def meters(self) -> MeterColumns:
        """Return the meters' columns."""
        views = self.views
        mine = [views[name] for name in self._meters]
        return MeterColumns(
            power_w=np.array([view.value_w for view in mine]),
            taken_s=np.array([view.believed_s for view in mine]),
            sane=np.array([not view.witness.nonsense for view in mine], dtype=np.bool_),
            doubts=tuple(view.witness.doubt for view in mine),
            unusable=tuple(view.unusable for view in mine),
            vouched=np.array([view.witness.vouched for view in mine], dtype=np.bool_),
        )

    def surplus(self) -> SurplusReading | None:
        """Return the newest reading of the surplus source, None before the first."""
        view = self.views[SURPLUS]
        return None if np.isinf(view.taken_s) else SurplusReading(value_w=view.value_w, taken_s=view.believed_s)


def _lost(view: SourceView, loss: Loss) -> SourceView:
    return replace(view, quality=Quality.BAD, problem=loss.reason, unusable="")


def _taken(view: SourceView, sample: Sample, rating_w: float) -> SourceView:
    name = next((name for name in _VALUES if name in sample.values), None)
    unusable = _unusable(sample, name)
    if unusable:
        return replace(view, quality=max(sample.quality, Quality.UNCERTAIN), problem=unusable, unusable=unusable)
    taken_s = sample.taken_at_s
    witness = hear(view.witness, sample.values, taken_s, rating_w)
    seen = {quantity: Reading(value, taken_s) for quantity, value in sample.values.items()}
    readings = {**view.readings, **seen}
    if name is None:  # a sample of slow quantities alone
        return replace(view, readings=readings, witness=witness)
    return SourceView(
        value_w=sample.values[name],
        taken_s=taken_s,
        quality=sample.quality,
        problem=witness.doubt,
        readings=readings,
        witness=witness,
    )


def _unusable(sample: Sample, name: str | None) -> str:
    """Return why nothing of a sample may be used, empty where it may."""
    reasons = "; ".join(f"{quantity}: {reason}" for quantity, reason in sample.invalid.items())
    if sample.quality is not Quality.GOOD:
        worded = f"quality {sample.quality.name.lower()}"
        return f"{reasons}: {_PROFILE}" if reasons else worded
    if name is None:
        return reasons if any(quantity in sample.invalid for quantity in _VALUES) else ""
    if not all(math.isfinite(value) for value in sample.values.values()):
        return "a value that is not finite"
    return "nothing but zeros: it has no reading yet" if unready(sample.values) else ""


def _note(name: str, old: Witness, new: Witness) -> None:
    """Log once what begins to speak against a meter, and that nothing does any more; and counters that fell."""
    if new.kinds != old.kinds:
        if any(new.kinds):
            _log.warning("meter %s %s", name, new.doubt, extra={"event": "meter_doubted", "meter": name})
        else:
            _log.info("meter %s is believed again", name, extra={"event": "meter_believed", "meter": name})
    if new.tally.falls > old.tally.falls:
        _log.warning(
            "meter %s: an energy counter fell: it was reset, is a partial one, or has counted over", name,
            extra={"event": "counter_fell", "meter": name},
        )  # fmt: skip
