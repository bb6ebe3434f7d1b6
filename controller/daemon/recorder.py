"""What becomes of a tick: leases to the fleet, the record in the journal, the figures, the watchdog."""

from __future__ import annotations

import logging

from controller.core.decision import Decision
from controller.core.snapshot import Snapshot
from controller.daemon.fleet.fleet import Fleet
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.mailbox import Board
from controller.daemon.metrics import Metrics
from controller.daemon.notify import Notifier
from controller.daemon.orders.book import OrderBook
from controller.daemon.tick import Tick
from controller.daemon.utc import Utc, UtcJudge
from drivers.clock import Clock, boottime_s
from drivers.quantities import format_power

_log = logging.getLogger(__name__)

#: A decision is put on record at least this often, and whenever the mode, the binding limit of the site, or whether
#: limits come before minimum times changes.
RECORD_S = 600.0


class Looker:
    """Makes the snapshot of a tick out of the newest columns."""

    def __init__(self, board: Board, fleet: Fleet, book: OrderBook, clock: Clock = boottime_s) -> None:
        self._board, self._fleet, self._book, self._clock = board, fleet, book, clock
        self._judge = UtcJudge(clock=clock)
        self.utc: Utc = self._judge.look()

    def look(self) -> Snapshot:
        """Return all that the core is to know now."""
        self.utc = self._judge.look()
        return Snapshot(
            now_s=self._clock(),
            utc_s=self.utc.utc_s,
            utc_trusted=self.utc.trusted,
            meters=self._board.meters(),
            surplus=self._board.surplus(),
            fleet=self._fleet.columns(),
            link_lost_s=self._fleet.link_lost_s,
            orders=self._book.limits(),
            orders_unsure=self._book.unsure or "",
        )


class Recorder:
    """Hands on what a tick has decided; every call returns at once.

    `latest`: the newest tick, None before the first. `ended_s`: when it was handed on.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        book: OrderBook,
        journal: Journal,
        metrics: Metrics,
        notifier: Notifier,
        looker: Looker,
        clock: Clock = boottime_s,
    ) -> None:
        self._fleet, self._book, self._journal = fleet, book, journal
        self._metrics, self._notifier, self._looker, self._clock = metrics, notifier, looker, clock
        self._recorded: Decision | None = None
        self.latest: Tick | None = None
        self.ended_s = float("-inf")

    def act(self, tick: Tick) -> None:
        """Send the leases first, then tell everyone else; with the first tick handed on, the daemon is ready."""
        decision, utc = tick.decision, self._looker.utc
        self._fleet.send(decision)
        self._book.observe(decision.orders_in_force, utc_s=utc.utc_s, utc_trusted=utc.trusted)
        self._metrics.observe_tick(decision, tick.duration_s)
        self._note_mode(decision)
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
        _log.warning(
            "mode %s%s", decision.mode, f": {decision.reason}" if decision.reason else "",
            extra={"event": "mode", "mode": decision.mode.value, "before": before.value if before else None},
        )  # fmt: skip
        self._journal.post(RecordKind.MODE, {"mode": decision.mode.value, "reason": decision.reason})
        self._notifier.status(
            f"{decision.mode} {decision.reason} envelope {format_power(float(decision.envelope_w[0]))}"
        )

    def _record(self, decision: Decision) -> None:
        last = self._recorded
        if last is not None and decision.at_s - last.at_s < RECORD_S and _kind(last) == _kind(decision):
            return
        self._recorded = decision
        self._journal.post(RecordKind.DECISION, _summary(decision))


def _kind(decision: Decision) -> tuple[str, str, bool]:
    return decision.mode.value, decision.binding[0], decision.overruled != ""


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
        "orders": list(decision.orders_in_force),
        "overruled": decision.overruled,
    }
