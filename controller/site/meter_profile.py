"""The profile of a Modbus source with all that the site file settles about it."""

from __future__ import annotations

from controller.site.sources import ModbusSource
from drivers.meters.profiles import Profile, bind, load_profile, settle


def settled(source: ModbusSource) -> Profile:
    """Return the profile without the doubts that a person has settled; raises ConfigError."""
    profile = load_profile(str(source.profile))
    return settle(profile, confirmed=source.confirmed, power_unit=source.power_unit)


def bound(source: ModbusSource) -> Profile:
    """Return the same with its full scale, ready to be read by; raises ConfigError."""
    return bind(settled(source), source.full_scale_w or None)
