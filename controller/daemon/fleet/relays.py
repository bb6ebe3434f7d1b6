"""Contactors that agents have: devices of their inventories that are none of the fleet's, and what each is told.

A contactor has two setpoints: 0 is open, and the rating of its node is closed. It is told what is wanted of it; where nothing
is, what it was told last, and before it was told anything, what it was found to be. So a contactor that somebody
else has opened is not closed by a controller that starts. One that somebody closes again is opened, for its agent was told what it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.limits.contactors import Wanted
from controller.core.site import Site
from controller.core.snapshot import ContactorNow, Followed, Position
from controller.site.compile import contactors_in_order
from controller.site.model import SiteFile


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRelay:
    """A contactor of an agent: its place in those of the site, its id in the inventory, and the watts that mean closed."""

    contactor: int
    device: str
    closed_w: float


class RelayWatts:
    """What one contactor of an agent is told; for the sender's thread alone."""

    def __init__(self, relay: AgentRelay) -> None:
        self._closed_w = relay.closed_w
        self._told_w: float | None = None

    def look(self, wanted: Wanted, applied_w: float, follow: int) -> None:
        """Take what is wanted, and what its agent says of it."""
        if wanted is not Wanted.LEAVE:
            self._told_w = 0.0 if wanted is Wanted.OPEN else self._closed_w
        elif self._told_w is None and follow == Followed.PROVEN:
            self._told_w = self._closed_w if applied_w > 0.0 else 0.0

    @property
    def known(self) -> bool:
        """Whether it was told something or found somewhere. Until then no statement may raise, for that could close it."""
        return self._told_w is not None

    @property
    def watts(self) -> float:
        """What the next statement says."""
        return self._closed_w if self._told_w is None else self._told_w


def relay_now(agent: str, *, silent: bool, applied_w: float, follow: int) -> ContactorNow:
    """Return what is known of a contactor by what its agent says."""
    if silent:
        return ContactorNow(position=Position.UNKNOWN, fault=f"agent {agent} is silent")
    if follow == Followed.LOST:
        return ContactorNow(position=Position.UNKNOWN, fault=f"agent {agent} gets no answer of it")
    if follow == Followed.REFUSED:
        return ContactorNow(position=Position.UNKNOWN, fault=f"agent {agent} says that it refuses")
    if follow == Followed.DEFIANT:
        return ContactorNow(position=Position.CLOSED)
    if follow == Followed.PROVEN:
        return ContactorNow(position=Position.CLOSED if applied_w > 0.0 else Position.OPEN)
    return ContactorNow(position=Position.UNKNOWN)


def relays_of(site_file: SiteFile, site: Site) -> dict[str, list[AgentRelay]]:
    """Return the contactors that agents have, by agent."""
    relays: dict[str, list[AgentRelay]] = {}
    for k, one in enumerate(contactors_in_order(site_file, site.tree)):
        relay = one.entry.relay
        if relay is not None:
            mine = AgentRelay(contactor=k, device=relay.device, closed_w=float(one.closed_w))
            relays.setdefault(relay.agent, []).append(mine)
    return relays
