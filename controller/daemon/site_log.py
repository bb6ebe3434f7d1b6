"""The log of the site: agents and devices that go and come back, the limit that binds, orders that come into force."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from controller.core.decision import Decision
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.texts.english import text
from drivers.quantities import format_power

_log = logging.getLogger(__name__)

#: What is said when a warning is over.
_OVER: Final[Mapping[Code, str]] = {
    Code.AGENT_SILENT: "agent %s is back",
    Code.AGENT_DEAF: "agent %s takes statements again",
    Code.DEVICE_LOST: "no device of agent %s is found lost any more",
    Code.DEVICE_DEFIANT: "no device of agent %s is found to draw more than it was told any more",
    Code.DEVICE_RELUCTANT: "no device of agent %s is found not to come up any more",
    Code.OVER_ENVELOPE: "%s is not found above its envelope any more",
    Code.NODE_TRIPPED: "%s is not tripped any more: its contactor is closed",
    Code.TRIP_UNREADABLE: "%s is not tripped any more: its contactor is closed",
    Code.CONTACTOR_DEFIANT: "%s is not found to draw against its contactor any more",
    Code.CONTACTOR_UNPROVEN: "the contactor of %s is proven to be open, or told to close",
    Code.CONTACTOR_LOST: "the contactor of %s can be told and read again",
    Code.CONTACTOR_OPEN: "the contactor of %s is not open any more, or was reset",
    Code.RESET_VOID: "%s was reset again, or its contactor is closed",
    Code.LOCKED: "nothing is locked at %s any more",
    Code.LOCK_UNPROVEN: "what is locked at %s is proven to be off, or not locked any more",
    Code.CARRIES_WORSE: "%s is not found worse than its declared worst any more",
    Code.NODE_UNSEEN: "%s is seen again, or no order limits it any more",
}


class SiteLog:
    """Compares each decision with the one before, and says each change once; for the tick's thread."""

    def __init__(self, site: Site) -> None:
        """Nothing has been said yet."""
        self._site = site.tree.ids
        self._warned: dict[tuple[Code, str], Reason] = {}
        self._binding = ""
        self._in_force: frozenset[str] = frozenset()

    def observe(self, decision: Decision) -> None:
        """Log what has changed."""
        self._compare({(reason.code, reason.subject): reason for reason in decision.warnings})
        self._note_binding(decision)
        self._note_orders(decision)

    def _compare(self, now: dict[tuple[Code, str], Reason]) -> None:
        before, self._warned = self._warned, now
        for key in now.keys() - before.keys():
            _log.warning("%s", text(now[key]), extra=_facts(*key))
        for code, subject in before.keys() - now.keys():
            # Of the devices of an agent that has fallen silent nothing good is known, nor of one that defied and is lost now.
            unknown = (Code.AGENT_SILENT, subject) in now
            unknown |= code is Code.DEVICE_DEFIANT and (Code.DEVICE_LOST, subject) in now
            if not unknown:
                _log.info(_OVER[code], subject, extra=_facts(code, subject) | {"over": True})

    def _note_binding(self, decision: Decision) -> None:
        binding, before = decision.binding[0], self._binding
        if binding != before:
            limit = format_power(float(decision.envelope_w[0]))
            extra = {"event": "binding", "limit": binding, "before": before}
            _log.info("%s limits the site to %s", binding, limit, extra=extra)
        self._binding = binding

    def _note_orders(self, decision: Decision) -> None:
        in_force = frozenset(decision.orders_in_force)
        for order in decision.orders:
            if order.id not in self._in_force:
                node, extra = self._site[order.node], {"event": "order_in_force", "order": order.id}
                _log.info("order %s is in force on %s", order.id, node, extra=extra)
        self._in_force = in_force


def _facts(code: Code, subject: str) -> dict[str, object]:
    return {"event": code.value, "subject": subject}
