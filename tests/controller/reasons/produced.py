"""What a scenario has made the real core or daemon say, and the series that it left in the metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path

import numpy as np

from controller.core.decision import Decision
from controller.core.reasons import Reason
from controller.core.site import SURPLUS, Site
from controller.daemon.holding import Holding
from controller.daemon.latest import DeviceColumns, Latest
from controller.daemon.metrics import Metrics
from controller.daemon.orders.book import OrderBook
from controller.daemon.site_log import SiteLog
from controller.daemon.tick import Tick
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.north import make_terms, observe


class Way(Enum):
    """How a reason comes out: it holds for a time, or refuses something, or stands in an answer."""

    HELD = auto()
    REFUSED = auto()
    ANSWERED = auto()


@dataclass(frozen=True, kw_only=True)
class Produced:
    """`series`: code and subject of every ``surplusd_reason`` after it. `issuers`: who has sent orders."""

    way: Way
    reasons: tuple[Reason, ...]
    site: Site
    series: frozenset[tuple[str, str]] = frozenset()
    issuers: frozenset[str] = frozenset()

    @property
    def subjects(self) -> frozenset[str]:
        """All that a reason may be about."""
        site = self.site
        return frozenset({*site.tree.ids, *site.meters.ids, SURPLUS, *site.agents}) | self.issuers


#: Gets an empty folder.
Scenario = Callable[[Path], Produced]


def series_of(metrics: Metrics) -> frozenset[tuple[str, str]]:
    """Return code and subject of every reason that Prometheus would get."""
    (family,) = (family for family in metrics.collect() if family.name == "surplusd_reason")
    return frozenset((sample.labels["code"], sample.labels["subject"]) for sample in family.samples)


def held(site: Site, folder: Path, tick: Tick | None, reasons: Iterable[Reason], age_s: float = 0.0) -> Produced:
    """Return what holds `age_s` after a tick; None: before the first."""
    journal = journal_at(folder / "metrics.db")
    try:
        nothing = np.zeros(len(site.devices.ids))
        off = nothing.astype(np.int64)
        latest = Latest(meters=dict, agents=dict, devices=lambda: DeviceColumns(measured_w=nothing, state=off))
        now_s = age_s + (tick.decision.at_s if tick else 0.0)
        metrics = Metrics(
            site, latest, OrderBook(journal, site), journal, terms=make_terms(), holding=Holding(), clock=lambda: now_s
        )
        if tick is not None:
            observe(metrics, tick)
            _logged_until_over(site, tick.decision)
        return Produced(way=Way.HELD, reasons=tuple(reasons), site=site, series=series_of(metrics))
    finally:
        journal.close()


def _logged_until_over(site: Site, decision: Decision) -> None:
    """Have every warning said, and then that it is over: one without words for that would fail the tick in which it ends."""
    log = SiteLog(site)
    log.observe(decision)
    log.observe(replace(decision, warnings=()))
