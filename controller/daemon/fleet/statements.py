"""What is sent to one agent, and when: its whole statement when it changes, a renewal in time or with a new head. Pure.

Before the agent has said what it has, nothing is: a statement is in the order of its inventory. The broker keeps that, so it
comes with the first connection. While its clock is not known, after a loss of the link, nothing is raised, and what lowers goes
out with the clock of its last report: that is a shorter lease, as if the message had been long on its way.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from controller.core.site import F64
from controller.daemon.fleet.inventories import AgentInventory
from controller.daemon.fleet.reports import AgentReport
from drivers.fleet.keys import CONTROLLER
from drivers.fleet.wire import LEAVE_W, REPORT_MS, Echo, Set

#: A statement that no report has confirmed after this long is said again, in full.
_RESEND_S: Final = 2 * REPORT_MS / 1000
#: A lease is renewed when this share of it has gone by: often enough for a broker that is away for some seconds to cost nothing.
_RENEW_SHARE: Final = 0.125
_REMEMBERED: Final = 256


class Statements:
    """The statements to one agent under one controller epoch; one sequence, each number used once.

    `ttl_s`: the lease that a statement grants. `relays`: how many contactors come behind the devices.
    """

    def __init__(self, *, site: str, agent: str, epoch: int, ttl_s: float, relays: int = 0) -> None:
        self._site, self._agent, self._relays = site, agent, relays
        self._epoch, self._ttl_s = epoch, ttl_s
        self._seq = 0
        self._sent_seq = 0
        self._sent_head: str | None = None
        self._full_seq = 0
        self._full_w: F64 | None = None
        self._inventory = ""
        self._granted_to: str | None = None
        self._taken_w: F64 | None = None
        self._capped_w: F64 | None = None
        self._sent_s = float("-inf")
        self._decided: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED)

    def confirmed_s(self, view: AgentReport) -> float:
        """Return the time of the newest decision that the agent has taken, ``-inf`` if it is none of this controller's."""
        if view.epoch != self._epoch:
            return float("-inf")
        newest_first = reversed(tuple(self._decided))
        return next((decided_s for seq, decided_s in newest_first if seq <= view.accepted_seq), float("-inf"))

    def granted_w(self, view: AgentReport) -> F64 | None:
        """Return what the agent has taken by its report with a clock of its present start (n,), None where that is not known."""
        full_w, granted_to = (
            self._full_w,
            self._granted_to,
        )  # before the sequence, which is noted first: none is taken too early
        taken = view.epoch == self._epoch and view.accepted_seq >= self._full_seq
        return full_w if taken and granted_to == view.start.boot else None

    def lowers(self, setpoint_w: F64, view: AgentReport) -> bool:
        """Return whether a device may be drawing more now than it may after a statement of these watts (n,).

        Of a contactor only to open it is that.
        """
        before_w = view.applied_w if self._full_w is None else np.maximum(view.applied_w, self._full_w)
        if self._relays:
            contactors = slice(before_w.size - self._relays, None)
            before_w = before_w.copy()
            before_w[contactors] = np.minimum(before_w[contactors], LEAVE_W)
        return bool((setpoint_w < before_w).any())

    def due(
        self, setpoint_w: F64, view: AgentReport, known: Echo | None, now_s: float, head: str | None = None
    ) -> Set | None:
        """Return what is to be sent after a decision for the agent's n devices, None if nothing is.

        `known`: the agent's clock by the report that the decision was taken on. The lease runs from there, so that the
        agent itself can tell whether the decision knew of a lease that has ended. `head`: the token of the journal's.
        """
        inventory = view.inventory
        if inventory is None:
            return None
        echo = known if known is not None and view.echo is not None and known.boot == view.echo.boot else None
        waited = now_s - self._sent_s >= _RESEND_S
        taken = view.epoch == self._epoch and view.accepted_seq >= self._full_seq
        if taken and self._granted_to == view.start.boot:
            self._taken_w = self._full_w
        last, self._capped_w = self._lowering(setpoint_w, view)
        setpoint_w = setpoint_w if self._capped_w is None else self._capped_w
        holds = taken and not view.lapsed
        confirmed = holds and view.accepted_seq >= self._sent_seq
        new = self._full_w is None or inventory.id != self._inventory or not np.array_equal(setpoint_w, self._full_w)
        if new or (waited and (echo is None or not confirmed)) or (echo is not None and self._granted_to != echo.boot):
            return self._body(inventory, echo or last, head, setpoints_w=inventory.setpoints_w(setpoint_w))
        renew = head != self._sent_head or now_s - self._sent_s >= _RENEW_SHARE * self._ttl_s
        if echo is not None and holds and renew:
            return self._body(inventory, echo, head, same_as=self._full_seq)
        return None

    def _lowering(self, setpoint_w: F64, view: AgentReport) -> tuple[Echo | None, F64 | None]:
        """Return the clock of the agent's last report, and what may be said with it (n,): nothing that it does not hold already.

        None, None where the clock is known, where nothing is to be lowered, or where nothing is known of what it holds.
        """
        start, taken_w, full_w = view.start, self._taken_w, self._full_w
        if view.echo is not None or taken_w is None or full_w is None or not self.lowers(setpoint_w, view):
            return None, None
        held_w = np.minimum(taken_w, full_w)
        return Echo(boot=start.boot, boottime_ms=start.boottime_ms), np.minimum(setpoint_w, held_w)

    def sent(self, statement: Set, setpoint_w: F64, decided_s: float, now_s: float) -> None:
        """Note that a statement for a decision of `setpoint_w` (n,), the last that was due, has been handed to the link."""
        self._sent_s = now_s
        self._sent_seq, self._sent_head = statement.seq, statement.head
        self._decided.append((statement.seq, decided_s))
        if statement.same_as is None:
            said_w = setpoint_w if self._capped_w is None else self._capped_w
            self._full_seq, self._full_w, self._inventory = statement.seq, said_w, statement.inventory
            self._granted_to = None if statement.echo is None else statement.echo.boot

    def _body(
        self,
        inventory: AgentInventory,
        echo: Echo | None,
        head: str | None,
        *,
        setpoints_w: list[int] | None = None,
        same_as: int | None = None,
    ) -> Set:
        self._seq += 1
        return Set(
            v=2,
            site=self._site,
            agent=self._agent,
            key=CONTROLLER,
            epoch=self._epoch,
            seq=self._seq,
            ttl_ms=round(1000 * self._ttl_s),
            echo=echo,
            head=head,
            inventory=inventory.id,
            setpoints_w=setpoints_w,
            same_as=same_as,
        )
