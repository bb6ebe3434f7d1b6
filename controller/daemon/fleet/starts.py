"""Which start of an agent speaks. Each has an id of its own and counts its time; what a former one has said is past."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from controller.core.reasons import Code, Reason
from controller.daemon.fleet.refusal import MessageRefused
from drivers.fleet.wire import Echo

#: Former starts that are remembered.
_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStart:
    """The start that an agent is in, by its newest report; `boot` is empty before the first.

    `ours`: it has taken a statement of this controller, so that it cannot be from before that. `sent_seq`: the newest statement
    that had been sent when this start was first heard.
    """

    boot: str = ""
    boottime_ms: int = 0
    ours: bool = False
    sent_seq: int = 0
    former: tuple[str, ...] = ()

    def in_new_epoch(self) -> AgentStart:
        """Return it in an epoch of the controller that has just begun, in which nothing was sent: the numbers begin anew."""
        return replace(self, sent_seq=0)

    def after(self, agent: str, echo: Echo, *, ours: bool, seq: int, sent_seq: int) -> AgentStart:
        """Return what it is after a report of `agent` with this clock, which has taken a statement of this controller or not.

        `seq`: the one that it has taken, `sent_seq`: the newest that was sent to it. A report of a start that was never heard may come
        in after one of a later start, and be taken for newer. So the later one is let in again once it has taken what
        was sent since then: no former start can.

        Raises MessageRefused for a report of a former start, and for one that a later report of this start has overtaken. While a
        start that is ours speaks, one that is not could as well be a recording.
        """
        if echo.boot == self.boot:
            if echo.boottime_ms < self.boottime_ms:
                raise MessageRefused(Reason(Code.REPORT_OUT_OF_ORDER, agent))
            former, sent_seq = self.former, self.sent_seq
        elif (echo.boot in self.former and not (ours and seq > self.sent_seq)) or (self.ours and not ours):
            raise MessageRefused(Reason(Code.REPORT_OF_FORMER_START, agent))
        else:
            former = (*self.former, self.boot)[-_REMEMBERED:] if self.ours else self.former
        return AgentStart(boot=echo.boot, boottime_ms=echo.boottime_ms, ours=ours, sent_seq=sent_seq, former=former)
