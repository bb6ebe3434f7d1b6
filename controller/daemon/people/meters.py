"""People's words for meters: that one is right which another of its node has contradicted and then left alone.

A word counts once it is on the disk, outlives a restart by which the meters of the node are read as before, and is over when
the control says so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from controller.core.decision import Decision
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.core.snapshot import ConfirmedMeter
from controller.daemon.access import Principal
from controller.daemon.journal.chain import Record
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.orders.refusal import Cause
from controller.daemon.people.refusal import WorkRefused
from controller.texts.english import texts

if TYPE_CHECKING:
    from controller.daemon.tick import Tick

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmAnswer:
    """`by`: who has said so. `again`: that was said before, and nothing changed."""

    meter: str
    by: str
    again: bool


class MeterDesk:
    """Takes words for meters; `held` is one attribute read, `confirm` waits for the disk.

    `tick`: the newest, None where there is none that is new enough to speak of now. `read_as`: by meter, what stands for what its
    samples mean now.
    """

    def __init__(
        self,
        *,
        site: Site,
        journal: Journal,
        tick: Callable[[], Tick | None],
        read_as: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Replay the journal."""
        self._site, self._journal, self._tick, self._read_as = site, journal, tick, read_as
        self._one, self._swap = threading.Lock(), threading.Lock()
        self.held: tuple[ConfirmedMeter, ...] = ()
        for record in journal.records(RecordKind.METER_CONFIRMED, RecordKind.METER_CONFIRMATION_OVER):
            self._replay(record)

    def confirm(self, meter: str, by: str, reason: str, operator: Principal) -> ConfirmAnswer:
        """Take a meter for right that waits for a person; it still has to follow a step of the fleet.

        WorkRefused, and nothing changed: there is no such meter, or it does not wait for a person. JournalUnusable: the same.
        """
        ids = self._site.meters.ids
        if meter not in ids:
            figures = {"meter": meter, "allowed": ", ".join(ids)}
            raise WorkRefused(Cause.UNKNOWN, Reason(Code.CONFIRM_METER_UNKNOWN, operator.name, figures))
        with self._one:
            known = next((word for word in self.held if ids[word.meter] == meter), None)
            if known is not None:
                return ConfirmAnswer(meter=meter, by=known.by, again=True)
            under_w = self._under_w(meter, operator)
            body = {"meter": meter, "by": by, "token": operator.name, "reason": reason, "under_w": under_w}
            body |= {"read_as": self._all_read_as(meter)}
            record = self._journal.append(RecordKind.METER_CONFIRMED, body)
            word = ConfirmedMeter(id=_id(record.seq), meter=ids.index(meter), by=by, under_w=under_w)
            with self._swap:
                self.held = (*self.held, word)
        extra = {"event": "meter_confirmed", "meter": meter, "by": by}
        _log.warning("%s has confirmed that meter %s is right: %s", by, meter, reason, extra=extra)
        return ConfirmAnswer(meter=meter, by=by, again=False)

    def observe(self, decision: Decision) -> None:
        """Take in which words are over; for the tick's thread, and it waits for no disk."""
        if not decision.unconfirmed:
            return
        with self._swap:
            over = [word for word in self.held if word.id in decision.unconfirmed]
            self.held = tuple(word for word in self.held if word not in over)
        for word in over:
            self._end(word.id, self._site.meters.ids[word.meter])

    def _end(self, word: str, meter: str) -> None:
        self._journal.post(RecordKind.METER_CONFIRMATION_OVER, {"meter": meter, "confirmation": word})
        extra = {"event": "meter_confirmation_over", "meter": meter}
        _log.warning("that meter %s was confirmed is over", meter, extra=extra)

    def _under_w(self, meter: str, operator: Principal) -> dict[str, float]:
        """Return how the meters of its node have differed; WorkRefused where the meter does not wait for a person."""
        tick = self._tick()
        reasons = tick.decision.sources.get(meter, ()) if tick else ()
        if tick is None or not any(reason.code is Code.METER_UNCONFIRMED for reason in reasons):
            why = "no tick is new enough" if tick is None else texts(reasons) or "nothing speaks against it"
            raise WorkRefused(
                Cause.CONFLICT, Reason(Code.CONFIRM_NOT_AWAITED, operator.name, {"meter": meter, "why": why})
            )
        watts = tick.trust.redundancy.under_w
        return {name: round(float(watts[self._site.meters.ids.index(name)]), 1) for name in self._partners(meter)}

    def _partners(self, meter: str) -> tuple[str, ...]:
        """Return the meters of a meter's node, itself among them."""
        ids, node = self._site.meters.ids, self._site.meters.node.tolist()
        return tuple(name for name, n in zip(ids, node, strict=True) if n == node[ids.index(meter)])

    def _all_read_as(self, meter: str) -> dict[str, str]:
        """Return how the meters of a meter's node are read."""
        read_as = self._read_as()
        return {name: read_as.get(name, "") for name in self._partners(meter)}

    def _replay(self, record: Record) -> None:
        if record.kind == RecordKind.METER_CONFIRMATION_OVER:
            self.held = tuple(word for word in self.held if word.id != record.body.get("confirmation"))
            return
        try:
            word = self._word(record.seq, record.body)
        except (KeyError, TypeError, ValueError) as error:
            extra = {"event": "meter_confirmation_dropped", "seq": record.seq}
            _log.warning("record %d: the word for a meter does not count: %s", record.seq, error, extra=extra)
        else:
            self.held = (*self.held, word)

    def _word(self, seq: int, body: Mapping[str, Any]) -> ConfirmedMeter:
        """Return what a record says; KeyError, TypeError, ValueError where it means nothing at this site any more."""
        meter, under_w = str(body["meter"]), {str(name): float(watts) for name, watts in body["under_w"].items()}
        if meter not in self._site.meters.ids or set(under_w) != set(self._partners(meter)):
            raise ValueError(f"{meter} has not the partners any more that it had")
        if body["read_as"] != self._all_read_as(meter):
            raise ValueError(f"{meter}, or another meter of its node, has other settings now")
        return ConfirmedMeter(
            id=_id(seq), meter=self._site.meters.ids.index(meter), by=str(body["by"]), under_w=under_w
        )


def _id(seq: int) -> str:
    return f"confirmation-{seq}"
