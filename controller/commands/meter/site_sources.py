"""The meters of a site file as the daemon reads them, kept together by name: by the same drivers, without the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Final

from controller.commands.meter.source import NOT_HEARD, Source
from controller.core.site import SURPLUS
from controller.daemon.meters.drivers import drivers, run_drivers
from controller.site.model import ModbusSource, OpcuaSource, SiteFile
from drivers.errors import ConfigError
from drivers.meters.profiles import load_profile
from drivers.readings import Loss, Publish, Sample

#: What a server has besides its first value follows within this time.
_REST_S: Final = 0.5


def sources(site_file: SiteFile) -> dict[str, Source]:
    """Return every meter of the site file and the source of its surplus, by name; none has been read."""
    made = {
        meter.id: _source(meter.id, meter.modbus, meter.opcua, site_file.control.suspect_after_s, meter.rating_w)
        for meter in site_file.meters
    }
    surplus = site_file.surplus
    of_surplus = _source(SURPLUS, surplus.modbus, surplus.opcua, surplus.suspect_after_s, None)
    return made | {SURPLUS: replace(of_surplus, for_surplus=True)}


def _source(
    name: str, modbus: ModbusSource | None, opcua: OpcuaSource | None, suspect_s: float, rating_w: float | None
) -> Source:
    if modbus is not None:
        profile = load_profile(str(modbus.profile))
        place = modbus.serial.device if modbus.serial else f"{modbus.host}:{modbus.port}"
        where = f"{place} unit {modbus.unit}, {profile.id}"
        return Source(name=name, where=where, suspect_s=suspect_s, rating_w=rating_w, profile=profile)
    where = f"{opcua.endpoint} {opcua.node}" if opcua else ""
    return Source(name=name, where=where, suspect_s=suspect_s, rating_w=rating_w)


#: Hears of a source whenever its driver has said something.
Hear = Callable[[Source], None]


@contextlib.asynccontextmanager
async def reading(
    site_file: SiteFile, hear: Hear, only: str | None = None, also: Publish = lambda _: None
) -> AsyncIterator[asyncio.Task[None]]:
    """Run the drivers of all sources, or of the one called `only`, beside the block; `also` is told what they see.

    Yields their task, which ends only where it must. Raises ConfigError.
    """
    known = sources(site_file)
    if only is not None and only not in known:
        raise ConfigError(f"found no meter {only!r} in the site file, allowed is one of {', '.join(known)}")

    def publish(item: Sample | Loss) -> None:
        known[item.meter] = known[item.meter].taken(item)
        hear(known[item.meter])
        also(item)

    # What the drivers log of losses stands in the table, too.
    logging.getLogger().addHandler(logging.NullHandler())
    running = asyncio.create_task(run_drivers(drivers(site_file, publish, only)), name="drivers")
    try:
        yield running
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def read_once(site_file: SiteFile, within_s: float, also: Publish) -> dict[str, Source]:
    """Return every source after its first reading; those that have said nothing within the deadline say so."""
    seen = sources(site_file)
    heard = asyncio.Event()

    def hear(source: Source) -> None:
        seen[source.name] = source
        heard.set()

    async with reading(site_file, hear, also=also) as running:
        running.add_done_callback(lambda _: heard.set())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not (running.done() or all(_said(source) for source in seen.values())):
                    heard.clear()
                    await heard.wait()
                if any(source.profile is None for source in seen.values()):
                    await asyncio.sleep(_REST_S)
    return seen


def _said(source: Source) -> bool:
    return source.complete or source.lost not in {"", NOT_HEARD}
