"""What is sent to one agent, and when: its whole statement when it changes, a renewal in time, nothing else. Pure."""

from __future__ import annotations

from collections import deque

import numpy as np

from controller.core.site import F64
from controller.daemon.fleet.reports import AgentReport
from drivers.fleet.keys import CONTROLLER
from drivers.fleet.wire import Echo, Set

#: A statement that the agent has not taken after this long is sent again in full.
_RESEND_S = 1.5
#: A lease is renewed when this share of it has gone by.
_RENEW_SHARE = 0.25
_REMEMBERED = 256


class Statements:
    """The statements to one agent under one controller epoch; one sequence, each number used once.

    `devices`: the agent's device ids in the order of its columns. `ttl_s`: the lease that a statement grants.
    """

    def __init__(self, *, site: str, agent: str, devices: tuple[str, ...], epoch: int, ttl_s: float) -> None:
        self._site, self._agent, self._devices = site, agent, devices
        self._epoch, self._ttl_s = epoch, ttl_s
        self._seq = 0
        self._full_seq = 0
        self._full_w: F64 | None = None
        self._granted = False
        self._sent_s = float("-inf")
        self._decided: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED)

    def confirmed_s(self, view: AgentReport) -> float:
        """Return the time of the decision that the agent has applied, ``-inf`` if it is none of this controller's."""
        if view.epoch != self._epoch:
            return float("-inf")
        times = [decided_s for seq, decided_s in tuple(self._decided) if seq <= view.applied_seq]
        return times[-1] if times else float("-inf")

    def due(self, setpoint_w: F64, view: AgentReport, known: Echo | None, now_s: float) -> Set | None:
        """Return what is to be sent after a decision, None if nothing is.

        `known`: the agent's clock by the report that the decision was taken on. The lease runs from there, so that the
        agent itself can tell whether the decision knew of a lease that has ended.
        """
        echo = known if known is not None and view.echo is not None and known.boot == view.echo.boot else None
        waited = now_s - self._sent_s >= _RESEND_S
        taken = view.epoch == self._epoch and view.accepted_seq >= self._full_seq and not view.lapsed
        if self._full_w is None or not np.array_equal(setpoint_w, self._full_w):
            return self._full(setpoint_w, echo)
        if echo is None:
            return self._full(setpoint_w, None) if waited else None
        if not self._granted or (waited and not taken):
            return self._full(setpoint_w, echo)
        if taken and now_s - self._sent_s >= _RENEW_SHARE * self._ttl_s:
            return self._body(same_as=self._full_seq, echo=echo)
        return None

    def sent(self, statement: Set, setpoint_w: F64, decided_s: float, now_s: float) -> None:
        """Note that a statement has been handed to the link."""
        self._sent_s = now_s
        self._decided.append((statement.seq, decided_s))
        if statement.same_as is None:
            self._full_seq, self._full_w = statement.seq, setpoint_w
            self._granted = statement.echo is not None

    def _full(self, setpoint_w: F64, echo: Echo | None) -> Set:
        watts = {id_: int(w) for id_, w in zip(self._devices, setpoint_w.tolist(), strict=True)}
        return self._body(setpoints=watts, echo=echo)

    def _body(self, *, setpoints: dict[str, int] | None = None, same_as: int | None = None, echo: Echo | None) -> Set:
        self._seq += 1
        return Set(
            v=1,
            site=self._site,
            agent=self._agent,
            key=CONTROLLER,
            epoch=self._epoch,
            seq=self._seq,
            ttl_ms=round(1000 * self._ttl_s),
            echo=echo,
            setpoints=setpoints,
            same_as=same_as,
        )
