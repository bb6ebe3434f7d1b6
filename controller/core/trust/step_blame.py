"""Who is to blame for a step that meters have not seen: they, or the devices that did not do it.

Another meter that sees the same devices speaks for a meter: one of its node that misses as much, one above that misses at least
as much, since it sees more devices, and those below that miss as much in all. One that stands alone cannot be told from one
that is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from controller.core.floor import way_up
from controller.core.site import F64, Bool, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What proven meters (K,) miss of a step: from `least_w` (0: nothing) to `most_w`, for bounds at earlier instants may be far apart.

    `now`: in this tick; the others have missed it just before, and were believed.
    """

    now: Bool
    least_w: F64
    most_w: F64


def agreeing_meters(site: Site, missing: Missing, slack_w: F64, lasting: Bool) -> Bool:
    """Return the meters (K,) that others speak for; `slack_w`: what each may err, `lasting`: those that have missed it for long enough.

    Those that speak for each other may have missed it for a shorter time, but for one of them.
    """
    found, node = np.zeros(lasting.size, dtype=np.bool_), site.meters.node.tolist()
    speaking = np.flatnonzero(missing.least_w).tolist()
    ways = {k: way_up(site, node[k]) for k in speaking}
    for k in np.flatnonzero(missing.now).tolist():
        beside = [j for j in speaking if j != k and node[j] == node[k] and _alike(missing, slack_w, k, [j])]
        above = [j for j in speaking if node[j] in ways[k][1:] and _misses_as_much(missing, slack_w, j, k)]
        below = _topmost(speaking, node, ways, k)
        below = below if below and _alike(missing, slack_w, k, below) else []
        found[k] = any(lasting[j] or lasting[k] or not missing.now[j] for j in (*beside, *above, *below))
    return found


def shows_the_same(site: Site, power_w: F64, off_w: F64, speaks: Bool) -> Bool:
    """Return the meters (K,) that show what another one of their node shows that `speaks`, within what both may err.

    The one may have proven itself by a step that is just too little for the other. `off_w`: by how much each is off; one that
    errs by as much tells nothing of that.
    """
    node, class_w = site.meters.node, site.meters.class_w
    found = np.zeros(speaks.size, dtype=np.bool_)
    for j in np.flatnonzero(speaks).tolist():
        alike = (np.abs(power_w - power_w[j]) <= class_w + class_w[j]) & (class_w + class_w[j] < off_w)
        alike[j] = False
        found |= alike & (node == node[j])
    return found


def _alike(missing: Missing, slack_w: F64, k: int, others: Sequence[int]) -> bool:
    """Return whether a meter may miss as much as others do together."""
    least_w, most_w = float(missing.least_w[others].sum()), float(missing.most_w[others].sum())
    apart_w = max(missing.least_w[k], least_w) - min(missing.most_w[k], most_w)
    return bool(apart_w <= slack_w[k] + slack_w[others].sum())


def _misses_as_much(missing: Missing, slack_w: F64, j: int, k: int) -> bool:
    return bool(missing.least_w[k] <= missing.most_w[j] + slack_w[j] + slack_w[k])


def _topmost(speaking: Sequence[int], node: Sequence[int], ways: Mapping[int, Sequence[int]], k: int) -> list[int]:
    """Return one meter for each of the nodes below that of a meter, without those that are below another one of these."""
    below = {node[j]: j for j in speaking if node[k] in ways[j][1:]}
    return [j for n, j in below.items() if not below.keys() & set(ways[j][1:])]
