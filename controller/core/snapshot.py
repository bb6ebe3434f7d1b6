"""All that the core sees in one tick, as columns. It cannot change during the tick."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.limits.orders import OrderLimit
from controller.core.site import F64, Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterColumns:
    """The newest good sample of each meter (K,).

    `power_w`: positive into the site. `taken_s`: when it was taken, ``-inf`` if there never was one; for a frozen meter it
    stands still too. `sane`: False where what the meter shows cannot be true. `doubts`: in words that follow "meter X",
    what speaks against it, empty where nothing does. `unusable`: why its newest sample gave no value, empty where it did.
    `vouched`: its other quantities vouch for the scale of its power.
    """

    power_w: F64
    taken_s: F64
    sane: Bool
    doubts: tuple[str, ...]
    unusable: tuple[str, ...]
    vouched: Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SurplusReading:
    """The newest good value of the surplus source; what it means is the surplus model's business."""

    value_w: float
    taken_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetColumns:
    """What the agents (A,) and their devices (D,) reported last.

    `heard_s`: when the newest report arrived, ``-inf`` if never. `echo`: the agent's clock is known, so that it can be
    given a lease. `confirmed_s`: the time of the decision whose setpoints the agent says it has applied, ``-inf`` if
    none of this controller's.
    `applied_w`: the setpoint that the device runs on now. `measured_w`: what the device says it draws, NaN-free; its
    `applied_w` where it says nothing. `max_w`: the most that it says it may be told to draw, which only narrows the
    signed maximum.
    """

    heard_s: F64
    echo: Bool
    confirmed_s: F64
    applied_w: F64
    measured_w: F64
    max_w: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One tick's inputs. `now_s` is CLOCK_BOOTTIME; `utc_s` labels and schedules only.

    `orders_unsure`: in words, why orders may have been lost, empty where none were. `link_lost_s`: since when the link to the broker is down, ``inf`` while it stands.
    """

    now_s: float
    utc_s: float
    utc_trusted: bool
    meters: MeterColumns
    surplus: SurplusReading | None
    fleet: FleetColumns
    link_lost_s: float
    orders: tuple[OrderLimit, ...]
    orders_unsure: str
