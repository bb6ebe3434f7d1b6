"""The running site: tick, meter drivers and what serves it, over the fleet that is led already. Slow to import."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, Final

from controller.core.allocation.tables import make_tables
from controller.core.decision import Decision
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.safe import safe_step
from controller.core.site import Site
from controller.core.state import initial_state
from controller.core.step import step
from controller.daemon.access import make_token
from controller.daemon.fleet.fleet import Fleet
from controller.daemon.journal.journal import Journal
from controller.daemon.mailbox import Mailbox
from controller.daemon.meters.drivers import drivers, run_drivers
from controller.daemon.metrics import Metrics
from controller.daemon.notify import Notifier
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.intake import OrderIntake
from controller.daemon.recorder import Recorder
from controller.daemon.service import Health, Readiness, Serve, Service
from controller.daemon.snapshots import Snapshots
from controller.daemon.status import make_latest
from controller.daemon.tick import Ticker
from controller.site.model import SiteFile
from controller.texts.english import text, texts
from drivers.clock import boottime_s

_log = logging.getLogger(__name__)

#: The tick is taken for hung when it is later than so many periods, and than so many seconds.
_HUNG_PERIODS: Final = 5
_HUNG_S: Final = 5.0


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
    mailbox, notifier = Mailbox(), Notifier()
    made = drivers(site_file, mailbox.publish)
    latest = make_latest(site, lambda: recorder.latest, fleet)
    metrics = Metrics(site, latest, book, journal)
    fleet.on_refused = partial(metrics.refused, "fleet")
    snapshots = Snapshots(site, mailbox, fleet, book)
    recorder = Recorder(
        fleet=fleet, book=book, journal=journal, metrics=metrics, notifier=notifier, snapshots=snapshots
    )
    ticker = Ticker(
        period_s=site_file.tick_s,
        state=initial_state(site, boottime_s()),
        step=partial(step, make_tables(site)),
        safe_step=partial(safe_step, site),
        take=snapshots.take,
        act=recorder.act,
    )

    def newest() -> Decision | None:
        return recorder.latest.decision if recorder.latest else None

    health = partial(_health, recorder, site_file.tick_s)
    intake = OrderIntake(site=site, book=book, decision=newest, fresh=lambda: health().ok, utc=lambda: snapshots.utc)
    service = Service(
        site=site,
        book=book,
        intake=intake,
        tokens=tuple(make_token(token) for token in site_file.orders.tokens),
        latest=latest,
        decision=newest,
        health=health,
        readiness=partial(_readiness, recorder),
        utc=lambda: snapshots.utc,
        metrics=metrics.render,
        refused=partial(metrics.refused, "http"),
    )
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    listen = site_file.http.listen
    http = asyncio.create_task(serve(service, listen.host, listen.port, listening.set_result), name="http")
    sources = asyncio.create_task(run_drivers(made), name="sources")
    either: set[asyncio.Future[Any]] = {http, listening}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    ticker.start()
    try:
        if not http.done():
            _log.info("up", extra={"event": "up", "site": site.id, "http": f"{listen.host}:{listening.result()}"})
        await _until(stop, http, sources)
    finally:
        notifier.stopping()
        ticker.stop()
        await _cancel(sources, http)
        notifier.close()


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


def _health(recorder: Recorder, period_s: float) -> Health:
    if recorder.latest is None:
        return Health(ok=False, tick_age_s=None)
    age_s = boottime_s() - recorder.ended_s
    return Health(ok=age_s <= max(_HUNG_S, _HUNG_PERIODS * period_s), tick_age_s=age_s)


def _readiness(recorder: Recorder) -> Readiness:
    if recorder.latest is None:
        return Readiness(ready=False, reason=text(Reason(Code.NO_TICK, "")))
    decision = recorder.latest.decision
    return Readiness(
        ready=decision.mode is not Mode.INIT, reason=texts(decision.reasons) if decision.mode is Mode.INIT else ""
    )
