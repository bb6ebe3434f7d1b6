"""Where a person closes the contactor of a tripped node again: with a name and a reason, on the disk first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from controller.core.decision import Decision
from controller.core.limits.contactors import ContactorState, Phase
from controller.core.limits.reclosing import above
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.core.snapshot import Reset
from controller.daemon.access import Principal
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.orders.refusal import Cause
from controller.daemon.people.refusal import WorkRefused
from controller.texts.english import texts
from drivers.clock import Clock, boottime_s
from drivers.errors import JournalUnusable

#: A reset that no step has taken in after so long is void: nobody expects a node to come back an hour later.
TAKEN_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetAnswer:
    """What the person is told. `trip`: id of the trip that is ended, None where nothing had tripped. `again`: it was reset before."""

    node: str
    trip: str | None
    again: bool


class ResetDesk:
    """Takes resets in; `pending` is for the tick, all else may be called from any thread, and blocks on the disk.

    `decision`: the newest, None where there is none that is new enough to speak of now.
    """

    def __init__(
        self, *, site: Site, journal: Journal, decision: Callable[[], Decision | None], clock: Clock = boottime_s
    ) -> None:
        self._site, self._journal, self._decision = site, journal, decision
        self._clock = clock
        self._one = threading.Lock()
        self._swap = threading.Lock()
        self._waiting: tuple[tuple[Reset, float], ...] = ()

    @property
    def pending(self) -> tuple[Reset, ...]:
        """The resets that no decision has taken in yet."""
        since_s = self._clock() - TAKEN_S
        return tuple(reset for reset, asked_s in self._waiting if asked_s >= since_s)

    def reset(self, node: str, reason: str, by: Principal) -> ResetAnswer:
        """Have the contactor of a node closed, once there is room for what may start below it.

        WorkRefused, and nothing changed: no such node, no contactor, not open, below one that is, or the site is not in NORMAL.
        JournalUnusable: it stays open, also where the disk took so long that nobody waits for the contactor any more.
        """
        asked_s = self._clock()
        with self._one:
            decision, state = self._state(node, by)
            trip = state.trip.id if state.trip else None
            if state.phase in {Phase.CLOSING, Phase.RECLOSING, Phase.STARTING} or self._waits(state.node):
                return ResetAnswer(node=node, trip=trip, again=True)
            self._refuse_unless_open(node, decision, state, by)
            self._refuse_below_open(node, decision, state, by)
            body = {"node": node, "trip": trip, "by": by.name, "reason": reason}
            record = self._journal.append(RecordKind.TRIP_RESET, body)
            if self._clock() - asked_s > TAKEN_S:
                raise JournalUnusable("the disk took too long to store it: the contactor stays open, reset it again")
            with self._swap:
                self._waiting = (*self._waiting, (Reset(id=f"reset-{record.seq}", node=state.node), asked_s))
        return ResetAnswer(node=node, trip=trip, again=False)

    def observe(self, decision: Decision) -> None:
        """Forget the resets that a decision has taken in, and those that none did in time; for the tick's thread."""
        if not self._waiting:
            return
        taken, since_s = {state.reset for state in decision.contactors}, self._clock() - TAKEN_S
        with self._swap:
            self._waiting = tuple(
                (reset, asked_s) for reset, asked_s in self._waiting if reset.id not in taken and asked_s >= since_s
            )

    def _waits(self, node: int) -> bool:
        return any(reset.node == node for reset in self.pending)

    def _state(self, node: str, by: Principal) -> tuple[Decision, ContactorState]:
        names, decision = self._site.tree.ids, self._decision()
        if node not in names:
            figures = {"node": node, "allowed": ", ".join(names)}
            raise WorkRefused(Cause.UNKNOWN, Reason(Code.RESET_NODE_UNKNOWN, by.name, figures))
        if names.index(node) not in self._site.contactors.node.tolist():
            raise WorkRefused(Cause.UNKNOWN, Reason(Code.RESET_WITHOUT_CONTACTOR, by.name, {"node": node}))
        states = {names[state.node]: state for state in decision.contactors} if decision else {}
        if decision is None or node not in states:
            figures = {"node": node, "mode": "no known mode", "why": "no tick is new enough"}
            raise WorkRefused(Cause.CONFLICT, Reason(Code.RESET_IN_DOUBT, by.name, figures))
        return decision, states[node]

    def _refuse_unless_open(self, node: str, decision: Decision, state: ContactorState, by: Principal) -> None:
        if not state.may_be_reset:
            raise WorkRefused(Cause.CONFLICT, Reason(Code.RESET_NOT_OPEN, by.name, {"node": node}))
        if decision.mode is not Mode.NORMAL:
            figures = {"node": node, "mode": decision.mode.value, "why": texts(decision.reasons)}
            raise WorkRefused(Cause.CONFLICT, Reason(Code.RESET_IN_DOUBT, by.name, figures))

    def _refuse_below_open(self, node: str, decision: Decision, state: ContactorState, by: Principal) -> None:
        """Refuse where no power comes: nobody would see it close, and it would be live when the one above it is closed."""
        for each in above(decision.contactors, self._site, state.node):
            if each.may_be_open:
                figures = {"node": node, "other": self._site.tree.ids[each.node]}
                raise WorkRefused(Cause.CONFLICT, Reason(Code.RESET_BELOW_OPEN, by.name, figures))
