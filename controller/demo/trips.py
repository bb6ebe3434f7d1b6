"""Which nodes of a demo were cut off: what the daemon said of it, beside what their contactors really did."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from controller.demo.moment_texts import clock
from controller.demo.watch import Moment


class TripReport(msgspec.Struct, kw_only=True, frozen=True):
    """One time that a node was cut off, or was to be. Times are s after readiness.

    `cause`: the limit that it drew more than, by the daemon; None where the daemon did not trip it. `opened_s`, `closed_s`:
    when its contactor really did; None where it has not.
    """

    node: str
    begun_s: float
    cause: str | None
    opened_s: float | None
    closed_s: float | None


@dataclass(slots=True)
class _Trip:
    node: str
    begun_s: float
    cause: str | None = None
    opened_s: float | None = None
    closed_s: float | None = None


class TripWatch:
    """Follows the contactors from moment to moment, and tells what they do among the events of the run."""

    def __init__(self, events: list[str]) -> None:
        self._events = events
        self._all: list[_Trip] = []
        self._now: dict[str, _Trip] = {}

    def see(self, moment: Moment) -> None:
        """Take the next moment."""
        for node, is_closed in moment.truth.contactors.items():
            self._see(node, moment, is_closed=is_closed)

    def reports(self) -> tuple[TripReport, ...]:
        """Return all so far."""
        return tuple(
            TripReport(
                node=trip.node,
                begun_s=trip.begun_s,
                cause=trip.cause,
                opened_s=trip.opened_s,
                closed_s=trip.closed_s,
            )
            for trip in self._all
        )

    def _see(self, node: str, moment: Moment, *, is_closed: bool) -> None:
        t_s, cause = moment.truth.t_s, cause_of(moment, node)
        trip = self._now.get(node)
        if trip is None or (trip.closed_s is not None and not is_closed):
            if is_closed and cause is None:
                return
            trip = self._now[node] = _Trip(node, t_s)
            self._all.append(trip)
        if cause is not None and trip.cause is None:
            trip.cause = cause
            self._events.append(f"{node} is tripped from {clock(t_s)}, it drew more than {cause}")
        if not is_closed and trip.opened_s is None:
            trip.opened_s = t_s
            self._events.append(f"the contactor of {node} is open from {clock(t_s)}")
        if is_closed and trip.opened_s is not None and trip.closed_s is None:
            trip.closed_s = t_s
            self._events.append(f"the contactor of {node} is closed from {clock(t_s)}")
        if is_closed and cause is None and moment.daemon is not None:
            del self._now[node]


def cause_of(moment: Moment, node: str) -> str | None:
    """Return why the daemon has tripped a node; None where it has not, or does not answer."""
    status = moment.daemon.nodes.get(node) if moment.daemon else None
    contactor = status.contactor if status else None
    return contactor.trip.cause if contactor and contactor.trip else None
