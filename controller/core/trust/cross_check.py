"""Readings that cannot all be true: two meters of one node, or a meter and the devices below it.

What differs for a moment may be two clocks and a ramp; so a contradiction counts once it has lasted, in INIT at once.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from controller.core.fleet.leases import CONTACT_S
from controller.core.modes import Mode
from controller.core.safe import watts_below
from controller.core.site import Site
from controller.core.snapshot import MeterColumns, Snapshot
from controller.core.state import Doubted
from controller.core.trust.node_power import NodePower, usable

#: Two meters of one node may differ by this share of the larger, and by this share of their rating.
_AGREE_SHARE = 0.10
_AGREE_RATING = 0.02
#: A meter may show less than its devices report by this share, besides their own error, and by this share of its rating.
_SHORT_SHARE = 0.10
_SHORT_RATING = 0.002
#: How long a contradiction has to last.
_LASTING_S = 5.0


def contradictions(site: Site, snapshot: Snapshot, power: NodePower) -> tuple[str, ...]:
    """Return, in words, what cannot be true in this snapshot."""
    return (*disagreements(site, snapshot.meters, snapshot.now_s), *_shortfalls(site, snapshot, power))


def lasting(
    doubted: Doubted | None, found: tuple[str, ...], mode: Mode, now_s: float
) -> tuple[Doubted | None, tuple[str, ...]]:
    """Return what is to be remembered of the contradictions, and those that count now."""
    if not found:
        return None, ()
    since_s = doubted.since_s if doubted else now_s
    counts = mode is Mode.INIT or now_s - since_s >= _LASTING_S
    return Doubted(since_s=since_s), found if counts else ()


def disagreements(site: Site, meters: MeterColumns, now_s: float) -> list[str]:
    """Name the meters of one node that are usable and differ."""
    fresh = np.flatnonzero(usable(site, meters, now_s)).tolist()
    return [
        f"meters {site.meters.ids[k]} and {site.meters.ids[j]} disagree"
        for k, j in combinations(fresh, 2)
        if site.meters.node[k] == site.meters.node[j] and _disagree(site, meters, k, j)
    ]


def _disagree(site: Site, meters: MeterColumns, k: int, j: int) -> bool:
    a, b = meters.power_w[k], meters.power_w[j]
    rating_w = min(site.meters.rating_w[k], site.meters.rating_w[j])
    return bool(abs(a - b) > _AGREE_SHARE * max(abs(a), abs(b)) + _AGREE_RATING * rating_w)


def _shortfalls(site: Site, snapshot: Snapshot, power: NodePower) -> list[str]:
    """Name the nodes whose meters show less than the devices below say that they draw."""
    devices, fleet = site.devices, snapshot.fleet
    speaks = (snapshot.now_s - fleet.heard_s <= CONTACT_S)[devices.agent]
    reported_w = np.where(speaks, fleet.measured_w * (1.0 - devices.report_error - _SHORT_SHARE), 0.0)
    short_w = watts_below(site, np.maximum(reported_w, 0.0)) - power.watts
    rating_w = np.zeros(len(site.tree.ids))
    np.maximum.at(rating_w, site.meters.node, site.meters.rating_w)
    nodes = np.flatnonzero(power.known & (short_w > _SHORT_RATING * rating_w))
    return [f"the meters of {site.tree.ids[n]} show less than the devices below it draw" for n in nodes]
