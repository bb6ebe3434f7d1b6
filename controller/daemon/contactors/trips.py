"""Trips on record: which nobody has ended, and what of a decision is written down and told of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from controller.core.decision import Decision
from controller.core.limits.contactors import ContactorState, Phase, Trip
from controller.core.site import Site
from controller.daemon.journal.journal import Journal, RecordKind
from drivers.errors import JournalUnusable

_log = logging.getLogger(__name__)

#: What is logged of a contactor that comes to a phase. That a reset is void, and why, is said with the other warnings.
_TOLD: Final = {
    Phase.CLOSING: ("contactor_closing", "%s was reset: room is made for what may start below it"),
    Phase.RECLOSING: ("contactor_told_to_close", "the contactor of %s is told to close"),
    Phase.STARTING: ("contactor_seen_closed", "the contactor of %s is closed: what is below it starts"),
}


def open_trips(journal: Journal, site: Site) -> tuple[Trip, ...]:
    """Return the trips that nobody has ended, of nodes that have a contactor still; JournalUnusable where one cannot be read."""
    trips: dict[str, Trip] = {}
    places = {site.tree.ids[n]: n for n in site.contactors.node.tolist()}
    for record in journal.records(RecordKind.TRIP, RecordKind.TRIP_ENDED):
        try:
            node = str(record.body["node"])
            if record.kind == RecordKind.TRIP_ENDED:
                trips.pop(node, None)
            elif node in places:
                trips[node] = _from_body(record.body, places[node])
        except (KeyError, TypeError, ValueError) as error:
            raise JournalUnusable(f"record {record.seq}: a trip that cannot be understood: {error!r}") from error
    return tuple(trips.values())


def _from_body(body: Mapping[str, Any], node: int) -> Trip:
    return Trip(
        id=str(body["id"]),
        node=node,
        cause=str(body["cause"]),
        power_w=float(body["power_w"]),
        limit_w=float(body["limit_w"]),
        for_s=float(body["for_s"]),
        at_utc_s=float(body["utc_s"]),
    )


def _to_body(trip: Trip, name: str) -> dict[str, Any]:
    return {
        "id": trip.id,
        "node": name,
        "cause": trip.cause,
        "power_w": trip.power_w,
        "limit_w": trip.limit_w,
        "for_s": trip.for_s,
        "utc_s": trip.at_utc_s,
    }


class TripRecorder:
    """Writes down and tells what changes from decision to decision; for the tick's thread, and it waits for no disk.

    `known`: the trips that the journal has already.
    """

    def __init__(self, journal: Journal, site: Site, known: tuple[Trip, ...]) -> None:
        self._journal, self._names = journal, site.tree.ids
        self._recorded = {trip.id for trip in known}
        self._before: tuple[ContactorState, ...] = ()

    def observe(self, decision: Decision) -> None:
        """Take in the newest decision."""
        before = self._before or (None,) * len(decision.contactors)
        for old, new in zip(before, decision.contactors, strict=True):
            self._record(old, new)
            self._tell(old, new)
        self._before = decision.contactors

    def _record(self, old: ContactorState | None, new: ContactorState) -> None:
        name = self._names[new.node]
        if new.trip is not None and new.trip.id not in self._recorded:
            self._recorded.add(new.trip.id)
            self._journal.post(RecordKind.TRIP, _to_body(new.trip, name))
        if new.phase is Phase.STARTING and (old is None or old.phase is not Phase.STARTING):
            trip = old.trip.id if old and old.trip else None
            self._journal.post(RecordKind.TRIP_ENDED, {"node": name, "id": trip, "reset": new.reset})
        if new.void is not None and (old is None or (old.void, old.reset) != (new.void, new.reset)):
            trip = new.trip.id if new.trip else None
            self._journal.post(
                RecordKind.RESET_VOID, {"node": name, "id": trip, "reset": new.reset, "why": new.void.value}
            )

    def _tell(self, old: ContactorState | None, new: ContactorState) -> None:
        """Log each step; that a node is tripped, and why, is said with the other warnings."""
        name = self._names[new.node]
        if new.proven and not (old and old.proven):
            self._log("contactor_proven_open", "the contactor of %s is proven to be open: nothing is drawn", name)
        if old is None or new.phase is old.phase:
            return
        if new.phase in _TOLD:
            self._log(*_TOLD[new.phase], name)
        elif new.phase is Phase.CLOSED and old.phase is Phase.STARTING:
            self._log("node_back", "%s is led again as before", name)

    def _log(self, event: str, words: str, node: str) -> None:
        _log.warning(words, node, extra={"event": event, "node": node})
