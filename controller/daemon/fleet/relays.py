"""Contactors that agents have: devices of their inventories that are none of the fleet's, and what each is told.

A contactor is told 0 to open, the rating of its node to close, and one watt where nothing is wanted of it: it stays as it is,
whoever has put it there, and whether or not anybody knows where that is. So nothing of the past is said to it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from controller.core.limits.contactors import Wanted
from controller.core.site import Site
from controller.core.snapshot import ContactorNow, Followed, Position
from controller.site.compile import contactors_in_order
from controller.site.model import SiteFile
from drivers.fleet.wire import LEAVE_W


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRelay:
    """A contactor of an agent: its place in those of the site, its id in the inventory, and the watts that mean closed."""

    contactor: int
    device: str
    closed_w: float


#: What an agent says of a contactor that it cannot tell or read.
_FAULTS: Final = {int(Followed.LOST): "gets no answer of it", int(Followed.REFUSED): "says that it refuses"}


def relay_w(relay: AgentRelay, wanted: Wanted) -> float:
    """Return the watts that say to a contactor of an agent what is wanted of it."""
    return {Wanted.OPEN: 0.0, Wanted.LEAVE: float(LEAVE_W), Wanted.CLOSE: relay.closed_w}[wanted]


def relay_now(
    agent: str, *, silent: bool, applied_w: float, follow: int, granted_w: float | None = None
) -> ContactorNow:
    """Return what is known of a contactor by what its agent says; `granted_w`: what it has taken, None where that is not known."""
    if silent:
        return ContactorNow(position=Position.UNKNOWN, fault=f"agent {agent} is silent")
    if follow in _FAULTS:
        return ContactorNow(position=Position.UNKNOWN, fault=f"agent {agent} {_FAULTS[follow]}")
    if follow == Followed.ACCEPTED and applied_w > 0.0:
        # One that cannot say where it is has said yes; one that is read to be open has not followed.
        return ContactorNow(position=Position.UNKNOWN, held=_held(granted_w))
    if follow not in {Followed.DEFIANT, Followed.PROVEN}:
        return ContactorNow(position=Position.UNKNOWN)
    is_open = follow == Followed.PROVEN and applied_w <= 0.0
    return ContactorNow(position=Position.OPEN if is_open else Position.CLOSED)


def _held(granted_w: float | None) -> Position:
    if granted_w is None or granted_w == LEAVE_W:
        return Position.UNKNOWN
    return Position.CLOSED if granted_w > 0.0 else Position.OPEN


def relays_of(site_file: SiteFile, site: Site) -> dict[str, list[AgentRelay]]:
    """Return the contactors that agents have, by agent."""
    relays: dict[str, list[AgentRelay]] = {}
    for k, one in enumerate(contactors_in_order(site_file, site.tree)):
        relay = one.entry.relay
        if relay is not None:
            mine = AgentRelay(contactor=k, device=relay.device, closed_w=float(one.closed_w))
            relays.setdefault(relay.agent, []).append(mine)
    return relays
