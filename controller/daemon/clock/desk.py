"""Where a person vouches for the wall clock: with an authority's token and a reason, on the disk first."""

from __future__ import annotations

from typing import Final

from controller.core.reasons import Code, Reason
from controller.daemon.access import Principal
from controller.daemon.clock.wall_clock import WallClock
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.orders.refusal import Cause, OrderRefused
from controller.daemon.utc import Utc
from drivers.errors import JournalUnusable

#: A person has looked at a clock, and then typed.
TYPED_S: Final = 60.0


class ClockDesk:
    """Takes their word; `confirm` may be called from any thread, and blocks on the disk."""

    def __init__(self, wall_clock: WallClock, journal: Journal) -> None:
        self._wall_clock, self._journal = wall_clock, journal

    def confirm(self, utc_s: float, reason: str, by: Principal) -> Utc:
        """Take the wall clock for right at the word of somebody who sees `utc_s` elsewhere; return what it is worth now.

        OrderRefused: it is not what they see. JournalUnusable: it cannot be put on record, or not be kept. Then nothing changed.
        """
        now = self._wall_clock.peek()
        ahead_s = now.utc_s - utc_s
        if abs(ahead_s) > TYPED_S:
            raise OrderRefused(Cause.CONFLICT, Reason(Code.CLOCK_NOT_AS_STATED, by.name, {"ahead_s": ahead_s}))
        apart = {} if now.apart_s is None else {"apart_s": round(now.apart_s, 3)}
        self._journal.append(RecordKind.CLOCK, {"vouched_by": by.name, "reason": reason} | apart)
        try:
            return self._wall_clock.vouch(by.name)
        except OSError as error:
            raise JournalUnusable(f"the word for the wall clock cannot be kept: {error}") from error
