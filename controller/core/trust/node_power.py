"""What each node draws by its trusted meters; of two meters of a node the larger load counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.core.site import F64, Bool, Site
from controller.core.trust.columns import MeterColumns, usable


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePower:
    """Power of the nodes (N,) by their fresh meters; `known` where there is one; `taken_s` of the oldest used."""

    watts: F64
    known: Bool
    taken_s: F64

    @property
    def shown_w(self) -> tuple[float | None, ...]:
        """Power of each node, None where it is not known."""
        shown_w: list[float | None] = [None] * len(self.watts)
        for n in self.known.nonzero()[0].tolist():
            shown_w[n] = float(self.watts[n])
        return tuple(shown_w)


def node_power(site: Site, meters: MeterColumns, now_s: float) -> NodePower:
    """Return each node's power by its fresh and plausible meters, the largest where there are several."""
    count = len(site.tree.ids)
    watts = np.zeros(count)
    known = np.zeros(count, dtype=np.bool_)
    taken_s = np.full(count, now_s)
    for k in usable(site, meters, now_s).nonzero()[0].tolist():
        n = site.meters.node[k]
        watts[n] = max(watts[n], meters.power_w[k]) if known[n] else meters.power_w[k]
        taken_s[n] = min(taken_s[n], meters.taken_s[k])
        known[n] = True
    return NodePower(watts=watts, known=known, taken_s=taken_s)


def least_trusted_w(site: Site, meters: MeterColumns, now_s: float) -> F64:
    """Return the smallest that a trusted meter of each node (N,) shows, ``inf`` where there is none."""
    watts, counting = np.full(len(site.tree.ids), np.inf), usable(site, meters, now_s)
    np.minimum.at(watts, site.meters.node[counting], meters.power_w[counting])
    return watts
