"""What holds now, and since when: the mode, and each reason by code and subject."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from controller.core.decision import Decision, reasons_of
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason

#: Two reasons of one code and subject are one that holds, whatever its figures are.
Key: TypeAlias = tuple[Code, str]
#: The wall clock is taken to go on as the time of the ticks does while it is no further from that.
_SAME_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingNow:
    """As of the newest tick: what holds, and since when each of that, by the time of decisions."""

    mode: Mode
    mode_since_s: float
    reasons: Mapping[Key, Reason]
    since_s: Mapping[Key, float]


class Holding:
    """Written by the tick's thread, read by any: what is read is swapped as a whole.

    Times are CLOCK_BOOTTIME, as those of decisions; the wall clock is their label, made when it is asked for. What held already
    at the first tick of this process is known since then, and may be older.
    """

    def __init__(self) -> None:
        self._held: HoldingNow | None = None
        self._said: tuple[Reason, ...] = ()
        self._ahead_s: float | None = None

    def observe(self, decision: Decision, apart: Iterable[Reason], utc_s: float) -> None:
        """Take in what a tick has decided; `apart`: reasons that the decision does not know of, `utc_s`: the wall clock then."""
        ahead_s, before, said = utc_s - decision.at_s, self._held, (*reasons_of(decision), *apart)
        if self._ahead_s is None or abs(ahead_s - self._ahead_s) > _SAME_S:
            self._ahead_s = ahead_s
        same_mode = before is not None and before.mode is decision.mode
        if before is not None and same_mode and said == self._said:
            return
        known = before.since_s if before else {}
        reasons = {(reason.code, reason.subject): reason for reason in said}
        self._said = said
        self._held = HoldingNow(
            mode=decision.mode,
            mode_since_s=before.mode_since_s if before is not None and same_mode else decision.at_s,
            reasons=reasons,
            since_s={key: known.get(key, decision.at_s) for key in reasons},
        )

    @property
    def held(self) -> HoldingNow | None:
        """What the newest tick has found to hold, None before the first; the same object while nothing changes."""
        return self._held

    def since_utc_s(self, reason: Reason) -> float | None:
        """Return since when a reason holds without a gap, by the wall clock of now; None where no tick has seen it."""
        held = self._held
        return self.utc_s(held.since_s.get((reason.code, reason.subject)) if held else None)

    def mode_since_utc_s(self) -> float | None:
        """Return since when the mode is what it is, None before the first tick."""
        held = self._held
        return self.utc_s(held.mode_since_s if held else None)

    def utc_s(self, at_s: float | None) -> float | None:
        """Return a time of decisions by the wall clock of now; None for none, and before the first tick."""
        return None if at_s is None or self._ahead_s is None else at_s + self._ahead_s
