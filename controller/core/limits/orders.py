"""Which curtailment orders are in force, since when, and whether they are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from controller.core.snapshot import OrderLimit, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRamp:
    """A revision of an order that came into force at `begun_s` and goes from `from_w` to `limit_w`, by `ramp_w_s`.

    `sure`: that was drawn then, and not the most that may have been.
    """

    id: str
    revision: int
    node: int
    begun_s: float
    from_w: float
    limit_w: float
    ramp_w_s: float
    sure: bool

    def cap_w(self, now_s: float) -> float:
        """Return what it asks for now."""
        if math.isinf(self.ramp_w_s):
            return self.limit_w
        return max(self.limit_w, self.from_w - self.ramp_w_s * (now_s - self.begun_s))


class Compliance(StrEnum):
    """Whether an order is kept, by the trusted meter of its node.

    PARTIAL: the limit is below what the node draws with everything off, and it is down to that. UNSEEN: no usable meter.
    """

    MET = "met"
    NOT_MET = "not_met"
    PARTIAL = "partial"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNow:
    """A revision of an order in force, and what its node draws. `limit_w`: what it asks for now, on its ramp to `final_w`.

    `power_w`: None where unseen. `achievable_w`: the least that the node can be brought to now. `since_s`: since when this
    revision is kept, or not, as it is now.
    """

    id: str
    node: int
    limit_w: float
    final_w: float
    since_s: float
    power_w: float | None
    achievable_w: float
    compliance: Compliance
    revision: int

    @property
    def shortfall_w(self) -> float | None:
        """Watts that are missing to the limit, 0 where it is kept, None where unseen."""
        if self.power_w is None:
            return None
        return 0.0 if self.compliance is Compliance.MET else max(self.power_w - self.limit_w, 0.0)


def kept(power_w: float | None, limit_w: float, floor_w: float, tolerance_w: float) -> Compliance:
    """Return whether a limit is kept by a node that draws `power_w`, and `floor_w` with everything off."""
    if power_w is None:
        return Compliance.UNSEEN
    if power_w <= limit_w + tolerance_w:
        return Compliance.MET
    return Compliance.PARTIAL if power_w <= floor_w + tolerance_w else Compliance.NOT_MET


def in_force(order: OrderLimit, snapshot: Snapshot) -> bool:
    """Return whether the order binds now; its end counts only by a trusted clock, its beginning by any that is known."""
    started = order.begun or max(snapshot.utc_s, snapshot.utc_latest_s) >= order.starts_utc_s
    ended = snapshot.utc_trusted and snapshot.utc_s >= order.ends_utc_s
    return started and not ended
