"""What becomes of a reset: room is made, the contactor is told to close, seen to be closed, and what is below it starts.

It is closed once all that may start below it has room, or after the settle time at the latest: others make room, but what is
below may be more than its own node is rated for, and no waiting changes that. A reset after which it is not seen to be
closed within the settle time is void, and so is one whose site is in doubt before that: what closes later closes unseen, and
nobody keeps room for it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controller.core.floor import nodes_below, way_up
from controller.core.limits.contactors import ContactorState, Phase, SeenNodes, Trips, Void
from controller.core.modes import Mode
from controller.core.site import F64, Site
from controller.core.snapshot import Snapshot


def with_resets(state: ContactorState, snapshot: Snapshot, mode: Mode, *, is_fed: bool) -> ContactorState:
    """Take the newest reset of the node; it counts only in NORMAL, below no open contactor, and where there is something to close."""
    for reset in snapshot.resets:
        if reset.node != state.node or reset.id == state.reset:
            continue
        state = replace(state, reset=reset.id)
        if not state.may_be_reset:
            continue
        why = _why_not(mode, is_fed=is_fed)
        state = replace(state, void=why) if why else state.to(Phase.CLOSING, snapshot.now_s, was_proven=True)
    return state


def _why_not(mode: Mode, *, is_fed: bool) -> Void | None:
    if mode is not Mode.NORMAL:
        return Void.IN_DOUBT
    return None if is_fed else Void.OPEN_ABOVE


def with_reclosing(
    state: ContactorState, site: Site, snapshot: Snapshot, seen: SeenNodes, mode: Mode
) -> ContactorState:
    """Take in whether it is seen to be closed now, and end the time that devices have to start."""
    now_s = snapshot.now_s
    closed = state.now.seems_closed or (bool(seen.trusted[state.node]) and seen.draws(state.node))
    if state.phase is Phase.CLOSED and state.void is not None and closed:
        return replace(state, void=None)
    if state.phase is Phase.RECLOSING:
        if closed:
            return state.to(Phase.STARTING, now_s)
        if mode is not Mode.NORMAL:
            return _void(state, Void.IN_DOUBT, now_s)
        if now_s - state.since_s >= site.rules.settle_s:
            return _void(state, Void.NOT_SEEN, now_s)
    if state.phase is Phase.STARTING and now_s - state.since_s >= _start_s(site, snapshot, state.node):
        return state.to(Phase.CLOSED, now_s)
    return state


def _void(state: ContactorState, why: Void, now_s: float) -> ContactorState:
    """Return it as before the reset; what is below may be drawing anything until it is proven again to be open."""
    before = Phase.CLOSED if state.trip is None else Phase.TRIPPED
    proven_s = state.proven_s if before is Phase.TRIPPED else float("inf")
    return replace(state, phase=before, since_s=now_s, proven_s=proven_s, void=why)


def _start_s(site: Site, snapshot: Snapshot, node: int) -> float:
    here = np.zeros(len(site.tree.ids), dtype=np.bool_)
    here[node] = True
    below = nodes_below(site, here)[site.devices.node]
    slowest_s = float(np.max(snapshot.fleet.up_seen_s, initial=0.0, where=below))
    return max(slowest_s, site.rules.settle_s)


def close_where_it_fits(trips: Trips, site: Site, room_w: F64, mode: Mode, now_s: float) -> Trips:
    """Return the contactors, those told to close that have waited long enough.

    `room_w` (N,): what is left of each node with all that may start below it. In doubt nothing is closed, nor below one that is
    open, and the reset is void.
    """
    if not any(each.phase is Phase.CLOSING for each in trips.contactors):
        return trips
    return replace(
        trips, contactors=tuple(_closed(each, trips, site, room_w, mode, now_s) for each in trips.contactors)
    )


def _closed(state: ContactorState, trips: Trips, site: Site, room_w: F64, mode: Mode, now_s: float) -> ContactorState:
    if state.phase is not Phase.CLOSING:
        return state
    why = _why_not(mode, is_fed=not any(each.may_be_open for each in above(trips.contactors, site, state.node)))
    if why is not None:
        return _void(state, why, now_s)
    if now_s <= state.since_s:  # what may start below it counts from this tick on
        return state
    fits = bool(np.all(room_w[way_up(site, state.node)] >= 0.0))
    if fits or now_s - state.since_s >= site.rules.settle_s:
        return state.to(Phase.RECLOSING, now_s, was_proven=True)
    return state


def above(contactors: tuple[ContactorState, ...], site: Site, node: int) -> tuple[ContactorState, ...]:
    """Return the contactors above a node."""
    way = set(way_up(site, node)[1:])
    return tuple(each for each in contactors if each.node in way)
