"""Whether the meters of each connection answered quickly enough to be polled as often as the site file says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from controller.commands.meter.source import Source
from controller.core.site import SURPLUS
from controller.site.dlms_source import DlmsSource
from controller.site.model import SiteFile
from controller.site.sources import ModbusSource


def too_slow(site_file: SiteFile, seen: Mapping[str, Source]) -> Iterator[str]:
    """Yield in words each connection whose round of power and frequency took longer than there is between two."""
    sources = {meter.id: meter.modbus or meter.dlms for meter in site_file.meters}
    sources[SURPLUS] = site_file.surplus.modbus or site_file.surplus.dlms
    lines: defaultdict[tuple[str, str], dict[str, ModbusSource | DlmsSource]] = defaultdict(dict)
    for name, source in sources.items():
        if source is not None:
            place = source.serial.device if source.serial else f"{source.host}:{source.port}"
            alone = name if source.transport == "wrapper" else ""
            lines[place, alone][name] = source
    for (place, _), there in lines.items():
        share = sum(seen[name].power_took_s / source.poll_s for name, source in there.items())
        round_s = sum(seen[name].power_took_s for name in there)
        if share > 1.0:
            poll_s = share * max(source.poll_s for source in there.values())
            yield (
                f"{place}: one round of power and frequency of {', '.join(there)} took {round_s:.2g} s, which is longer "
                f"than there is between two; a poll of {poll_s:.2g} s would do, or fewer meters on one connection"
            )
