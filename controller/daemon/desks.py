"""Where people ask for something that is no order."""

from __future__ import annotations

from dataclasses import dataclass

from controller.daemon.clock.desk import ClockDesk
from controller.daemon.contactors.resets import ResetDesk
from controller.daemon.people.locks import LockDesk
from controller.daemon.people.meters import MeterDesk
from controller.daemon.people.stop import StopDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """Resets of tripped nodes, locks of people at work, the stop of the site, people's words for meters, and the word of an authority for the wall clock."""

    resets: ResetDesk
    locks: LockDesk
    stops: StopDesk
    meters: MeterDesk
    clock: ClockDesk
