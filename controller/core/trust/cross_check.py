"""Cross-check: readings that cannot all be true, of two meters of one node, or of a meter and the devices below it.

What differs for a moment may be two clocks and a ramp; so a contradiction counts once it has lasted.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from controller.core.fleet.bounds import FleetBelow
from controller.core.masks import some
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.core.trust.columns import MeterColumns, usable
from controller.core.trust.node_power import NodePower

#: Two meters of one node may differ by this share of the larger, and by this share of their rating.
_AGREE_SHARE = 0.10
_AGREE_RATING = 0.02
#: A meter may show less than its devices report by this share, besides their own error, and by this share of its rating.
_SHORT_SHARE = 0.10
_SHORT_RATING = 0.002
#: How long a contradiction has to last.
_LASTING_S = 5.0


def contradictions(
    site: Site, meters: MeterColumns, power: NodePower, fleet: FleetBelow, now_s: float
) -> tuple[Reason, ...]:
    """Return what cannot be true now."""
    return (*_disagreements(site, meters, now_s), *_shortfalls(site, power, fleet))


def lasting(
    before_s: Mapping[str, float], found: tuple[Reason, ...], now_s: float, *, starting: bool
) -> tuple[Mapping[str, float], tuple[Reason, ...]]:
    """Return since when there have been contradictions, by node, and those that count now; `before_s`: as of the last tick.

    `starting`: nothing is raised yet, so that they count at once.
    """
    since_s = {reason.subject: before_s.get(reason.subject, now_s) for reason in found}
    return since_s, tuple(each for each in found if starting or now_s - since_s[each.subject] >= _LASTING_S)


def _disagreements(site: Site, meters: MeterColumns, now_s: float) -> list[Reason]:
    """Name the meters of one node that are usable and differ."""
    ids, node = site.meters.ids, site.meters.node
    fresh = np.flatnonzero(usable(site, meters, now_s)).tolist()
    return [
        Reason(Code.METERS_DISAGREE, site.tree.ids[node[k]], {"meter": ids[k], "other": ids[j]})
        for k, j in combinations(fresh, 2)
        if node[k] == node[j] and _disagree(site, meters, k, j)
    ]


def _disagree(site: Site, meters: MeterColumns, k: int, j: int) -> bool:
    a, b = meters.power_w[k], meters.power_w[j]
    rating_w = min(site.meters.rating_w[k], site.meters.rating_w[j])
    return bool(abs(a - b) > _AGREE_SHARE * max(abs(a), abs(b)) + _AGREE_RATING * rating_w)


def _shortfalls(site: Site, power: NodePower, fleet: FleetBelow) -> list[Reason]:
    """Name the nodes whose meters show less than the devices below say that they draw."""
    short_w = fleet.told_least_w - _SHORT_SHARE * fleet.told_w - power.watts
    short = power.known & (short_w > 0.0)
    if not some(short):
        return []
    rating_w = np.zeros(len(site.tree.ids))
    np.maximum.at(rating_w, site.meters.node, site.meters.rating_w)
    nodes = np.flatnonzero(short & (short_w > _SHORT_RATING * rating_w))
    return [Reason(Code.METERS_SHORT, site.tree.ids[n]) for n in nodes]
