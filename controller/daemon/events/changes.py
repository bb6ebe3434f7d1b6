"""What changes from tick to tick, as events: the limits that bind, reasons that come and go, contactors, locks, the journal, its head."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from controller.core.decision import Decision
from controller.core.limits.contactors import ContactorState
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.core.snapshot import Position
from controller.daemon.events.event import EventName
from controller.daemon.events.feed import Feed
from controller.daemon.holding import Holding, Key
from controller.daemon.people.locks import PersonalLock
from controller.daemon.plain import shown_w, told_reason


class Changes:
    """Compares each tick with the one before; for the tick's thread, and it waits for nothing.

    `holding`: what holds, as of that tick. `locks`: those that are held; `head`: the signed head of the journal, None where there is none.
    """

    def __init__(
        self,
        feed: Feed,
        site: Site,
        *,
        holding: Holding,
        locks: Callable[[], Iterable[PersonalLock]],
        head: Callable[[], str | None],
    ) -> None:
        """Nothing has been told yet."""
        self._feed, self._nodes, self._locks, self._head = feed, site.tree.ids, locks, head
        self._holding = holding
        self._binding: tuple[str, ...] = ()
        self._reasons: Mapping[Key, Reason] = {}
        self._told: dict[tuple[EventName, str], Mapping[str, Any]] = {}

    def observe(self, decision: Decision) -> None:
        """Tell what has changed."""
        self._feed.tell_late()
        self._tell_binding(decision)
        self._tell_reasons(held.reasons if (held := self._holding.held) else {})
        for state in decision.contactors:
            name = self._nodes[state.node]
            self._tell_if_new(EventName.CONTACTOR, name, _contactor(name, state))
        self._tell_proofs(decision)
        failure, head = self._feed.failure, self._head()
        self._tell_if_new(EventName.JOURNAL, "", {"usable": failure is None, "failure": failure})
        if head is not None:
            self._tell_if_new(EventName.HEAD, "", {"head": head})

    def _tell_binding(self, decision: Decision) -> None:
        if decision.binding == self._binding:
            return
        before = self._binding or (None,) * len(self._nodes)
        for n, (old, new) in enumerate(zip(before, decision.binding, strict=True)):
            if old != new:
                limit = {"node": self._nodes[n], "binding": new, "before": old}
                self._feed.tell(EventName.BINDING, limit | {"envelope_w": shown_w(float(decision.envelope_w[n]))})
        self._binding = decision.binding

    def _tell_reasons(self, now: Mapping[Key, Reason]) -> None:
        before, self._reasons = self._reasons, now
        if now is before:
            return
        self._tell_missing(now, before, "begun")
        self._tell_missing(before, now, "over")

    def _tell_missing(self, here: Mapping[Key, Reason], there: Mapping[Key, Reason], what: str) -> None:
        for key, reason in here.items():
            if key not in there and reason.code is not Code.VALUE_NOTED:
                self._feed.tell(EventName.REASON, {"what": what} | told_reason(reason))

    def _tell_proofs(self, decision: Decision) -> None:
        if not decision.locks:
            return
        held = {lock.id: lock for lock in self._locks()}
        for now in decision.locks:
            if (lock := held.get(now.id)) is not None:
                proof = {"subject": lock.subject, "by": lock.by, "devices": now.devices, "unproven": now.unproven}
                self._tell_if_new(EventName.LOCK_PROOF, now.id, proof | {"most_w": shown_w(now.most_w)})

    def _tell_if_new(self, name: EventName, about: str, data: Mapping[str, Any]) -> None:
        if self._told.get((name, about)) != data:
            self._told[name, about] = data
            self._feed.tell(name, data)


def _contactor(node: str, state: ContactorState) -> dict[str, Any]:
    position = {Position.OPEN: "open", Position.CLOSED: "closed"}.get(state.now.position)
    figures = {"node": node, "state": state.phase.value, "proven_open": bool(state.proven), "position": position}
    return figures | {"fault": state.now.fault, "trip": state.trip.id if state.trip else None, "void": state.void}
