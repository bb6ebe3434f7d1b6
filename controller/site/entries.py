"""All that is read: the meters, and the source of the surplus."""

from __future__ import annotations

from collections.abc import Iterator

from controller.site.model import MeterEntry, SiteFile, SurplusSection
from controller.site.payload_meter import profile_of
from controller.site.problems import Loc
from drivers.meters.dlms.profiles import load_dlms_profile
from drivers.meters.profiles import load_profile


def read_entries(site: SiteFile) -> Iterator[tuple[Loc, MeterEntry | SurplusSection]]:
    """Yield each with the way to it."""
    for index, meter in enumerate(site.meters):
        yield ("meters", index), meter
    yield ("surplus",), site.surplus


def shown_quantities(entry: MeterEntry | SurplusSection) -> frozenset[str]:
    """Return what its profile says that it shows, nothing where it has none; raises ConfigError for one that cannot be used."""
    if entry.modbus is not None:
        return frozenset(load_profile(str(entry.modbus.profile)).registers)
    if entry.dlms is not None:
        return frozenset(load_dlms_profile(entry.dlms.profile).quantities)
    sent = entry.http or entry.mqtt
    return frozenset() if sent is None else profile_of(sent).quantities
