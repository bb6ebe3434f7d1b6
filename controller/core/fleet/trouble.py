"""What of the fleet cannot be led now, by agent, and whether the site has to be held because of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from controller.core.fleet.leases import CONTACT_S, Leases, defiant, in_contact, in_step, lost
from controller.core.modes import Doubts
from controller.core.reasons import Code, Parameter, Reason
from controller.core.site import F64, Bool, Devices, Site
from controller.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What cannot be led. `silent_s` (A,): for how long each agent has been silent, 0 while it is in contact.

    Per device (D,): `silent`: its agent is; `lost`: it does not answer its agent; `defiant`: it does not do as it was told.
    `led`: it can be told what to draw, and does it.
    """

    silent_s: F64
    silent: Bool
    lost: Bool
    defiant: Bool
    led: Bool

    @property
    def any(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.silent_s.any() or self.lost.any() or self.defiant.any())


def find_trouble(leases: Leases, devices: Devices, snapshot: Snapshot) -> Trouble:
    """Return what cannot be led; an agent that was never heard is silent since the controller began to listen."""
    now_s = snapshot.now_s
    waited_s = now_s - np.maximum(snapshot.fleet.heard_s, leases.begun_s)
    silent_s = np.where(waited_s > CONTACT_S, waited_s, 0.0)
    unanswered, disobeys = lost(devices, snapshot), defiant(leases, devices, snapshot)
    return Trouble(
        silent_s=silent_s,
        silent=(silent_s > 0.0)[devices.agent],
        lost=unanswered,
        defiant=disobeys,
        led=in_contact(devices, snapshot) & in_step(leases, now_s) & ~unanswered & ~disobeys,
    )


def stuck_w(leases: Leases, devices: Devices, trouble: Trouble) -> F64:
    """Watts of each device (D,) that cannot be freed: what nobody leads now goes on, and the others absorb the cut."""
    return np.where(trouble.led | ~leases.known, devices.off_w, leases.high_w)


def told_of(trouble: Trouble, site: Site, leases: Leases, unshown: Bool) -> tuple[tuple[Reason, ...], Doubts]:
    """Return what is to be said of the agents and their devices, and what of that is a doubt.

    `unshown`: nodes (N,) that cannot be brought inside their envelope, and that no trusted meter shows inside it. What
    cannot be led below such a node keeps the site from being raised; elsewhere the others are led on.
    """
    if not trouble.any:
        return (), Doubts()
    devices = site.devices
    by_agent = tuple(_reasons(trouble, site, leases))
    below = _below(site, unshown)[devices.node] & (trouble.silent | trouble.lost | trouble.defiant)
    holding = {site.agents[a] for a in np.unique(devices.agent[below]).tolist()}
    return by_agent, Doubts(doubts=tuple(reason for reason in by_agent if reason.subject in holding))


def _reasons(trouble: Trouble, site: Site, leases: Leases) -> Iterator[Reason]:
    devices = site.devices
    # Of what was never heard nothing is known but its nameplate.
    most_w = np.where(leases.known, leases.high_w, devices.max_w)
    beyond_w = np.maximum(leases.high_w - leases.setpoint_w, 0.0)
    for a in np.flatnonzero(trouble.silent_s).tolist():
        mine = devices.agent == a
        figures: dict[str, Parameter] = {"since_s": float(trouble.silent_s[a])}
        figures |= {"count": int(mine.sum()), "most_w": float(most_w[mine].sum())}
        yield Reason(Code.AGENT_SILENT, site.agents[a], figures)
    for code, found, name, watts in (
        (Code.DEVICE_LOST, trouble.lost, "most_w", most_w),
        (Code.DEVICE_DEFIANT, trouble.defiant, "over_w", beyond_w),
    ):
        for a in np.unique(devices.agent[found]).tolist():
            mine = found & (devices.agent == a)
            yield Reason(code, site.agents[a], {"count": int(mine.sum()), name: float(watts[mine].sum())})


def _below(site: Site, nodes: Bool) -> Bool:
    """Return which nodes (N,) are, or are below, one of `nodes`."""
    found = nodes.copy()
    if found.any():
        for n, above in enumerate(site.tree.parent[1:].tolist(), start=1):
            found[n] |= found[above]
    return found
