"""The running site: tick, meter drivers and what serves it, over the fleet that is led already. Slow to import."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from controller.core.allocation.tables import make_tables
from controller.core.decision import Decision
from controller.core.safe import safe_step
from controller.core.site import Site
from controller.core.state import initial_state
from controller.core.step import step
from controller.daemon.fleet.fleet import Fleet
from controller.daemon.health import health, readiness
from controller.daemon.journal.journal import Journal
from controller.daemon.latest import Latest
from controller.daemon.mailbox import Mailbox
from controller.daemon.meters.drivers import drivers
from controller.daemon.meters.supervision import Driver, run_drivers
from controller.daemon.metrics import Metrics
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.intake import OrderIntake
from controller.daemon.recorder import Recorder
from controller.daemon.service import Serve, Service
from controller.daemon.snapshots import Snapshots
from controller.daemon.status import make_latest
from controller.daemon.tick import Ticker
from controller.daemon.tokens import make_tokens
from controller.site.model import SiteFile
from drivers.clock import boottime_s
from drivers.notify import Notifier

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What runs beside the fleet: the meters' drivers, the mailbox that they fill, the tick, what systemd is told, and what is served."""

    drivers: tuple[Driver, ...]
    mailbox: Mailbox
    ticker: Ticker
    notifier: Notifier
    service: Service


async def operate(
    site_file: SiteFile,
    site: Site,
    journal: Journal,
    book: OrderBook,
    fleet: Fleet,
    stop: asyncio.Event,
    serve: Serve,
) -> None:
    """Run the site until `stop` is set; the leases that run then end by themselves. `serve` shows it to the outside.

    Raises ConfigError where a profile, a token or the HTTP address cannot be used.
    """
    parts, listen = _assemble(site_file, site, journal, book, fleet), site_file.http.listen
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    http = asyncio.create_task(serve(parts.service, listen.host, listen.port, listening.set_result), name="http")
    sources = asyncio.create_task(run_drivers(parts.drivers, parts.mailbox.publish), name="sources")
    either: set[asyncio.Future[Any]] = {http, listening}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    parts.ticker.start()
    try:
        if not http.done():
            _log.info("up", extra={"event": "up", "site": site.id, "http": f"{listen.host}:{listening.result()}"})
        await _until(stop, http, sources)
    finally:
        parts.notifier.stopping()
        parts.ticker.stop()
        await _cancel(sources, http)
        parts.notifier.close()


def _assemble(site_file: SiteFile, site: Site, journal: Journal, book: OrderBook, fleet: Fleet) -> _Parts:
    mailbox, notifier = Mailbox(), Notifier()
    latest = make_latest(site, lambda: recorder.latest, fleet)
    metrics = Metrics(site, latest, book, journal)
    fleet.on_refused = lambda reason: metrics.refused("fleet", reason.code)
    snapshots = Snapshots(site, mailbox, fleet, book)
    recorder = Recorder(
        fleet=fleet, book=book, journal=journal, metrics=metrics, notifier=notifier, snapshots=snapshots, site=site
    )
    ticker = Ticker(
        period_s=site_file.tick_s,
        state=initial_state(site, boottime_s()),
        step=partial(step, make_tables(site)),
        safe_step=partial(safe_step, site),
        take=snapshots.take,
        act=recorder.act,
    )
    return _Parts(
        drivers=drivers(site_file, mailbox.publish),
        mailbox=mailbox,
        ticker=ticker,
        notifier=notifier,
        service=_make_service(site_file, site, book, recorder, snapshots, latest, metrics, fleet.head_token),
    )


def _make_service(
    site_file: SiteFile,
    site: Site,
    book: OrderBook,
    recorder: Recorder,
    snapshots: Snapshots,
    latest: Latest,
    metrics: Metrics,
    head: Callable[[], str | None],
) -> Service:
    def decision() -> Decision | None:
        return recorder.latest.decision if recorder.latest else None

    health_now = partial(health, recorder, site_file.tick_s)

    def decision_now() -> Decision | None:
        return decision() if health_now().ok else None

    intake = OrderIntake(site=site, book=book, decision=decision_now, utc=lambda: snapshots.utc, head=head)
    return Service(
        site=site,
        book=book,
        intake=intake,
        tokens=make_tokens(site_file.orders.tokens),
        proxies=frozenset(site_file.http.trusted_proxies),
        latest=latest,
        decision=decision,
        decision_now=decision_now,
        health=health_now,
        readiness=partial(readiness, site, recorder, site_file.tick_s),
        utc=lambda: snapshots.utc,
        metrics=metrics.render,
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
