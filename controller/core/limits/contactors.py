"""What is remembered of contactors from tick to tick: what each is told, why it is open, what became of the newest reset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from controller.core.limits.overrun import Recent
from controller.core.site import F64, Bool, Site
from controller.core.snapshot import ContactorNow, Position
from controller.core.trust.node_power import NodePower

#: Of one that nobody has spoken of yet.
NEVER_READ: Final = ContactorNow(position=Position.UNKNOWN, fault="it has never been read")


class Phase(StrEnum):
    """CLOSED: nothing is asked of it. TRIPPED: told to open. CLOSING: a reset was taken, and room is made for what is below.

    RECLOSING: told to close, and not seen to be closed yet. STARTING: seen to be closed; devices below have their time to start,
    and may be drawing anything.
    """

    CLOSED = "closed"
    TRIPPED = "tripped"
    CLOSING = "closing"
    RECLOSING = "reclosing"
    STARTING = "starting"


class Wanted(StrEnum):
    """What is to become of a contactor; LEAVE: it stays as it is, whoever has put it there."""

    LEAVE = "leave"
    OPEN = "open"
    CLOSE = "close"


class Void(StrEnum):
    """Why a reset came to nothing: the site was in doubt, it was not seen to be closed in time, or one above it is open."""

    IN_DOUBT = "in_doubt"
    NOT_SEEN = "not_seen_closed"
    OPEN_ABOVE = "open_above"


#: What each phase wants. One that was seen to be closed is not closed again: what opens it after that has a reason.
_WANTED: Final = {
    Phase.CLOSED: Wanted.LEAVE,
    Phase.TRIPPED: Wanted.OPEN,
    Phase.CLOSING: Wanted.OPEN,
    Phase.RECLOSING: Wanted.CLOSE,
    Phase.STARTING: Wanted.LEAVE,
}
#: In these it is open for a trip, if there was one.
_TRIPPED: Final = frozenset({Phase.TRIPPED, Phase.CLOSING, Phase.RECLOSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A node drew `power_w` where `cause` allows `limit_w`, for `for_s` of known time."""

    cause: str
    power_w: float
    limit_w: float
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """Why a node (index into the tree) was cut off: `over`, None where it is on record that it was, and why cannot be understood.

    `id`: no two are the same. `at_utc_s`: when, by the wall clock.
    """

    id: str
    node: int
    over: Over | None
    at_utc_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactorState:
    """A contactor from tick to tick.

    `since_s`: of the phase. `trip`: why it is open, None where nothing has tripped; it ends once the contactor was seen to be
    closed. `over_rating_s`, `over_limit_s`: known time for which the node has been above, None while it is not. `proven_s`: since
    when it is proven open, ``inf`` while it is not; `was_proven`: it has been since it was told. `reset`: id of the newest reset
    that was looked at; `void`: why it came to nothing, None where it did not, or it was seen to be closed since. `now`: what is known of it as of this tick.
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
    void: Void | None = None
    now: ContactorNow = NEVER_READ

    @property
    def wanted(self) -> Wanted:
        """What is to become of it."""
        return _WANTED[self.phase]

    @property
    def proven(self) -> bool:
        """Whether it is proven to be open."""
        return self.proven_s < float("inf")

    @property
    def may_be_open(self) -> bool:
        """Whether it was told to be open, is not seen to be closed again yet, or is found open."""
        return self.wanted is not Wanted.LEAVE or self.now.seems_open

    @property
    def may_be_reset(self) -> bool:
        """Whether a person may want it closed: it is tripped, found open, or not seen to be closed since a reset that was void."""
        return self.phase is Phase.TRIPPED or (
            self.phase is Phase.CLOSED and (self.now.seems_open or self.void is not None)
        )

    def to(self, phase: Phase, now_s: float, *, trip: Trip | None = None, was_proven: bool = False) -> ContactorState:
        """Return it in another phase; a `trip` is a new one."""
        return replace(
            self,
            phase=phase,
            since_s=now_s,
            trip=trip or (self.trip if phase in _TRIPPED else None),
            over_rating_s=None,
            over_limit_s=None,
            proven_s=self.proven_s if phase is Phase.CLOSING else float("inf"),
            was_proven=was_proven,
            void=None,
        )


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
    `accused`: steps that its devices have made speak against a meter of the node, though not for long enough yet to find it
    wrong, or it shows more than a trusted meter above it: no node is cut off by it meanwhile.
    """

    power: NodePower
    trusted: Bool
    class_w: F64
    accused: Bool

    @property
    def sure(self) -> Bool:
        """By which nodes (N,) something may be cut off."""
        return np.asarray(self.trusted & ~self.accused, dtype=np.bool_)

    def draws(self, n: int) -> bool:
        """Return whether a node is known to draw more than its meter may err."""
        return bool(self.power.known[n]) and float(self.power.watts[n]) > float(self.class_w[n])


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
