"""The log of what speaks against the sources: once when it begins, and once when nothing does any more."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from controller.core.reasons import Code, Reason
from controller.daemon.tick import Tick
from controller.texts.english import predicate

_log = logging.getLogger(__name__)

#: What the driver of a source logs itself, with the same once and once again.
_OF_DRIVERS: Final = frozenset(
    {Code.METER_NEVER_READ, Code.SURPLUS_NEVER_READ, Code.METER_SILENT, Code.SOURCE_LOST}
    | {Code.SAMPLE_INVALID, Code.SAMPLE_DOUBTED, Code.SAMPLE_NOT_FINITE, Code.SAMPLE_ALL_ZERO}
)


class SourceLog:
    """Compares each tick with the one before; for the tick's thread."""

    def __init__(self) -> None:
        self._said: dict[str, frozenset[Code]] = {}
        self._falls: dict[str, int] = {}

    def observe(self, tick: Tick) -> None:
        """Log what has changed."""
        for name, reasons in tick.decision.sources.items():
            self._compare(name, [reason for reason in reasons if reason.code not in _OF_DRIVERS])
        for name, source in tick.trust.sources.items():
            if source.balance.falls > self._falls.get(name, 0):
                _log.warning(
                    "meter %s: an energy counter fell: it was reset, is a partial one, or has counted over", name,
                    extra={"event": "counter_fell", "meter": name},
                )  # fmt: skip
            self._falls[name] = source.balance.falls

    def _compare(self, name: str, reasons: Iterable[Reason]) -> None:
        codes, before = frozenset(reason.code for reason in reasons), self._said.get(name, frozenset())
        if codes == before:
            return
        self._said[name] = codes
        if not codes:
            _log.info("meter %s is believed again", name, extra={"event": "meter_believed", "meter": name})
            return
        words = "; it ".join(predicate(reason) for reason in reasons)
        extra = {"event": "meter_doubted", "meter": name, "codes": sorted(codes)}
        _log.warning("meter %s %s", name, words, extra=extra)
