"""The meters of a site file as the daemon reads them, kept together by name: by the same drivers, without the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Collection
from typing import Final

from controller.commands.meter.source import NOT_HEARD, Source
from controller.core.fleet.bounds import nobody_below
from controller.core.site import SURPLUS, Site
from controller.core.trust.judge import Judgement, judge, no_trust
from controller.daemon.mailbox import as_heard
from controller.daemon.meters.drivers import drivers
from controller.daemon.meters.supervision import run_drivers
from controller.site.dlms_source import DlmsSource
from controller.site.meter_profile import settled
from controller.site.model import MeterEntry, SiteFile, SurplusSection
from controller.site.payload_meter import profile_of
from controller.site.problems import one_of
from drivers.clock import Clock, boottime_s
from drivers.ending import end
from drivers.errors import ConfigError
from drivers.meters.dlms.profiles import load_dlms_profile
from drivers.meters.payloads.profiles import PayloadProfile
from drivers.meters.profiles import Profile, load_profile
from drivers.readings import Loss, Sample

#: What a server has besides its first value follows within this time.
_REST_S: Final = 0.5

#: What the source of the surplus shows, by the model that makes a surplus of it.
_GIVES: Final = {"direct": "surplus", "export": "export", "headroom": "feeder load"}


def sources(site_file: SiteFile) -> dict[str, Source]:
    """Return every meter of the site file and the source of its surplus, by name; none has been read."""
    grids_hz, surplus = (site_file.grid.frequency_hz,), site_file.surplus
    made = {
        meter.id: Source(
            name=meter.id,
            where=_where(meter),
            suspect_s=site_file.control.suspect_after_s,
            grids_hz=grids_hz,
            rating_w=meter.rating_w,
            profile=_profile(meter),
            expects=_expects(meter),
        )
        for meter in site_file.meters
    }
    of_surplus = Source(
        name=SURPLUS,
        where=_where(surplus),
        suspect_s=surplus.suspect_after_s,
        grids_hz=grids_hz,
        profile=_profile(surplus),
        gives=_GIVES[surplus.model],
        expects=_expects(surplus),
    )
    return made | {SURPLUS: of_surplus}


def _profile(entry: MeterEntry | SurplusSection) -> Profile | PayloadProfile | None:
    if entry.modbus is not None:
        return settled(entry.modbus)
    sent = entry.http or entry.mqtt
    return None if sent is None else profile_of(sent)


def _expects(entry: MeterEntry | SurplusSection) -> int | None:
    """Return of how many quantities it has to say something; None where only its server knows."""
    if entry.dlms is not None:
        return len(load_dlms_profile(entry.dlms.profile).quantities)
    profile = _profile(entry)
    return None if profile is None else profile.promised


def _where(entry: MeterEntry | SurplusSection) -> str:
    if entry.opcua is not None:
        return f"{entry.opcua.endpoint} {entry.opcua.node}"
    if entry.http is not None:
        return f"{entry.http.url}, {profile_of(entry.http).id}"
    if entry.mqtt is not None:
        mqtt = entry.mqtt
        return f"{mqtt.host}:{mqtt.port} {mqtt.topic}, {profile_of(mqtt).id}"
    source = entry.modbus or entry.dlms
    if source is None:
        return ""
    place = source.serial.device if source.serial else f"{source.host}:{source.port}"
    if isinstance(source, DlmsSource):
        return f"{place} client {source.client}, server {source.server}, {load_dlms_profile(source.profile).id}"
    return f"{place} unit {source.unit}, {load_profile(str(source.profile)).id}"


#: Hears of a source whenever its driver has said something.
Hear = Callable[[Source], None]


class Judge:
    """Judges what the sources say as the daemon does before it leads any device, where no agent is listened to."""

    def __init__(self, site: Site, clock: Clock = boottime_s) -> None:
        self._site, self._trust, self._fleet, self._clock = site, no_trust(site), nobody_below(site), clock

    def hear(self, *items: Sample | Loss) -> Judgement:
        """Return what may be believed now that the drivers have said this too."""
        heard = tuple(map(as_heard, items))
        self._trust, judgement = judge(self._trust, self._site, heard, self._fleet, self._clock(), starting=True)
        return judgement


@contextlib.asynccontextmanager
async def reading(
    site_file: SiteFile, hear: Hear, judge: Judge, only: Collection[str] | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """Run the drivers of all sources, or of `only` those with these names, beside the block; `judge` hears what they say.

    Yields their task, which ends only where it must. Raises ConfigError.
    """
    known = sources(site_file)
    for name in only or ():
        if name not in known:
            raise ConfigError(f"found no meter {name!r} in the site file, allowed is one of {one_of(known, name)}")

    def publish(item: Sample | Loss) -> None:
        reasons = judge.hear(item).reasons[item.meter]
        known[item.meter] = known[item.meter].taken(item, reasons)
        hear(known[item.meter])

    # What the drivers log of losses stands in the table, too.
    logging.getLogger().addHandler(logging.NullHandler())
    running = asyncio.create_task(run_drivers(drivers(site_file, publish, only), publish), name="drivers")
    try:
        yield running
    finally:
        await end([running])
        if not running.cancelled():
            running.result()


async def read_once(site_file: SiteFile, judge: Judge, within_s: float) -> dict[str, Source]:
    """Return every source after its first reading; those that have said nothing within the deadline say so."""
    seen = sources(site_file)
    heard = asyncio.Event()

    def hear(source: Source) -> None:
        seen[source.name] = source
        heard.set()

    async with reading(site_file, hear, judge) as running:
        running.add_done_callback(lambda _: heard.set())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not (running.done() or all(_said(source) for source in seen.values())):
                    heard.clear()
                    await heard.wait()
                if any(source.expects is None for source in seen.values()):
                    await asyncio.sleep(_REST_S)
    return seen


def _said(source: Source) -> bool:
    return not source.trying and (source.complete or source.lost not in {"", NOT_HEARD})
