"""How far and how finely a meter's profile can show power: small integers end, and coarse ones count in big steps."""

from __future__ import annotations

from dataclasses import dataclass

from controller.site.meter_profile import bound
from controller.site.sources import ModbusSource
from controller.site.unknown import UNKNOWN
from drivers.errors import ConfigError
from drivers.meters.codec import LIN3_TOP, Register
from drivers.meters.profiles import REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRange:
    """The least and the most power into the site that a meter can show, and one count of it, all in W."""

    lowest_w: float
    highest_w: float
    count_w: float


def power_range(source: ModbusSource | None) -> PowerRange | None:
    """Return what a meter can show; None where its numbers have no end, or where its profile cannot be read."""
    if source is None or source is UNKNOWN or UNKNOWN in _needed(source):
        return None
    try:
        register = bound(source).registers[REQUIRED]
    except ConfigError:  # said by the checks of the profile itself
        return None
    if register.range is None:
        return None
    ends_w = [end * source.sign * source.ct_ratio for end in register.range]
    return PowerRange(lowest_w=min(ends_w), highest_w=max(ends_w), count_w=_count(register) * source.ct_ratio)


def _needed(source: ModbusSource) -> tuple[object, ...]:
    return source.profile, source.sign, source.ct_ratio, source.confirmed, source.power_unit


def _count(register: Register) -> float:
    """Return the SI value by which the quantity moves at least."""
    if register.lin3 is not None:
        low, high = register.lin3
        return float(abs((high - low) * register.factor) / LIN3_TOP)
    return float(abs(register.factor))
