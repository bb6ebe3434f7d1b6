"""Which curtailment orders are in force, and since when."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.snapshot import OrderLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRamp:
    """An order that came into force at `begun_s`, when its node drew `from_w`."""

    id: str
    begun_s: float
    from_w: float


def in_force(order: OrderLimit, utc_s: float, utc_trusted: bool) -> bool:
    """Return whether the order binds now; its end counts only by a trusted clock, its beginning by any."""
    started = order.begun or utc_s >= order.starts_utc_s
    ended = utc_trusted and utc_s >= order.ends_utc_s
    return started and not ended
