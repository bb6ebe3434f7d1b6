"""What a setpoint of a machine comes to for each of its GPUs, and the other way round. Pure; whole watts.

The lowest running mode of its model is all GPUs at their lowest limits and what the machine draws besides, at most. So that rest
is known as soon as the GPUs have said their limits, and a setpoint less the rest is what they may share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from drivers.fleet.catalogue import Model

#: A limit that is read back this near to what was set is that limit: firmware rounds.
_ROUNDED_W: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuRange:
    """The limits that one GPU takes, in W."""

    lowest_w: int
    highest_w: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuShares:
    """A machine of `model` with these GPUs (G,)."""

    model: Model
    ranges: tuple[GpuRange, ...]

    @property
    def lowest_w(self) -> list[int]:
        """The lowest limits (G,)."""
        return [one.lowest_w for one in self.ranges]

    @property
    def rest_w(self) -> int:
        """The most that the machine draws beside its GPUs, by its model."""
        return max(0, math.ceil(self.model.modes[1].watts) - sum(self.lowest_w))

    def of(self, watts: int) -> list[int] | None:
        """Return the limit of each GPU (G,) for a setpoint; None where not even their lowest limits fit.

        All have the same limit, as far as their ranges allow.
        """
        budget_w = watts - self.rest_w
        if budget_w < sum(self.lowest_w):
            return None
        level_w, above_w = 0, max(one.highest_w for one in self.ranges) + 1
        while above_w - level_w > 1:
            middle_w = (level_w + above_w) // 2
            fits = sum(self._at(middle_w)) <= budget_w
            level_w, above_w = (middle_w, above_w) if fits else (level_w, middle_w)
        limits = self._at(level_w)
        left_w = budget_w - sum(limits)
        for place, one in enumerate(self.ranges):
            if left_w > 0 and one.lowest_w <= limits[place] == level_w < one.highest_w:
                limits[place] += 1
                left_w -= 1
        return limits

    def setpoint_w(self, enforced_w: Sequence[float | None], told_w: int | None) -> int:
        """Return what the machine runs on by its limits (G,). One that is not known counts as the highest of that GPU.

        `told_w`: what it was told last, which is what it runs on where its limits are those of it: at their highest, they are
        the same for many setpoints.
        """
        limits = [one.highest_w if limit is None else limit for one, limit in zip(self.ranges, enforced_w, strict=True)]
        meant = None if told_w is None else self.of(told_w)
        if meant is not None and told_w is not None and all(map(_same, limits, meant)):
            return told_w
        return math.ceil(sum(limits)) + self.rest_w

    def _at(self, level_w: int) -> list[int]:
        return [min(max(level_w, one.lowest_w), one.highest_w) for one in self.ranges]


def _same(limit_w: float, meant_w: float) -> bool:
    return abs(limit_w - meant_w) < _ROUNDED_W
