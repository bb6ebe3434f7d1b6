"""Whether the meters of each connection answered quickly enough to be polled as often as the site file says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from controller.commands.meter.source import Source
from controller.core.site import SURPLUS
from controller.site.model import SiteFile
from controller.site.sources import ModbusSource


def too_slow(site_file: SiteFile, seen: Mapping[str, Source]) -> Iterator[str]:
    """Yield in words each connection whose round of power and frequency took longer than there is between two."""
    sources = {meter.id: meter.modbus for meter in site_file.meters} | {SURPLUS: site_file.surplus.modbus}
    lines: defaultdict[str, dict[str, ModbusSource]] = defaultdict(dict)
    for name, modbus in sources.items():
        if modbus is not None:
            place = modbus.serial.device if modbus.serial else f"{modbus.host}:{modbus.port}"
            lines[place][name] = modbus
    for place, there in lines.items():
        share = sum(seen[name].power_took_s / modbus.poll_s for name, modbus in there.items())
        round_s = sum(seen[name].power_took_s for name in there)
        if share > 1.0:
            poll_s = share * max(modbus.poll_s for modbus in there.values())
            yield (
                f"{place}: one round of power and frequency of {', '.join(there)} took {round_s:.2g} s, which is longer "
                f"than there is between two; a poll of {poll_s:.2g} s would do, or fewer meters on one connection"
            )
