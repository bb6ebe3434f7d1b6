"""The profile of a Modbus source with all that the site file settles about it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from controller.site.model import MeterEntry
from controller.site.sources import ModbusSource
from drivers.meters.dlms.profiles import load_dlms_profile
from drivers.meters.profiles import Profile, bind, load_profile, settle


def settled(source: ModbusSource) -> Profile:
    """Return the profile without the doubts that a person has settled; raises ConfigError."""
    profile = load_profile(str(source.profile))
    return settle(profile, confirmed=source.confirmed, power_unit=source.power_unit)


def bound(source: ModbusSource) -> Profile:
    """Return the same with its full scale, ready to be read by; raises ConfigError."""
    return bind(settled(source), source.full_scale_w or None)


def shown_by(meter: MeterEntry) -> AbstractSet[str]:
    """Return the quantities that the profile of a meter has; none where it has no profile. Raises ConfigError."""
    if meter.dlms is not None:
        return load_dlms_profile(meter.dlms.profile).quantities.keys()
    return frozenset() if meter.modbus is None else load_profile(str(meter.modbus.profile)).registers.keys()
