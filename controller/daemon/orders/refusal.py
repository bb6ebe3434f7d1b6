"""How an order or a release is refused, and what of it goes on record."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from controller.core.reasons import Code, Reason
from controller.daemon.access import Principal
from controller.daemon.journal.journal import Journal, RecordKind
from controller.texts.english import text, texts
from drivers.clock import Clock, boottime_s
from drivers.errors import Refused

if TYPE_CHECKING:
    from controller.daemon.orders.records import Entry

_log = logging.getLogger(__name__)

#: One issuer's refusals for the same reasons go on record this often; a flood must fill neither disk nor log.
_EACH_S: Final = 10.0


class Cause(StrEnum):
    """Why an order or a release is refused, in one word; an interface gives each the status that its protocol has for it."""

    INVALID = "invalid"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    FULL = "full"
    RETIRED = "retired"
    FORBIDDEN = "forbidden"


class OrderRefused(Refused):
    """Nothing changed; `reasons` names every reason, the subject of each is the issuer. `entry`: the order as it stands, where there is one."""

    def __init__(self, cause: Cause, *reasons: Reason, entry: Entry | None = None) -> None:
        """Refuse for one cause and all `reasons`."""
        super().__init__(texts(reasons))
        self.cause = cause
        self.reasons = reasons
        self.entry = entry


class RefusalLog:
    """Puts refusals on record, one of those that are alike for all within a while."""

    def __init__(self, journal: Journal, clock: Clock = boottime_s) -> None:
        self._journal, self._clock = journal, clock
        self._noted: dict[tuple[str, frozenset[Code]], tuple[float, int]] = {}

    def note(self, order_id: str, by: Principal, refusal: OrderRefused) -> None:
        """Log and record a refusal, with how many alike were left out before it."""
        kind, now_s = (by.name, frozenset(reason.code for reason in refusal.reasons)), self._clock()
        noted_s, more = self._noted.get(kind, (float("-inf"), 0))
        if now_s - noted_s < _EACH_S:
            self._noted[kind] = noted_s, more + 1
            return
        self._noted[kind] = now_s, 0
        extra = {"event": "order_refused", "order": order_id, "cause": refusal.cause.value, "more": more}
        _log.warning("order %s of %s refused: %s", order_id, by.name, refusal, extra=extra)
        reasons = [text(reason) for reason in refusal.reasons]
        self._journal.post(RecordKind.REFUSED, {"id": order_id, "by": by.name, "reasons": reasons, "more": more})
