"""What becomes of a tick: leases to the fleet, the record in the journal, the figures, the watchdog."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from controller.core.decision import Decision
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.daemon.clock.clock_log import ClockLog
from controller.daemon.clock.wall_clock import WallClock
from controller.daemon.course import PowerCourse
from controller.daemon.events.changes import Changes
from controller.daemon.fleet.fleet import Fleet
from controller.daemon.holding import Holding
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.metrics import Metrics
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.causes import Causes
from controller.daemon.orders.records import ComesTo, OrderKey
from controller.daemon.plain import plain
from controller.daemon.site_log import SiteLog
from controller.daemon.source_log import SourceLog
from controller.daemon.tick import Tick
from controller.texts.english import texts
from drivers.clock import Clock, boottime_s
from drivers.notify import Notifier
from drivers.quantities import format_power

_log = logging.getLogger(__name__)

#: A decision is put on record at least this often, and whenever the mode, the binding limit of the site, or which sort of
#: minimum times limits come before changes.
RECORD_S = 600.0
#: How an order is kept is put on record no more often than this, for a power that wavers about its limit.
COMPLIANCE_S = 10.0
#: Which revision of an order is kept or not, and by whom not.
_Kept: TypeAlias = tuple[int, Compliance, frozenset[tuple[Code, str]]]


class Recorder:
    """Hands on what a tick has decided; every call returns at once. `switch`: has the contactors as they are wanted. `besides`: reasons that hold and are no tick's.

    `latest`: the newest tick, None before the first. `ended_s`: when it was handed on. `course`: what is kept of all ticks. `holding`: told first of each
    tick what holds, so that all others find it there.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        book: OrderBook,
        journal: Journal,
        metrics: Metrics,
        notifier: Notifier,
        wall_clock: WallClock,
        site: Site,
        changes: Changes,
        holding: Holding,
        switch: Callable[[Decision], None],
        besides: Callable[[], tuple[Reason, ...]] = tuple,
        clock: Clock = boottime_s,
    ) -> None:
        self._switch, self._changes, self._besides = switch, changes, besides
        self.course, self.holding = PowerCourse(), holding
        self._fleet, self._book, self._journal = fleet, book, journal
        self._metrics, self._notifier, self._wall_clock, self._clock = metrics, notifier, wall_clock, clock
        self._sources, self._site_log, self._site, self._causes = SourceLog(), SiteLog(site), site, Causes(site)
        self._clock_log = ClockLog(journal)
        self._compliance: dict[str, tuple[_Kept, float]] = {}
        self._over: frozenset[str] = frozenset()
        self._recorded: Decision | None = None
        self._told = ""
        self.latest: Tick | None = None
        self.ended_s = float("-inf")

    def act(self, tick: Tick) -> None:
        """Send the leases first, then tell everyone else; with the first tick handed on, the daemon is ready."""
        decision, utc = tick.decision, self._wall_clock.utc
        self._fleet.send(decision)
        self._switch(decision)
        come_to = {order.id: ComesTo(order.revision, order.final_w) for order in decision.orders}
        in_force = {name: come_to.get(name) for name in decision.orders_in_force}
        self._book.observe(in_force, utc_s=utc.utc_s, utc_trusted=utc.trusted)
        apart = (utc.doubt, *self._fleet.findings(), *self._besides(), self._book.unsure)
        self.holding.observe(decision, filter(None, apart), utc.utc_s)
        self._metrics.observe_tick(tick, utc)
        self._clock_log.observe(utc)
        self._sources.observe(tick)
        self._site_log.observe(decision)
        self._note_mode(decision)
        self._note_compliance(decision)
        self._note_over(decision)
        self._changes.observe(decision)
        self.course.observe(decision, utc.utc_s)
        self._tell_systemd(decision)
        self._record(decision)
        first = self.latest is None
        self.latest, self.ended_s = tick, self._clock()
        if first:
            self._notifier.ready()
        self._notifier.watchdog()

    def _note_mode(self, decision: Decision) -> None:
        before = self.latest.decision.mode if self.latest else None
        if decision.mode is before:
            return
        why = texts(decision.reasons)
        _log.warning(
            "mode %s%s", decision.mode, f": {why}" if why else "",
            extra={"event": "mode", "mode": decision.mode.value, "before": before.value if before else None},
        )  # fmt: skip
        record = {"mode": decision.mode.value, "reason": why, "reasons": plain(decision.reasons)}
        self._journal.post(RecordKind.MODE, record)

    def _note_compliance(self, decision: Decision) -> None:
        """Put on record whether each order in force is kept, and if not, who is in its way.

        That is whenever either changes, and no more often than is worth it.
        """
        before, self._compliance = self._compliance, {}
        for order in decision.orders:
            now, (known, noted_s) = self._kept_by(order, decision), before.get(order.id, (None, float("-inf")))
            if now == known or decision.at_s - noted_s < COMPLIANCE_S:
                self._compliance[order.id] = before[order.id]
                continue
            self._compliance[order.id] = now, decision.at_s
            self._journal.post(RecordKind.COMPLIANCE, self._kept(order, decision))

    def _kept_by(self, order: OrderNow, decision: Decision) -> _Kept:
        """Return which revision is kept, or not, and because of whom: not how many watts of theirs."""
        who = frozenset((each.code, each.subject) for each in self._causes.of(order, decision))
        return order.revision, order.compliance, who

    def _kept(self, order: OrderNow, decision: Decision) -> dict[str, object]:
        return {
            **OrderKey.of(order.id)._asdict(),
            "revision": order.revision,
            "node": self._site.tree.ids[order.node],
            "compliance": order.compliance.value,
            "limit_w": round(order.limit_w),
            "power_w": None if order.power_w is None else round(order.power_w),
            "shortfall_w": None if order.shortfall_w is None else round(order.shortfall_w),
            "achievable_w": round(order.achievable_w),
            "why": texts(why := self._causes.of(order, decision)),
            "reasons": plain(why),
        }

    def _note_over(self, decision: Decision) -> None:
        """Put on record that a node has been above its envelope for too long, and when it is not any more."""
        over = tuple(reason for reason in decision.warnings if reason.code is Code.OVER_ENVELOPE)
        nodes = frozenset(reason.subject for reason in over)
        if nodes != self._over:
            self._over = nodes
            self._journal.post(
                RecordKind.OVER_ENVELOPE, {"nodes": sorted(nodes), "why": texts(over), "reasons": plain(over)}
            )

    def _tell_systemd(self, decision: Decision) -> None:
        """Keep the line that ``systemctl status`` shows true, its figures too."""
        # What holds the site stands among the warnings as well.
        why = texts(dict.fromkeys((*decision.reasons, *decision.warnings)))
        line = f"{decision.mode} {why} envelope {format_power(float(decision.envelope_w[0]))}"
        if line != self._told:
            self._told = line
            self._notifier.status(line)

    def _record(self, decision: Decision) -> None:
        last = self._recorded
        if last is not None and decision.at_s - last.at_s < RECORD_S and _kind(last) == _kind(decision):
            return
        self._recorded = decision
        self._journal.post(RecordKind.DECISION, _summary(decision))


def _kind(decision: Decision) -> tuple[str, str, frozenset[Code]]:
    return decision.mode.value, decision.binding[0], frozenset(reason.code for reason in decision.overruled)


def _summary(decision: Decision) -> dict[str, object]:
    return {
        "seq": decision.seq,
        "mode": decision.mode.value,
        "binding": decision.binding[0],
        "envelope_w": round(float(decision.envelope_w[0])),
        "site_w": None if decision.site_w is None else round(decision.site_w),
        "planned_w": round(float(decision.planned_w[0])),
        "committed_w": round(float(decision.committed_w[0])),
        "infeasible": bool(decision.infeasible[0]),
        "achievable_w": round(float(decision.achievable_w[0])),
        "warnings": texts(decision.warnings),
        "orders": list(decision.orders_in_force),
        "overruled": texts(decision.overruled),
        "overruled_reasons": plain(decision.overruled),
    }
