"""Curtailment orders as the control sees them: limits with a beginning and perhaps an end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLimit:
    """One accepted order on one node.

    `node`: index into the tree. `limit_w`: the cap, resolved at acceptance and constant from then on.
    `starts_utc_s`, `ends_utc_s`: Unix seconds; ``inf`` as the end means until released.
    `ramp_w_s`: how fast the order asks the node to come down, ``inf`` for at once.
    `begun`: it has been in force before, so that a wall clock set back cannot suspend it.
    """

    id: str
    node: int
    limit_w: float
    starts_utc_s: float
    ends_utc_s: float
    ramp_w_s: float
    begun: bool


def in_force(order: OrderLimit, utc_s: float, utc_trusted: bool) -> bool:
    """Return whether the order binds now; its end counts only by a trusted clock, its beginning by any."""
    started = order.begun or utc_s >= order.starts_utc_s
    ended = utc_trusted and utc_s >= order.ends_utc_s
    return started and not ended
