"""What follows from contactors that were told something: who is without power, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from controller.core.fleet.power_cut import PowerCut
from controller.core.floor import nodes_below, way_up
from controller.core.limits.contactors import ContactorState, Phase, SeenNodes, Trip, Trips, Wanted
from controller.core.reasons import Code, Reason
from controller.core.site import Bool, Site

#: From the command to a meter that shows it: a contactor, a poll, a refresh, a tick.
OPENS_S: Final = 10.0
#: So long after power has gone or come, what a meter showed before is nothing to compare with.
_SWITCHES_S: Final = 5.0


def power_cut(trips: Trips, site: Site, now_s: float) -> PowerCut | None:
    """Return what contactors have cut off or are about to give back; None while none of them is told anything."""
    if trips.quiet:
        return None
    told = [each for each in trips.contactors if each.phase is not Phase.CLOSED]
    without = [each for each in told if each.phase is Phase.TRIPPED and each.proven]
    # Of one that was proven open and is not now, as of one that is to be closed: its devices may have started.
    coming = [each for each in told if each not in without and (each.phase is not Phase.TRIPPED or each.was_proven)]
    moving = [each for each in told if _is_moving(each, now_s)]
    node, dark = site.devices.node, _below(site, without)
    return PowerCut(
        held=_below(site, told)[node],
        dark=dark[node],
        anything=(_below(site, coming) & ~dark)[node],
        unfed=_strictly_below(site, [*without, *moving]),
        switching=_around(site, moving),
        fading=_around(site, [each for each in without if now_s - each.proven_s < _SWITCHES_S]),
        changing=_around(site, told),
    )


def _is_moving(state: ContactorState, now_s: float) -> bool:
    if state.phase is not Phase.TRIPPED:
        return True
    return now_s - state.proven_s < _SWITCHES_S if state.proven else now_s - state.since_s < OPENS_S


def _nodes(site: Site, contactors: Sequence[ContactorState]) -> Bool:
    nodes = np.zeros(len(site.tree.ids), dtype=np.bool_)
    nodes[[each.node for each in contactors]] = True
    return nodes


def _below(site: Site, contactors: Sequence[ContactorState]) -> Bool:
    """Return the nodes (N,) of contactors and all below them."""
    return nodes_below(site, _nodes(site, contactors))


def _strictly_below(site: Site, contactors: Sequence[ContactorState]) -> Bool:
    parent = site.tree.parent
    return np.asarray((parent >= 0) & _below(site, contactors)[parent], dtype=np.bool_)


def _around(site: Site, contactors: Sequence[ContactorState]) -> Bool:
    """Return the nodes (N,) of contactors, all below and all above them."""
    nodes = _below(site, contactors)
    for each in contactors:
        nodes[way_up(site, each.node)] = True
    return nodes


def told_of_trips(trips: Trips, site: Site, seen: SeenNodes | None, now_s: float) -> tuple[Reason, ...]:
    """Return what is to be said of the contactors; none of it is a doubt by itself. `seen`: None where no meter is asked."""
    if not trips.contactors:
        return ()
    return tuple(reason for state in trips.contactors for reason in _told_of(state, site, seen, now_s))


def _told_of(state: ContactorState, site: Site, seen: SeenNodes | None, now_s: float) -> Iterator[Reason]:
    name, trip, now = site.tree.ids[state.node], state.trip, state.now
    if trip is not None:
        yield _tripped(trip, name)
    if now.fault:
        yield Reason(Code.CONTACTOR_LOST, name, {"error": now.fault})
    if state.wanted is Wanted.OPEN and not state.proven and now_s - state.since_s >= OPENS_S:
        yield _unproven(state, name, seen, now_s)
    if state.phase is Phase.CLOSED and now.seems_open:
        yield Reason(Code.CONTACTOR_OPEN, name)
    if state.void is not None:
        yield Reason(Code.RESET_VOID, name, {"why": state.void.value})


def _tripped(trip: Trip, name: str) -> Reason:
    over = trip.over
    if over is None:
        return Reason(Code.TRIP_UNREADABLE, name, {"record": trip.id})
    figures = {"power_w": over.power_w, "limit_w": over.limit_w, "for_s": over.for_s}
    return Reason(Code.NODE_TRIPPED, name, {"cause": over.cause, **figures})


def _unproven(state: ContactorState, name: str, seen: SeenNodes | None, now_s: float) -> Reason:
    n, since_s = state.node, now_s - state.since_s
    if seen is not None and seen.power.known[n] and seen.power.watts[n] > seen.class_w[n]:
        return Reason(Code.CONTACTOR_DEFIANT, name, {"since_s": since_s, "power_w": float(seen.power.watts[n])})
    return Reason(Code.CONTACTOR_UNPROVEN, name, {"since_s": since_s, "position": state.now.position.name.lower()})
