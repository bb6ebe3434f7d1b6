"""Where a person asks a running daemon to take over its site file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from controller.core.reasons import Code, Reason
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.reload.beginning import Beginning, some, wrong
from controller.daemon.reload.kept import KeptSite
from controller.site.changes import differences, taking
from controller.site.loaded import LoadedSite, read_site
from drivers.errors import ConfigError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A site that is ready to be taken over. `tokens`: names of those whose secret is another one.

    `take_over` lets it count; TimeoutError where no tick has taken it within some seconds.
    """

    tokens: tuple[str, ...]
    take_over: Callable[[], None]


#: Works out all that a site of the same structure needs to run, and changes nothing; ConfigError where it cannot.
Prepare = Callable[[LoadedSite, tuple[str, ...]], Prepared]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadAnswer:
    """`taken`: what counts now, `waiting`: what does from the next start on; both as places of the site file."""

    taken: tuple[str, ...]
    waiting: tuple[str, ...]


class ReloadRefused(Exception):
    """Nothing was changed; `lines`: why, each in a line. `in_file`: the site file is wrong."""

    def __init__(self, lines: str, *, in_file: bool) -> None:
        super().__init__(lines)
        self.lines, self.in_file = tuple(lines.splitlines()), in_file


class ReloadDesk:
    """Takes the site file over; `reason` is one attribute read: why it is not what runs, None where it is."""

    def __init__(self, *, root: str, beginning: Beginning, kept: KeptSite, journal: Journal) -> None:
        """`root`: id of the site's root node. `beginning`: what runs since the start."""
        self._root, self._running, self._kept, self._journal = root, beginning.site, kept, journal
        self._one = threading.Lock()
        self.prepare: Prepare | None = None
        self.reason: Reason | None = self._not_taken(beginning.not_taken)

    def _not_taken(self, why: str) -> Reason | None:
        return Reason(Code.SITE_FILE_NOT_TAKEN, self._root, {"why": why}) if why else None

    @property
    def running(self) -> LoadedSite:
        """The site file as it was last taken; one attribute read."""
        return self._running

    def findings(self) -> tuple[Reason, ...]:
        """Return the reason, if there is one."""
        reason = self.reason
        return () if reason is None else (reason,)

    def keep(self) -> None:
        """Keep what has begun to run, for a start that nobody wants; where that cannot be, say so."""
        with self._one:
            try:
                self._kept.keep(self._running)
            except OSError as error:
                _log.warning(
                    "the site file cannot be kept: after a crash it counts as it stands then: %s", error,
                    extra={"event": "site_file_not_kept"},
                )  # fmt: skip

    def reload(self, by: str) -> ReloadAnswer:
        """Take the site file over, on the disk first; ReloadRefused, and nothing changed, where it is wrong or cannot be kept."""
        with self._one:
            try:
                return self._reload(by)
            except ReloadRefused as refused:
                if refused.in_file:
                    self.reason = self._not_taken(wrong("\n".join(refused.lines)))
                extra = {"event": "reload_refused", "by": by}
                _log.error("reload refused, and nothing changed: %s", "; ".join(refused.lines), extra=extra)
                raise

    def reload_by_signal(self) -> None:
        """Do the same for whoever has sent SIGHUP: the log has the answer."""
        try:
            self.reload("SIGHUP")
        except ReloadRefused:
            return  # it is in the log
        except Exception:  # noqa: BLE001  nobody else would hear of it
            _log.exception("the reload failed", extra={"event": "reload_failed"})

    def _reload(self, by: str) -> ReloadAnswer:
        if self.prepare is None:
            raise ReloadRefused("the daemon has just started: nothing can be taken over yet", in_file=False)
        try:
            new = read_site(self._running.path)
            site = taking(self._running, new)
            taken, waiting = differences(self._running, site), differences(site, new)
            prepared = self.prepare(site, taken)
        except ConfigError as error:
            raise ReloadRefused(str(error), in_file=True) from error
        try:
            self._kept.keep(site)
        except OSError as error:
            raise ReloadRefused(f"it cannot be kept: {error}", in_file=False) from error
        self._running = site
        secrets = (f"orders.tokens.{name}" for name in prepared.tokens)
        answer = ReloadAnswer(taken=tuple(dict.fromkeys((*taken, *secrets))), waiting=waiting)
        try:
            prepared.take_over()
        except TimeoutError:
            # It counts with the next tick, whenever that is.
            self._note(answer, by)
            raise
        self._note(answer, by)
        return answer

    def _note(self, answer: ReloadAnswer, by: str) -> None:
        waiting = some(answer.waiting)
        self.reason = self._not_taken(f"this waits for a restart: {waiting}" if waiting else "")
        self._journal.post(RecordKind.RELOAD, {"by": by, "taken": list(answer.taken), "waiting": list(answer.waiting)})
        extra = {"event": "reloaded", "by": by, "taken": list(answer.taken), "waiting": list(answer.waiting)}
        _log.warning(
            "the site file was reloaded; taken: %s; waits for a restart: %s",
            some(answer.taken) or "nothing", waiting or "nothing", extra=extra,
        )  # fmt: skip
