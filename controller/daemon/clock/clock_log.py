"""The log and the record of the wall clock: once when orders end by it no more, and once when they do again."""

from __future__ import annotations

import logging

from controller.core.reasons import Code
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.plain import plain
from controller.daemon.utc import Utc
from controller.texts.english import text

_log = logging.getLogger(__name__)


class ClockLog:
    """Compares each look with the one before; for the tick's thread."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._said: Code | None = None

    def observe(self, utc: Utc) -> None:
        """Log and record what has changed."""
        code = None if utc.doubt is None else utc.doubt.code
        if code is self._said:
            return
        self._said = code
        if utc.doubt is None:
            _log.info("the wall clock is trusted: orders end by it", extra={"event": "clock_trusted"})
            self._journal.post(RecordKind.CLOCK, {"trusted": True, "why": "", "reasons": []})
            return
        why = text(utc.doubt)
        _log.warning(
            "no order ends by the clock: %s", why, extra={"event": "clock_doubted", "code": utc.doubt.code.value}
        )
        self._journal.post(RecordKind.CLOCK, {"trusted": False, "why": why, "reasons": plain((utc.doubt,))})
