"""The running site: tick, meter drivers and what serves it, over the fleet that is led already. Slow to import."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from controller.core.allocation.tables import make_tables
from controller.core.decision import Decision
from controller.core.safe import safe_step
from controller.core.site import Site, SurplusModel
from controller.core.state import State, initial_state
from controller.core.step import step
from controller.daemon.access import Tokens
from controller.daemon.alarm import Alarm
from controller.daemon.clock.anchor_file import ANCHOR, AnchorFile
from controller.daemon.clock.desk import ClockDesk
from controller.daemon.clock.wall_clock import WallClock
from controller.daemon.contactors.resets import ResetDesk
from controller.daemon.contactors.switchboard import Switchboard, coil_port, keepers_of
from controller.daemon.contactors.trips import TripRecorder, open_trips
from controller.daemon.demand_memory import DEMAND, DemandMemory
from controller.daemon.desks import Desks
from controller.daemon.events.changes import Changes
from controller.daemon.events.feed import Feed
from controller.daemon.families.device_series import DeviceDetail
from controller.daemon.families.terms import SiteTerms
from controller.daemon.fleet.fleet import Fleet
from controller.daemon.health import health, readiness
from controller.daemon.holding import Holding
from controller.daemon.house_memory import HOUSE, HouseMemory
from controller.daemon.latest import Latest
from controller.daemon.mailbox import Mailbox
from controller.daemon.meters.drivers import drivers
from controller.daemon.meters.supervision import Sources
from controller.daemon.metrics import Metrics
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.intake import OrderIntake
from controller.daemon.orders.memory import Memory
from controller.daemon.people.locks import LockDesk
from controller.daemon.people.meters import MeterDesk
from controller.daemon.people.stop import StopDesk
from controller.daemon.recorder import Recorder
from controller.daemon.reload.desk import ReloadDesk
from controller.daemon.reload.takeover import Takeover
from controller.daemon.service import Health, Serve, Service
from controller.daemon.snapshots import Snapshots
from controller.daemon.status import make_latest
from controller.daemon.tick import Tick, Ticker
from controller.daemon.tokens import make_tokens
from controller.site.changes import read_as
from controller.site.compile import contactors_in_order
from controller.site.model import SiteFile
from drivers.clock import boottime_s
from drivers.notify import Notifier

_log = logging.getLogger(__name__)

#: How often it is looked whether the anchor of the wall clock has changed.
_KEPT_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What runs beside the fleet: meter drivers, contactors, the tick, the wall clock, systemd, what is served."""

    sources: Sources
    switchboard: Switchboard
    ticker: Ticker
    wall_clock: WallClock
    house: HouseMemory
    demand: DemandMemory
    notifier: Notifier
    service: Service


async def operate(
    site_file: SiteFile,
    site: Site,
    memory: Memory,
    fleet: Fleet,
    reloads: ReloadDesk,
    stop: asyncio.Event,
    serve: Serve,
) -> None:
    """Run the site until `stop` is set; the leases that run then end by themselves. `serve` shows it to the outside.

    SIGHUP has `reloads` take the site file over.

    Raises ConfigError where a profile, a token or the HTTP address cannot be used.
    """
    parts, listen = _assemble(site_file, site, memory, fleet, reloads), site_file.http.listen
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    http = asyncio.create_task(serve(parts.service, listen.host, listen.port, listening.set_result), name="http")
    sources = asyncio.create_task(parts.sources.run(), name="sources")
    contactors = asyncio.create_task(parts.switchboard.run(), name="contactors")
    anchor = asyncio.create_task(_keep(parts), name="kept")
    either: set[asyncio.Future[Any]] = {http, listening}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    _settle_memory()
    try:
        # The first tick tells systemd that the daemon is ready: not one that nobody can reach.
        if not http.done():
            parts.ticker.start()
            await asyncio.to_thread(reloads.keep)
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, reloads.reload_by_signal))
            _log.info("up", extra={"event": "up", "site": site.id, "http": f"{listen.host}:{listening.result()}"})
        await _until(stop, http, sources, contactors, anchor)
    finally:
        parts.notifier.stopping()
        parts.ticker.stop()
        await _cancel(sources, contactors, http, anchor)
        parts.wall_clock.store()
        parts.demand.store(parts.service.decision(), at_once=True)
        parts.notifier.close()


def _settle_memory() -> None:
    """Have what stands now, to the end of the process, never be looked through again while the tick waits."""
    gc.collect()
    gc.freeze()


def _assemble(site_file: SiteFile, site: Site, memory: Memory, fleet: Fleet, reloads: ReloadDesk) -> _Parts:
    journal, book = memory.journal, memory.book
    alarm, notifier, feed = Alarm(site_file.tick_s), Notifier(), Feed(journal)
    mailbox = Mailbox(alarm.wake, rises=site.rules.surplus_model is SurplusModel.HEADROOM)
    book.on_binding = fleet.on_lost = alarm.wake
    latest = make_latest(site, lambda: recorder.latest, fleet)
    detail = DeviceDetail(site_file.metrics.devices)
    terms = SiteTerms.of(site_file)
    holding = Holding()
    metrics = Metrics(site, latest, book, journal, terms=terms, holding=holding, detail=detail, shed=fleet.shed_reports)
    fleet.on_refused = lambda reason: metrics.refused("fleet", reason.code)
    keepers = keepers_of(contactors_in_order(site_file, site.tree), coil_port)
    switchboard = Switchboard(site, keepers, fleet.contactors)
    trips = open_trips(journal, site)
    wall_clock = WallClock(site, AnchorFile(site_file.state / ANCHOR), agents=fleet.clocks)
    desks = _desks(site, memory, wall_clock, reloads, lambda: _Now(recorder, site_file.tick_s))
    snapshots = Snapshots(mailbox, fleet, book, switchboard, desks, wall_clock)
    recorder = Recorder(
        fleet=fleet, book=book, journal=journal, metrics=metrics, notifier=notifier, wall_clock=wall_clock, site=site,
        holding=holding,
        changes=Changes(feed, site, holding=holding, locks=lambda: desks.locks.held, head=fleet.head_token),
        switch=_switching(switchboard, TripRecorder(journal, site, trips), desks),
        besides=reloads.findings,
    )  # fmt: skip
    house = HouseMemory(site_file.state / HOUSE, site)
    demand = DemandMemory(site_file.state / DEMAND, lambda: read_as(reloads.running))
    state = initial_state(site, boottime_s(), trips, house.read(), desks.meters.held, demand.read())
    ticker = _make_ticker(alarm, state, site, snapshots, recorder)
    sources = Sources(drivers(site_file, mailbox.publish), mailbox.publish)
    service = _make_service(
        site_file, site, book, recorder, wall_clock, latest, metrics, desks, feed, reloads, fleet.head_token
    )
    reloads.prepare = Takeover(service, ticker, sources, mailbox.publish, metrics, house).prepare
    return _Parts(
        sources=sources, switchboard=switchboard, ticker=ticker, notifier=notifier, wall_clock=wall_clock, house=house,
        demand=demand, service=service,
    )  # fmt: skip


def _desks(site: Site, memory: Memory, wall_clock: WallClock, reloads: ReloadDesk, now: Callable[[], _Now]) -> Desks:
    journal = memory.journal
    return Desks(
        resets=ResetDesk(site=site, journal=journal, decision=lambda: now().decision_now()),
        meters=MeterDesk(
            site=site, journal=journal, tick=lambda: now().tick_now(), read_as=lambda: read_as(reloads.running)
        ),
        locks=LockDesk(site=site, journal=journal, certainty=memory.locks, utc=time.time),
        stops=StopDesk(site=site, journal=journal, utc=time.time),
        clock=ClockDesk(wall_clock, journal),
    )


def _make_ticker(alarm: Alarm, state: State, site: Site, snapshots: Snapshots, recorder: Recorder) -> Ticker:
    return Ticker(
        alarm=alarm,
        state=state,
        step=partial(step, make_tables(site)),
        safe_step=partial(safe_step, site),
        take=snapshots.take,
        act=recorder.act,
    )


async def _keep(parts: _Parts) -> None:
    """Write down what a start has to know, soon after it has changed; the tick waits for no disk."""
    while True:
        await asyncio.to_thread(parts.wall_clock.store)
        decision = parts.service.decision_now()
        await asyncio.to_thread(parts.house.store, decision)
        await asyncio.to_thread(parts.demand.store, decision)
        await asyncio.sleep(_KEPT_S)


def _switching(switchboard: Switchboard, trips: TripRecorder, desks: Desks) -> Callable[[Decision], None]:
    """Return what becomes of contactors and of what people have asked for: contactors are told first, and no disk is waited for."""

    def switch(decision: Decision) -> None:
        switchboard.tell(decision)
        trips.observe(decision)
        desks.resets.observe(decision)
        desks.meters.observe(decision)

    return switch


@dataclass(frozen=True, slots=True)
class _Now:
    """What is known of now, by a recorder of ticks of this period."""

    recorder: Recorder
    period_s: float

    def decision(self) -> Decision | None:
        return self.recorder.latest.decision if self.recorder.latest else None

    def tick_now(self) -> Tick | None:
        return self.recorder.latest if self.health().ok else None

    def health(self) -> Health:
        return health(self.recorder, self.period_s)

    def decision_now(self) -> Decision | None:
        return self.decision() if self.health().ok else None


def _make_service(
    site_file: SiteFile,
    site: Site,
    book: OrderBook,
    recorder: Recorder,
    wall_clock: WallClock,
    latest: Latest,
    metrics: Metrics,
    desks: Desks,
    feed: Feed,
    reloads: ReloadDesk,
    head: Callable[[], str | None],
) -> Service:
    now, utc = _Now(recorder, site_file.tick_s), lambda: wall_clock.utc
    intake = OrderIntake(site=site, book=book, decision=now.decision_now, utc=utc, hear=wall_clock.hear, head=head)
    return Service(
        site=site,
        book=book,
        intake=intake,
        desks=desks,
        feed=feed,
        course=recorder.course,
        holding=recorder.holding,
        currency=lambda: reloads.running.site_file.economics.tariff.currency,
        head=head,
        reloads=reloads,
        tokens=Tokens(make_tokens(site_file.orders.tokens)),
        proxies=frozenset(site_file.http.trusted_proxies),
        latest=latest,
        decision=now.decision,
        decision_now=now.decision_now,
        health=now.health,
        readiness=partial(readiness, site, recorder, site_file.tick_s),
        utc=utc,
        metrics=metrics.chunks,
        metric_pages=metrics.pages,
        refused=partial(metrics.refused, "http"),
        answered=partial(metrics.answered, "http"),
    )


async def _until(stop: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
    """Wait for `stop`, or for a task that ends before it, and raise what ended it."""
    stopped = asyncio.create_task(stop.wait(), name="stop")
    done, _ = await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for task in done - {stopped}:
        task.result()


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
