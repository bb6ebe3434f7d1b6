"""Contactors: when a node is cut off because what is below it draws more than it may, and how it comes back.

A node is *tripped* when its trusted meter has shown more than its own rating, or more than a limit that it could keep, for
`trip_after_s` of known time. A limit under what the node draws with everything off is infeasible and never trips. While the meter is
unknown or doubted the time stands still; seen inside, it begins anew. The contactor stays open until a person resets the node. It
is proven to be open when the node's trusted meter shows nothing, and what is read back does not say otherwise.

After a reset the contactor is closed once all that may start below it has room, or after the settle time at the latest:
others make room, but what is below may be more than its own node is rated for, and no waiting changes that. See
`docs/decisions/tripping-a-node.md`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from controller.core.floor import nodes_below, way_up
from controller.core.limits.envelope import Envelope
from controller.core.limits.overrun import TOLERANCE, Recent, remember_most, span_s
from controller.core.modes import Mode
from controller.core.site import F64, Bool, Site
from controller.core.snapshot import ContactorNow, Position, Snapshot
from controller.core.trust.node_power import NodePower
from controller.core.trust.node_trust import NodeTrust

#: Share by which a device may take longer to start than its model says.
_START_FACTOR: Final = 1.25
_NEVER_READ: Final = ContactorNow(position=Position.UNKNOWN, fault="it has never been read")


class Phase(StrEnum):
    """CLOSED: nothing is asked of it. TRIPPED: told to open. CLOSING: a reset was taken, and room is made for what is below.

    STARTING: told to close; devices below have their time to start, and may be drawing anything.
    """

    CLOSED = "closed"
    TRIPPED = "tripped"
    CLOSING = "closing"
    STARTING = "starting"


class Wanted(StrEnum):
    """What is to become of a contactor; LEAVE: it stays as it is, whoever has put it there."""

    LEAVE = "leave"
    OPEN = "open"
    CLOSE = "close"


#: What each phase wants.
_WANTED: Final = {
    Phase.CLOSED: Wanted.LEAVE,
    Phase.TRIPPED: Wanted.OPEN,
    Phase.CLOSING: Wanted.OPEN,
    Phase.STARTING: Wanted.CLOSE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """Why a node (index into the tree) was cut off: it drew `power_w` where `cause` allows `limit_w`, for `for_s` of known time.

    `id`: no two are the same. `at_utc_s`: when, by the wall clock.
    """

    id: str
    node: int
    cause: str
    power_w: float
    limit_w: float
    for_s: float
    at_utc_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactorState:
    """A contactor from tick to tick.

    `since_s`: of the phase. `trip`: why it is open, None where nothing has tripped. `over_rating_s`, `over_limit_s`: known time
    for which the node has been above, None while it is not. `proven_s`: since when it is proven open, ``inf`` while
    it is not; `was_proven`: it has been since it was told. `reset`: id of the newest reset that was looked at. `now`: what
    is known of it as of this tick.
    """

    node: int
    phase: Phase
    since_s: float
    trip: Trip | None = None
    over_rating_s: float | None = None
    over_limit_s: float | None = None
    proven_s: float = float("inf")
    was_proven: bool = False
    reset: str = ""
    now: ContactorNow = _NEVER_READ

    @property
    def wanted(self) -> Wanted:
        """What is to become of it."""
        return _WANTED[self.phase]

    @property
    def proven(self) -> bool:
        """Whether it is proven to be open."""
        return self.proven_s < float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trips:
    """The contactors (C,), and by what their nodes are held.

    Per node (N,), as of the last tick: `allowed_w`: what it may draw by the limits that it could keep, ``inf`` where it could
    not, and in `binding` whose limit that is. `recent`: parts of the last settle time and the most of it in each.
    """

    contactors: tuple[ContactorState, ...]
    allowed_w: F64
    binding: tuple[str, ...]
    recent: Recent

    @property
    def quiet(self) -> bool:
        """Whether no contactor is told anything."""
        return all(each.phase is Phase.CLOSED for each in self.contactors)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenNodes:
    """What the meters of the nodes (N,) show now.

    `trusted`: it is known, and nothing speaks against any meter of the node. `class_w`: what a meter of the node may err.
    """

    power: NodePower
    trusted: Bool
    class_w: F64


def no_trips(site: Site, now_s: float, known: Iterable[Trip] = ()) -> Trips:
    """Return what a controller remembers that has just started; `known`: trips that nobody has ended."""
    trips = {trip.node: trip for trip in known}
    count = len(site.tree.ids)
    return Trips(
        contactors=tuple(
            ContactorState(
                node=node,
                phase=Phase.TRIPPED if node in trips else Phase.CLOSED,
                since_s=now_s,
                trip=trips.get(node),
            )
            for node in site.contactors.node.tolist()
        ),
        allowed_w=np.full(count, np.inf),
        binding=("unlimited",) * count,
        recent=(),
    )


def seen_nodes(power: NodePower, trust: NodeTrust, class_w: F64) -> SeenNodes:
    """Return what the meters show; `class_w` (N,): what they may err."""
    return SeenNodes(power=power, trusted=np.asarray(power.known & ~trust.still & ~trust.false), class_w=class_w)


def next_trips(trips: Trips, site: Site, snapshot: Snapshot, seen: SeenNodes, mode: Mode, elapsed_s: float) -> Trips:
    """Return the contactors after what is seen in this tick, and after the resets that are new."""
    if not trips.contactors:
        return trips
    most_w = np.max([watts for _, watts in trips.recent], axis=0) if trips.recent else trips.allowed_w
    after_s = site.contactors.trip_after_s.tolist()
    new = []
    for k, old in enumerate(trips.contactors):
        now = snapshot.contactors[k] if k < len(snapshot.contactors) else _NEVER_READ
        state = _with_resets(replace(old, now=now), snapshot, mode)
        if state.wanted is Wanted.OPEN:
            state = _proved(state, seen, snapshot.now_s)
        else:
            state = _timed(state, trips, site, seen, mode, elapsed_s)
            state = _tripped(state, trips, site, snapshot, seen, after_s[k], float(most_w[old.node]))
        new.append(_started(state, site, snapshot.now_s))
    return replace(trips, contactors=tuple(new))


def _with_resets(state: ContactorState, snapshot: Snapshot, mode: Mode) -> ContactorState:
    """Take the newest reset of the node; it counts only in NORMAL, and where there is something to close."""
    for reset in snapshot.resets:
        if reset.node != state.node or reset.id == state.reset:
            continue
        state = replace(state, reset=reset.id)
        is_open = state.phase is Phase.TRIPPED or (state.phase is Phase.CLOSED and state.now.seems_open)
        if is_open and mode is Mode.NORMAL:
            state = _to(state, Phase.CLOSING, snapshot.now_s, was_proven=True)
    return state


def _to(
    state: ContactorState, phase: Phase, now_s: float, *, trip: Trip | None = None, was_proven: bool = False
) -> ContactorState:
    kept = state.trip if phase in {Phase.CLOSING, Phase.TRIPPED} else None
    return replace(
        state,
        phase=phase,
        since_s=now_s,
        trip=trip or kept,
        over_rating_s=None,
        over_limit_s=None,
        proven_s=state.proven_s if phase is Phase.CLOSING else float("inf"),
        was_proven=was_proven,
    )


def _proved(state: ContactorState, seen: SeenNodes, now_s: float) -> ContactorState:
    """Look for the proof that the contactor is open; what has been proven is so until something shows otherwise."""
    n = state.node
    draws = bool(seen.power.known[n]) and float(seen.power.watts[n]) > seen.class_w[n]
    if draws or state.now.position is Position.CLOSED:
        return replace(state, proven_s=float("inf"))
    nothing = bool(seen.trusted[n]) and abs(float(seen.power.watts[n])) <= seen.class_w[n]
    if state.proven or not nothing or state.now.fault:
        return state
    return replace(state, proven_s=now_s, was_proven=True)


def _timed(
    state: ContactorState, trips: Trips, site: Site, seen: SeenNodes, mode: Mode, elapsed_s: float
) -> ContactorState:
    """Count the known time for which the node has been above its rating, and above its limits."""
    n = state.node
    if mode is Mode.INIT:
        return replace(state, over_rating_s=None, over_limit_s=None)
    if not seen.trusted[n]:
        return state
    rated = _is_above(seen, n, float(site.tree.limit_w[n]))
    limited = _is_above(seen, n, float(trips.allowed_w[n]))
    return replace(
        state,
        over_rating_s=_longer(state.over_rating_s, elapsed_s) if rated else None,
        over_limit_s=_longer(state.over_limit_s, elapsed_s) if limited else None,
    )


def _is_above(seen: SeenNodes, n: int, limit_w: float) -> bool:
    """Return whether a node is above a limit by more than is within its tolerance."""
    return float(seen.power.watts[n]) > limit_w + max(TOLERANCE * limit_w, float(seen.class_w[n]))


def _longer(over_s: float | None, elapsed_s: float) -> float:
    return 0.0 if over_s is None else over_s + elapsed_s


def _tripped(
    state: ContactorState,
    trips: Trips,
    site: Site,
    snapshot: Snapshot,
    seen: SeenNodes,
    after_s: float,
    most_w: float,
) -> ContactorState:
    """Trip where the node has been above for long enough; `most_w`: the most that its limits allowed in the last settle time."""
    n, name = state.node, site.tree.ids[state.node]
    rating_s = -1.0 if state.over_rating_s is None else state.over_rating_s
    limit_s = -1.0 if state.over_limit_s is None else state.over_limit_s
    if not seen.trusted[n]:
        return state
    if rating_s >= after_s:
        cause, limit_w, for_s = f"rating:{name}", float(site.tree.limit_w[n]), rating_s
    elif limit_s >= after_s and _is_above(seen, n, most_w):
        cause, limit_w, for_s = trips.binding[n], float(trips.allowed_w[n]), limit_s
    else:
        return state
    trip = Trip(
        id=f"{name}@{snapshot.utc_s:.3f}",
        node=n,
        cause=cause,
        power_w=float(seen.power.watts[n]),
        limit_w=limit_w,
        for_s=for_s,
        at_utc_s=snapshot.utc_s,
    )
    return _to(state, Phase.TRIPPED, snapshot.now_s, trip=trip)


def _started(state: ContactorState, site: Site, now_s: float) -> ContactorState:
    """End the time that devices have to start."""
    if state.phase is Phase.STARTING and now_s - state.since_s >= _start_s(site, state.node):
        return _to(state, Phase.CLOSED, now_s)
    return state


def _start_s(site: Site, node: int) -> float:
    here = np.zeros(len(site.tree.ids), dtype=np.bool_)
    here[node] = True
    below = nodes_below(site, here)[site.devices.node]
    slowest_s = float(np.max(site.devices.up_s, initial=0.0, where=below))
    return max(_START_FACTOR * slowest_s, site.rules.settle_s)


def close_where_it_fits(trips: Trips, site: Site, room_w: F64, mode: Mode, now_s: float) -> Trips:
    """Return the contactors, those told to close that have waited long enough.

    `room_w` (N,): what is left of each node with all that may start below it. In doubt nothing is closed, and the reset is void.
    """
    if not any(each.phase is Phase.CLOSING for each in trips.contactors):
        return trips
    return replace(trips, contactors=tuple(_closed(each, site, room_w, mode, now_s) for each in trips.contactors))


def _closed(state: ContactorState, site: Site, room_w: F64, mode: Mode, now_s: float) -> ContactorState:
    if state.phase is not Phase.CLOSING:
        return state
    if mode is not Mode.NORMAL:
        return replace(state, phase=Phase.CLOSED if state.trip is None else Phase.TRIPPED, since_s=now_s)
    if now_s <= state.since_s:  # what may start below it counts from this tick on
        return state
    fits = bool(np.all(room_w[way_up(site, state.node)] >= 0.0))
    if fits or now_s - state.since_s >= site.rules.settle_s:
        return _to(state, Phase.STARTING, now_s)
    return state


def hold_to(trips: Trips, site: Site, bounds: Envelope, floor_w: F64, now_s: float) -> Trips:
    """Return the contactors with what the nodes may draw from now on; `floor_w` (N,): with everything off."""
    if not trips.contactors:
        return trips
    allowed_w = np.where(bounds.limit_w >= floor_w, bounds.limit_w, np.inf)
    recent = remember_most(trips.recent, allowed_w, now_s, span_s(site))
    return replace(trips, allowed_w=allowed_w, binding=bounds.binding, recent=recent)
