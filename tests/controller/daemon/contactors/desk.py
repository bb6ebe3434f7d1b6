"""A reset desk over a site with a tripped hall, whose newest decision a test may change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from controller.core.decision import Decision
from controller.core.limits.contactors import ContactorState, Over, Phase, Trip
from controller.core.modes import Mode
from controller.core.site import Contactors, Site
from controller.core.snapshot import ContactorNow, Position
from controller.daemon.access import Principal, Role
from controller.daemon.contactors.resets import ResetDesk
from tests.controller.core.halls import HALL, hall_site
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.north import make_decision

OPERATOR = Principal(name="ops-1", role=Role.OPERATOR)
TRIP = Trip(
    id="hall@1700000000.000",
    node=HALL,
    over=Over(cause="rating:hall", power_w=72e3, limit_w=60e3, for_s=61.0),
    at_utc_s=1.7e9,
)


def state_of(phase: Phase = Phase.TRIPPED, position: Position = Position.OPEN, **more: Any) -> ContactorState:
    """Return the contactor of the hall in a phase."""
    if phase is Phase.CLOSED:
        position = Position.CLOSED
    trip = TRIP if phase in {Phase.TRIPPED, Phase.CLOSING, Phase.RECLOSING} else None
    given: dict[str, Any] = {"trip": trip, "now": ContactorNow(position=position)} | more
    return ContactorState(node=HALL, phase=phase, since_s=1000.0, **given)


def decided(state: ContactorState, mode: Mode = Mode.NORMAL) -> Decision:
    """Return a decision about that contactor."""
    return replace(make_decision(), mode=mode, contactors=(state,))


@dataclass
class Desk:
    """`decision`: the newest, None where none is new enough."""

    decision: Decision | None = field(default_factory=lambda: decided(state_of()))
    now_s: float = 1000.0


@contextmanager
def tripped_desk(
    path: Path, *, mode: Mode = Mode.NORMAL, phase: Phase = Phase.TRIPPED, above: Phase | None = None
) -> Iterator[tuple[ResetDesk, Site]]:
    """Yield a desk over a hall in that phase, and its site; `above`: phase of the contactor of the root, None where it has none."""
    journal, site = journal_at(path), hall_site()
    decision = decided(state_of(phase), mode)
    if above is not None:
        site = replace(site, contactors=Contactors(node=np.array([0, HALL]), trip_after_s=np.full(2, 60.0)))
        decision = replace(decision, contactors=(replace(state_of(above), node=0), *decision.contactors))
    try:
        yield ResetDesk(site=site, journal=journal, decision=lambda: decision), site
    finally:
        journal.close()
