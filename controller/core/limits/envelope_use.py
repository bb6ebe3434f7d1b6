"""What was made of the envelopes in a tick, as it stands in the columns of the step: of these the parts are made, for whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.core.limits.house_load import HOUSE_DRIFT
from controller.core.limits.parts import EnvelopePart, EnvelopeParts
from controller.core.masks import some
from controller.core.site import F64, I64, Bool

#: Of so many nodes the parts are told.
MOST_NODES: Final = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeUse:
    """What was made of the envelopes; all per node (N,), in W, devices always those below it.

    `limit_w`: the envelope. `power_w`, `least_w`: by the trusted meter that shows the most and the least, where `known`. `house_w`: house load. `metered`:
    it has a meter of its own. `room_w`: what was allotted from, for the site without `reserve_w`, which only caps may be raised by, and `demand_w`, kept free for what is billed.
    `unheard_w`: what devices may draw that were never heard of. `most_w`: the signed maxima of the devices, `pays_w`: up to where they earn more,
    `could_w`: the most that they might have been allotted of that. `taken_w`: what they were, or cannot be freed of. `planned_w`, `committed_w`:
    setpoints, and the most that may be drawn. `price_per_h`: what a watt more of the limit would have earned. `under_way_w`: sums of what is less than a step,
    of caps above their draw, and of what is starting.
    """

    limit_w: F64
    power_w: F64
    least_w: F64
    known: Bool
    house_w: F64
    metered: Bool
    room_w: F64
    reserve_w: float
    demand_w: float
    unheard_w: F64
    most_w: F64
    pays_w: F64
    could_w: F64
    taken_w: F64
    planned_w: F64
    committed_w: F64
    price_per_h: F64
    under_way_w: Mapping[EnvelopePart, F64]

    def by_node(self) -> dict[int, dict[EnvelopePart, float]]:
        """Return the watts by node and part."""
        return self.parts().by_node()

    def parts(self) -> EnvelopeParts:
        """Return the parts of the site, and of the nodes whose limit binds."""
        at = self.told_of()
        known = self.known[at]
        most_w = self.power_w[at] * known
        return EnvelopeParts(
            nodes=at,
            whole_w=self.limit_w[at],
            least_w=np.minimum(self.least_w[at], most_w),
            most_w=most_w,
            counted_w=(self.planned_w + self.house_w)[at] * ~known,
            claims_w=self._kept(at) | self._left_over(at) | self._on_the_way(at),
        )

    def told_of(self) -> I64:
        """Return the site, and the nodes whose limit binds, of very many those where one more watt is worth the most."""
        told = self.price_per_h > 0.0
        told[0] = True
        at = np.flatnonzero(told & np.isfinite(self.limit_w))
        if at.size > MOST_NODES:
            dear = np.argsort(-np.where(at == 0, np.inf, self.price_per_h[at]), kind="stable")[:MOST_NODES]
            at = np.sort(at[dear])
        return at

    def _kept(self, at: I64) -> dict[EnvelopePart, F64]:
        """Return what is kept free of the devices."""
        drift_w = HOUSE_DRIFT * self.house_w[at]
        unheard_w = np.where(self.metered[at], 0.0, self.unheard_w[at])
        reserve_w, demand_w = np.where(at == 0, self.reserve_w, 0.0), np.where(at == 0, self.demand_w, 0.0)
        kept_w = self.limit_w[at] - self.house_w[at] - self.room_w[at]
        return {
            EnvelopePart.HOUSE_DRIFT: drift_w,
            EnvelopePart.UNHEARD: unheard_w,
            EnvelopePart.TOLERANCE: kept_w - drift_w - unheard_w - reserve_w - demand_w,
            EnvelopePart.CAP_RESERVE: reserve_w,
            EnvelopePart.DEMAND: demand_w,
        }

    def _left_over(self, at: I64) -> dict[EnvelopePart, F64]:
        """Return what is not allotted to any device."""
        room_w, most_w, pays_w, taken_w = self.room_w[at], self.most_w[at], self.pays_w[at], self.taken_w[at]
        wanted_w = np.maximum(self.could_w[at], taken_w)
        left_w = np.minimum(room_w, wanted_w) - taken_w
        full, full_below = self.price_per_h[at] > 0.0, some(self.price_per_h[1:] > 0.0)
        worthless_w = np.maximum(np.minimum(room_w, most_w) - pays_w, 0.0)
        return {
            EnvelopePart.NO_DEVICE: room_w - most_w,
            # Where no limit binds, what is left is left on purpose.
            EnvelopePart.NOT_WORTH_IT: worthless_w + np.where(full | full_below, 0.0, left_w),
            EnvelopePart.HELD: np.minimum(room_w, pays_w) - wanted_w,
            EnvelopePart.LIMITS_BELOW: np.where(full | (not full_below), 0.0, left_w),
            EnvelopePart.MODES: np.where(full, left_w, 0.0),
        }

    def _on_the_way(self, at: I64) -> dict[EnvelopePart, F64]:
        """Return what is allotted and not set yet, or set and not drawn."""
        planned_w = self.planned_w[at]
        missing_w = np.maximum(self.taken_w[at] - planned_w, 0.0)
        unproven_w = np.minimum(np.maximum(self.committed_w[at] - planned_w, 0.0), missing_w)
        claims_w = {part: watts[at] for part, watts in self.under_way_w.items()}
        left_w = missing_w - unproven_w - claims_w.get(EnvelopePart.LEAST_STEP, 0.0)
        return claims_w | {EnvelopePart.UNPROVEN: unproven_w, EnvelopePart.RAMP: left_w}
