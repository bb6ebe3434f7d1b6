"""When a node is cut off because what is below it draws more than it may, and what proves that it is.

A node is *tripped* when its trusted meter has shown more than its own rating, or more than a limit that it could keep, for
`trip_after_s` of known time. A limit under what the node draws with everything off is infeasible and never trips. While the meter is
unknown, doubted or accused, the time stands still; seen inside, it begins anew. The contactor stays open until a person resets the node
(`controller.core.limits.reclosing`). It is proven to be open when the node's trusted meter shows nothing, what is read back does
not say otherwise, and power comes as far as to it. See `docs/decisions/tripping-a-node.md`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controller.core.floor import way_up
from controller.core.limits.contactors import NEVER_READ, ContactorState, Over, Phase, SeenNodes, Trip, Trips, Wanted
from controller.core.limits.envelope import Envelope
from controller.core.limits.overrun import TOLERANCE, remember_most, span_s
from controller.core.limits.reclosing import above, with_reclosing, with_resets
from controller.core.modes import Mode
from controller.core.site import F64, Bool, Site
from controller.core.snapshot import Position, Snapshot
from controller.core.trust.node_power import NodePower
from controller.core.trust.node_trust import NodeTrust


def seen_nodes(site: Site, power: NodePower, trust: NodeTrust, class_w: F64, against_s: F64) -> SeenNodes:
    """Return what the meters show.

    `class_w` (N,): what they may err; `against_s` (K,): since when steps have spoken against each, ``inf`` while they do not.
    """
    trusted = np.asarray(power.known & ~trust.still & ~trust.false)
    accused = _above_what_is_above(site, power, trusted, class_w)
    accused[site.meters.node[np.isfinite(against_s)]] = True
    return SeenNodes(power=power, trusted=trusted, class_w=class_w, accused=accused)


def _above_what_is_above(site: Site, power: NodePower, trusted: Bool, class_w: F64) -> Bool:
    """Return the nodes with a contactor (N,) that show more than a trusted meter above them, beyond what both may err."""
    found = np.zeros(power.watts.size, dtype=np.bool_)
    for n in site.contactors.node.tolist():
        for m in way_up(site, n)[1:]:
            most_w = max(power.watts[m] + class_w[m], (1.0 + TOLERANCE) * power.watts[m]) + class_w[n]
            found[n] |= bool(trusted[m]) and power.watts[n] > most_w
    return found


def next_trips(
    trips: Trips, site: Site, snapshot: Snapshot, seen: SeenNodes | None, mode: Mode, elapsed_s: float
) -> Trips:
    """Return the contactors after what is `seen` in this tick (None: there are none), and after the resets that are new."""
    if seen is None:
        return trips
    most_w = np.max([watts for _, watts in trips.recent], axis=0) if trips.recent else trips.allowed_w
    after_s = site.contactors.trip_after_s.tolist()
    new: list[ContactorState] = []
    for k, old in enumerate(trips.contactors):
        now = snapshot.contactors[k] if k < len(snapshot.contactors) else NEVER_READ
        over = above(tuple(new), site, old.node)  # those above a node come before it
        state = replace(old, now=now)
        state = with_resets(state, snapshot, mode, is_fed=not any(each.may_be_open for each in over))
        if state.wanted is Wanted.OPEN:
            state = _proved(state, seen, snapshot.now_s, is_fed=all(_feeds(each, seen) for each in over))
        else:
            state = _timed(state, trips, site, seen, mode, elapsed_s)
            state = _tripped(state, trips, site, snapshot, seen, after_s[k], float(most_w[old.node]))
        new.append(with_reclosing(state, site, snapshot, seen, mode))
    return replace(trips, contactors=tuple(new))


def _feeds(state: ContactorState, seen: SeenNodes) -> bool:
    """Return whether power surely comes through a contactor: what it takes from those below it proves nothing of theirs."""
    return state.wanted is Wanted.LEAVE and (state.now.seems_closed or seen.draws(state.node))


def _proved(state: ContactorState, seen: SeenNodes, now_s: float, *, is_fed: bool) -> ContactorState:
    """Look for the proof that the contactor is open; what has been proven is so until something shows otherwise."""
    n = state.node
    if seen.draws(n) or state.now.position is Position.CLOSED:
        return replace(state, proven_s=float("inf"))
    nothing = bool(seen.trusted[n]) and abs(float(seen.power.watts[n])) <= seen.class_w[n]
    if state.proven or not nothing or not is_fed or state.now.fault:
        return state
    return replace(state, proven_s=now_s, was_proven=True)


def _timed(
    state: ContactorState, trips: Trips, site: Site, seen: SeenNodes, mode: Mode, elapsed_s: float
) -> ContactorState:
    """Count the known time for which the node has been above its rating, and above its limits."""
    n = state.node
    if mode is Mode.INIT:
        return replace(state, over_rating_s=None, over_limit_s=None)
    if not seen.sure[n]:
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
    if not seen.sure[n]:
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
        over=Over(cause=cause, power_w=float(seen.power.watts[n]), limit_w=limit_w, for_s=for_s),
        at_utc_s=snapshot.utc_s,
    )
    return state.to(Phase.TRIPPED, snapshot.now_s, trip=trip)


def hold_to(trips: Trips, site: Site, bounds: Envelope, floor_w: F64, now_s: float) -> Trips:
    """Return the contactors with what the nodes may draw from now on; `floor_w` (N,): with everything off."""
    if not trips.contactors:
        return trips
    allowed_w = np.where(bounds.limit_w >= floor_w, bounds.limit_w, np.inf)
    recent = remember_most(trips.recent, allowed_w, now_s, span_s(site))
    return replace(trips, allowed_w=allowed_w, binding=bounds.binding, recent=recent)
