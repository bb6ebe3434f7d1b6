"""Since when what holds now has held: the mode, and each reason by code and subject."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.core.decision import Decision, reasons_of
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason


def holding_now(decision: Decision, apart: Iterable[Reason]) -> dict[tuple[Code, str], Reason]:
    """Return all reasons that hold now, by code and subject; `apart`: those that the decision does not know of."""
    everything = (*reasons_of(decision), *apart)
    return {(reason.code, reason.subject): reason for reason in everything if reason.code is not Code.VALUE_NOTED}


class Holding:
    """Written by the tick's thread, read by any: what is read is swapped as a whole.

    What held already at the first tick of this process is known since then, and may be older.
    """

    def __init__(self) -> None:
        self._since: Mapping[tuple[Code, str], float] = {}
        self._mode: tuple[Mode, float] | None = None

    def observe(self, decision: Decision, apart: Iterable[Reason], utc_s: float) -> None:
        """Take in what a tick has decided; `utc_s`: the wall clock then."""
        before = self._since
        self._since = {key: before.get(key, utc_s) for key in holding_now(decision, apart)}
        if self._mode is None or self._mode[0] is not decision.mode:
            self._mode = decision.mode, utc_s

    def since_utc_s(self, reason: Reason) -> float | None:
        """Return since when a reason holds without a gap, None where no tick has seen it."""
        return self._since.get((reason.code, reason.subject))

    def mode_since_utc_s(self) -> float | None:
        """Return since when the mode is what it is, None before the first tick."""
        return self._mode[1] if self._mode else None
