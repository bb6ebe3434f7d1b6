"""What a meter driver hands over: a `Sample` per poll, or a `Loss`.

Missing, stale, invalid and zero are four different things: a quantity that the meter does not have is absent
from `values`; one that it marks as unusable stands in `invalid` with the reason; staleness is judged by age from
`taken_at_s`; zero is a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Quality(IntEnum):
    """How far a value may be believed; the order is from best to worst."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One successful poll or notification of one meter.

    `values`: quantity name (``active_power_w``, ``frequency_hz``, ``energy_import_wh``, …) to its value in the unit
    that the name carries; always finite; positive power flows from the grid into the site.
    `invalid`: quantity name to the reason why the meter's value was dropped.
    `notes`: quantity name to what a person should know about a value that is used.
    `trying`: some of what is missing is asked for in another way next. `power_took_s`: what the requests took that
    brought power and frequency. `taken_at_s`, `arrived_at_s`: CLOCK_BOOTTIME seconds at which the meter took, and this machine got, the values.
    """

    meter: str
    values: Mapping[str, float]
    quality: Quality
    taken_at_s: float
    arrived_at_s: float
    invalid: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    trying: bool = False
    power_took_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The meter did not answer, or its answer was no reading at all.

    `trying`: it is asked in another way next, so that this does not say yet that it cannot be read.
    """

    meter: str
    reason: str
    at_s: float
    trying: bool = False


#: Takes what a driver saw, at once and without blocking; called from the driver's asyncio loop.
Publish = Callable[[Sample | Loss], None]
