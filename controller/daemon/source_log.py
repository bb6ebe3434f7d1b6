"""The log of what speaks against the sources: once when it begins, and once when nothing does any more."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from controller.core.reasons import Code, Reason
from controller.core.site import SURPLUS
from controller.daemon.tick import Tick
from controller.texts.english import text, texts

_log = logging.getLogger(__name__)

#: What the driver of a source logs itself, with the same once and once again.
_OF_DRIVERS: Final = frozenset(
    {Code.METER_NEVER_READ, Code.SURPLUS_NEVER_READ, Code.METER_SILENT, Code.SURPLUS_SILENT, Code.SOURCE_LOST}
    | {Code.SAMPLE_INVALID}
)


class SourceLog:
    """Compares each tick with the one before; for the tick's thread."""

    def __init__(self) -> None:
        self._said: dict[str, frozenset[Code]] = {}
        self._noted: dict[str, list[str]] = {}
        self._falls: dict[str, int] = {}

    def observe(self, tick: Tick) -> None:
        """Log what has changed."""
        for name, reasons in tick.decision.sources.items():
            self._compare(name, [each for each in reasons if each.code not in _OF_DRIVERS | {Code.VALUE_NOTED}])
            self._note(name, [text(each) for each in reasons if each.code is Code.VALUE_NOTED])
        for name, source in tick.trust.sources.items():
            if source.balance.falls > self._falls.get(name, 0):
                _log.warning(
                    "meter %s: an energy counter fell: it was reset, is a partial one, or has counted over", name,
                    extra={"event": "counter_fell", "meter": name},
                )  # fmt: skip
            self._falls[name] = source.balance.falls

    def _note(self, name: str, notes: list[str]) -> None:
        """Say once what a person should know about values that are used all the same."""
        if notes and notes != self._noted.get(name):
            _log.info("%s", "; ".join(notes), extra={"event": "meter_noted", "meter": name})
        self._noted[name] = notes

    def _compare(self, name: str, reasons: Iterable[Reason]) -> None:
        codes, before = frozenset(reason.code for reason in reasons), self._said.get(name, frozenset())
        if codes == before:
            return
        self._said[name] = codes
        if not codes:
            _log.info(
                "%s is believed again",
                "the surplus" if name == SURPLUS else f"meter {name}",
                extra={"event": "meter_believed", "meter": name},
            )
            return
        words = texts(reasons)
        extra = {"event": "meter_doubted", "meter": name, "codes": sorted(codes)}
        _log.warning("%s", words, extra=extra)
