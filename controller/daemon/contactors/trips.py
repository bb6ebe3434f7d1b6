"""Trips on record: which nobody has ended, and what of a decision is written down and told of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, Final

from controller.core.decision import Decision
from controller.core.limits.contactors import ContactorState, Over, Phase, Trip
from controller.core.site import Site
from controller.daemon.journal.chain import Record
from controller.daemon.journal.journal import Journal, RecordKind

_log = logging.getLogger(__name__)

_OF_TRIPS: Final = (RecordKind.TRIP, RecordKind.TRIP_RESET, RecordKind.RESET_VOID, RecordKind.TRIP_ENDED)
#: What is logged of a contactor that comes to a phase. That a reset is void, and why, is said with the other warnings.
_TOLD: Final = {
    Phase.CLOSING: ("contactor_closing", "%s was reset: room is made for what may start below it"),
    Phase.RECLOSING: ("contactor_told_to_close", "the contactor of %s is told to close"),
    Phase.STARTING: ("contactor_seen_closed", "the contactor of %s is closed: what is below it starts"),
}


def open_trips(journal: Journal, site: Site) -> tuple[Trip, ...]:
    """Return the trips that nobody has ended, of nodes that have a contactor still; for the start.

    A node whose trip cannot be understood is tripped all the same, and a record that does not say of which node it is is told:
    what is open stays so, for nothing closes it. A reset that had not come to its end is void.
    """
    trips: dict[str, Trip] = {}
    resets: dict[str, int] = {}
    places = {site.tree.ids[n]: n for n in site.contactors.node.tolist()}
    for record in journal.records(*_OF_TRIPS):
        node = record.body.get("node")
        if not isinstance(node, str):
            words = "record %d is of a trip, and does not say of which node"
            _log.error(words, record.seq, extra={"event": "trip_unreadable", "seq": record.seq})
        elif record.kind == RecordKind.TRIP_RESET:
            resets[node] = record.seq
        else:
            resets.pop(node, None)
            if record.kind == RecordKind.TRIP_ENDED:
                trips.pop(node, None)
            elif record.kind == RecordKind.TRIP and node in places:
                trips[node] = _from_record(record, places[node])
    for node in resets.keys() & trips.keys():
        _note_void(journal, trips[node], node, resets[node])
    return tuple(trips.values())


def _note_void(journal: Journal, trip: Trip, node: str, seq: int) -> None:
    words = "the reset of %s is void: the daemon ended before its contactor was seen to be closed"
    _log.warning(words, node, extra={"event": "reset_void", "node": node})
    body = {"node": node, "id": trip.id, "reset": f"reset-{seq}", "why": "restarted"}
    journal.post(RecordKind.RESET_VOID, body)


def _from_record(record: Record, node: int) -> Trip:
    body = record.body
    try:
        return Trip(id=str(body["id"]), node=node, over=_over(body), at_utc_s=float(body["utc_s"]))
    except (KeyError, TypeError, ValueError):
        return Trip(id=f"record {record.seq}", node=node, over=None, at_utc_s=record.utc_s)


def _over(body: Mapping[str, Any]) -> Over:
    """Return why; KeyError, TypeError or ValueError where that cannot be understood."""
    figures = {name: float(body[name]) for name in ("power_w", "limit_w", "for_s")}
    if not all(map(math.isfinite, figures.values())):
        raise ValueError("a figure is not finite")
    return Over(cause=str(body["cause"]), **figures)


def _to_body(trip: Trip, over: Over, name: str) -> dict[str, Any]:
    return {
        "id": trip.id,
        "node": name,
        "cause": over.cause,
        "power_w": over.power_w,
        "limit_w": over.limit_w,
        "for_s": over.for_s,
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
        trip = new.trip
        if trip is not None and trip.over is not None and trip.id not in self._recorded:
            self._recorded.add(trip.id)
            self._journal.post(RecordKind.TRIP, _to_body(trip, trip.over, name))
        if new.phase is Phase.STARTING and (old is None or old.phase is not Phase.STARTING):
            ended = old.trip.id if old and old.trip else None
            self._journal.post(RecordKind.TRIP_ENDED, {"node": name, "id": ended, "reset": new.reset})
        if new.void is not None and (old is None or (old.void, old.reset) != (new.void, new.reset)):
            body = {"node": name, "id": trip.id if trip else None, "reset": new.reset, "why": new.void.value}
            self._journal.post(RecordKind.RESET_VOID, body)

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
