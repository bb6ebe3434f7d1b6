"""The newest good sample of every meter and of the surplus, handed from the drivers to the tick."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from controller.core.site import Site
from controller.core.snapshot import MeterColumns, SurplusReading
from drivers.readings import Loss, Quality, Sample

#: Name of the surplus source among the meters.
SURPLUS: Final = "surplus"
#: No 50 Hz grid runs outside this, in Hz.
_FREQUENCY_HZ: Final = (45.0, 55.0)
#: Where the value of a source stands in its samples: a meter that serves as surplus source gives its active power.
_VALUES: Final = ("surplus_w", "active_power_w")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """One source: its newest good value in W and when it was taken (``-inf``: never), and what is wrong with it now.

    `quality` is that of the newest sample, BAD after a loss. `problem` is empty while all is well.
    """

    value_w: float = 0.0
    taken_s: float = float("-inf")
    frequency_ok: bool = True
    quality: Quality = Quality.BAD
    problem: str = "not read yet"


class Board:
    """The sources' views by name; replaced as a whole, so that the tick never waits."""

    def __init__(self, site: Site) -> None:
        self._meters = site.meters.ids
        self.views: Mapping[str, SourceView] = dict.fromkeys((*self._meters, SURPLUS), SourceView())

    def publish(self, item: Sample | Loss) -> None:
        """Take in what a driver saw."""
        view = self.views[item.meter]
        self.views = {**self.views, item.meter: _lost(view, item) if isinstance(item, Loss) else _taken(view, item)}

    def meters(self) -> MeterColumns:
        """Return the meters' columns."""
        views = self.views
        mine = [views[name] for name in self._meters]
        return MeterColumns(
            power_w=np.array([view.value_w for view in mine]),
            taken_s=np.array([view.taken_s for view in mine]),
            frequency_ok=np.array([view.frequency_ok for view in mine], dtype=np.bool_),
        )

    def surplus(self) -> SurplusReading | None:
        """Return the newest reading of the surplus source, None before the first."""
        view = self.views[SURPLUS]
        return None if np.isinf(view.taken_s) else SurplusReading(value_w=view.value_w, taken_s=view.taken_s)


def _lost(view: SourceView, loss: Loss) -> SourceView:
    return replace(view, quality=Quality.BAD, problem=loss.reason)


def _taken(view: SourceView, sample: Sample) -> SourceView:
    value_w = next((sample.values[name] for name in _VALUES if name in sample.values), None)
    if sample.quality is not Quality.GOOD or value_w is None or not math.isfinite(value_w):
        reasons = [f"{name}: {reason}" for name, reason in sample.invalid.items()]
        quality = "no usable value" if sample.quality is Quality.GOOD else f"quality {sample.quality.name.lower()}"
        problem = "; ".join(reasons) or quality
        return replace(view, quality=max(sample.quality, Quality.UNCERTAIN), problem=problem)
    frequency_hz = sample.values.get("frequency_hz")
    ok = frequency_hz is None or _FREQUENCY_HZ[0] <= frequency_hz <= _FREQUENCY_HZ[1]
    return SourceView(value_w=value_w, taken_s=sample.taken_at_s, frequency_ok=ok, quality=sample.quality, problem="")
