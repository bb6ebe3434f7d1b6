"""Over what a bundled profile is read: each way has profiles of its own, and a person may take one for another."""

from __future__ import annotations

from drivers.meters.dlms.profiles import bundled_dlms_profiles
from drivers.meters.payloads.profiles import bundled_payloads, load_payload
from drivers.meters.profiles import bundled_profiles


def ways_of(profile: str) -> tuple[str, ...]:
    """Return the ways over which the bundled profile with this id is read, as the site file calls them; () where there is none.

    >>> ways_of("shelly_em_gen2")
    ('http',)
    """
    if profile in bundled_profiles():
        return ("modbus",)
    if profile in bundled_dlms_profiles():
        return ("dlms",)
    return tuple(load_payload(profile).ways) if profile in bundled_payloads() else ()
