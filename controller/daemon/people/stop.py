"""The stop of a whole site: all at failsafe until an operator resumes it, kept over restarts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.daemon.access import Principal
from controller.daemon.journal.journal import STORED_S, Journal, Pending, RecordKind

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAnswer:
    """`stopped`: how it is now. `durable`: that is on the disk. `again`: it was so before."""

    stopped: bool
    durable: bool
    again: bool


class StopDesk:
    """Stops a site and resumes it; `reason` is one attribute read: why the site is stopped, None while it is not."""

    def __init__(self, *, site: Site, journal: Journal, utc: Callable[[], float]) -> None:
        """Replay the journal: the newest record tells; one that cannot be understood is a stop."""
        self._root, self._journal, self._utc = site.tree.ids[0], journal, utc
        self._one = threading.Lock()
        self._pending: Pending | None = None
        self._resuming: list[Reason] = []
        self.reason: Reason | None = None
        for record in journal.records(RecordKind.STOP, RecordKind.RESUME):
            by, why = record.body.get("by", "nobody known"), record.body.get("reason", "no reason on record")
            self.reason = None if record.kind == RecordKind.RESUME else self._stopped(str(by), str(why))

    def stop(self, reason: str, operator: Principal, within_s: float = STORED_S) -> StopAnswer:
        """Stop the site; it counts from the next tick on, whether or not the disk takes it, which has `within_s` for that."""
        with self._one:
            # One that is being resumed is over as soon as the disk has that: this is another one, and behind it on the disk.
            again = self.reason is not None and not any(self.reason is resumed for resumed in self._resuming)
            if not again:
                body = {"by": operator.name, "reason": reason, "utc_s": self._utc()}
                self._pending = self._journal.post(RecordKind.STOP, body)
                self.reason = self._stopped(operator.name, reason)
        if not again:
            extra = {"event": "site_stopped", "by": operator.name}
            _log.warning("the site is stopped by %s: %s", operator.name, reason, extra=extra)
        return StopAnswer(stopped=True, durable=self.durable(within_s), again=again)

    def resume(self, reason: str, operator: Principal) -> StopAnswer:
        """Let the site rise again, on the disk first; JournalUnusable: it stays stopped."""
        with self._one:
            stopped = self.reason
            if stopped is None:
                return StopAnswer(stopped=False, durable=True, again=True)
            body = {"by": operator.name, "reason": reason, "utc_s": self._utc()}
            # Before a stop that comes meanwhile, on the disk too; whoever stops the site does not wait for it.
            resuming = self._journal.offer(RecordKind.RESUME, body)
            self._resuming.append(stopped)
        try:
            resuming.stored()
            with self._one:
                resumed = self.reason is stopped
                if resumed:
                    self.reason, self._pending = None, None
        finally:
            with self._one:
                self._resuming.remove(stopped)
        if resumed:
            extra = {"event": "site_resumed", "by": operator.name}
            _log.warning("the site is resumed by %s: %s", operator.name, reason, extra=extra)
        stopped_anew = self.reason is not None
        return StopAnswer(stopped=stopped_anew, durable=not stopped_anew or self.durable(STORED_S), again=False)

    def durable(self, within_s: float = 0.0) -> bool:
        """Return whether the stop, if there is one, is on the disk, after waiting for the first attempt."""
        pending = self._pending
        return pending is None or pending.durable(within_s)

    def _stopped(self, by: str, why: str) -> Reason:
        return Reason(Code.SITE_STOPPED, self._root, {"by": by, "why": why})
