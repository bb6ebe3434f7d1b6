"""What of the fleet cannot be led now, by agent, and whether the site has to be held because of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.core.fleet.leases import CONTACT_S, Leases, defiant, in_contact, in_step, lost
from controller.core.floor import nodes_below
from controller.core.masks import every, some, spread
from controller.core.modes import Doubts
from controller.core.reasons import Code, Parameter, Reason
from controller.core.site import F64, Bool, Devices, Site
from controller.core.snapshot import Snapshot

#: A lease is renewed after a quarter of it; an agent that has taken nothing for this share of one is not led.
_DEAF_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What cannot be led.

    Per agent (A,): `silent_s`: for how long it has been silent, 0 while it is in contact; `deaf_s`: for how long one that
    is in contact has taken no statement, 0 where that is no longer than it may be.
    Per device (D,): `silent`: its agent is; `lost`: it does not answer its agent; `defiant`: it does not do as it was told.
    `reluctant`: it did not come up when it was asked to. `led`: it can be told what to draw, and does it. `asked`: it is led, and may
    be asked for more now: one that has refused, and one that its agent lets rest, may only be lowered.
    """

    silent_s: F64
    deaf_s: F64
    silent: Bool
    lost: Bool
    defiant: Bool
    reluctant: Bool
    led: Bool
    asked: Bool

    @property
    def any(self) -> bool:
        """Whether there is anything to tell."""
        of_agents = some(self.silent_s) or some(self.deaf_s)
        return of_agents or some(self.lost) or some(self.defiant) or some(self.reluctant)


def find_trouble(leases: Leases, devices: Devices, snapshot: Snapshot, lease_s: float = np.inf) -> Trouble:
    """Return what cannot be led; an agent that was never heard is silent since the controller began to listen."""
    now_s = snapshot.now_s
    silent_s = _longer_than(CONTACT_S, now_s - np.maximum(snapshot.fleet.heard_s, leases.begun_s))
    # What it has not taken while it was away says nothing of what it takes now.
    untaken_s = now_s - np.maximum(snapshot.fleet.confirmed_s, np.minimum(leases.contact_s, now_s))
    deaf_s = _longer_than(_DEAF_SHARE * lease_s, untaken_s)
    unanswered, disobeys = lost(devices, snapshot), defiant(leases, devices, snapshot)
    obeys = ~(unanswered | disobeys)
    led = in_contact(devices, snapshot) & in_step(leases, now_s) & obeys
    return Trouble(
        silent_s=silent_s,
        deaf_s=np.where(silent_s > 0.0, 0.0, deaf_s) if some(deaf_s) else deaf_s,
        silent=spread(silent_s > 0.0, devices.agent),
        lost=unanswered,
        defiant=disobeys,
        reluctant=leases.waiting.reluctant & obeys,
        led=led,
        asked=led & (leases.waiting.again_s < now_s) & ~snapshot.fleet.rests,
    )


def _longer_than(least_s: float, for_s: F64) -> F64:
    """Return what has lasted longer, 0 elsewhere."""
    longer = for_s > least_s
    return np.where(longer, for_s, 0.0) if some(longer) else np.zeros(for_s.size)


def stuck_w(leases: Leases, devices: Devices, trouble: Trouble) -> F64:
    """Watts of each device (D,) that cannot be freed: what nobody leads now goes on, and the others absorb the cut."""
    if every(trouble.led):
        return devices.off_w
    return np.where(trouble.led | ~leases.known, devices.off_w, leases.high_w)


def unled(trouble: Trouble, devices: Devices) -> Bool:
    """Return which devices (D,) are not known to do what is wanted of them: of those of a deaf agent it is chance if they do."""
    unknown = ~trouble.asked
    return unknown | (trouble.deaf_s > 0.0)[devices.agent] if some(trouble.deaf_s) else unknown


def told_of(trouble: Trouble, site: Site, leases: Leases, unshown: Bool) -> tuple[tuple[Reason, ...], Doubts]:
    """Return what is to be said of the agents and their devices, and what of that is a doubt.

    `unshown`: nodes (N,) that cannot be brought inside their envelope, and that no trusted meter shows inside it. What
    cannot be led below such a node keeps the site from being raised; elsewhere the others are led on. Where every agent is silent nobody
    is led, whatever the link says: a doubt, and a loss once all leases have ended.
    """
    if not trouble.any:
        return (), Doubts()
    devices = site.devices
    by_agent = tuple(_reasons(trouble, site, leases))
    troubled = trouble.silent | (trouble.deaf_s > 0.0)[devices.agent] | trouble.lost | trouble.defiant
    below = nodes_below(site, unshown)[devices.node] & troubled
    holding = {site.agents[a] for a in np.unique(devices.agent[below]).tolist()}
    if every(trouble.silent_s > 0.0):
        if trouble.silent_s.min() > site.rules.lease_s:
            return by_agent, Doubts(lost=by_agent)
        holding = set(site.agents)
    return by_agent, Doubts(doubts=tuple(reason for reason in by_agent if reason.subject in holding))


def _reasons(trouble: Trouble, site: Site, leases: Leases) -> Iterator[Reason]:
    devices = site.devices
    # Of what was never heard nothing is known but its nameplate.
    most_w = np.where(leases.known, leases.high_w, devices.max_w)
    beyond_w = np.maximum(leases.high_w - leases.setpoint_w, 0.0)
    for code, since_s in ((Code.AGENT_SILENT, trouble.silent_s), (Code.AGENT_DEAF, trouble.deaf_s)):
        for a in np.flatnonzero(since_s).tolist():
            mine = devices.agent == a
            figures: dict[str, Parameter] = {"since_s": float(since_s[a])}
            figures |= {"count": int(mine.sum()), "most_w": float(most_w[mine].sum())}
            yield Reason(code, site.agents[a], figures)
    missing_w = np.maximum(leases.waiting.wanted_w - leases.applied_w, 0.0)
    for code, found, name, watts in (
        (Code.DEVICE_LOST, trouble.lost, "most_w", most_w),
        (Code.DEVICE_DEFIANT, trouble.defiant, "over_w", beyond_w),
        (Code.DEVICE_RELUCTANT, trouble.reluctant & ~trouble.silent, "missing_w", missing_w),
    ):
        for a in np.unique(devices.agent[found]).tolist():
            mine = found & (devices.agent == a)
            yield Reason(code, site.agents[a], {"count": int(mine.sum()), name: float(watts[mine].sum())})
