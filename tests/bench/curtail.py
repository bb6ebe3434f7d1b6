"""A new site limit of half the watts: from the limit to every watt, beside a full solve of the same site."""

from __future__ import annotations

import numpy as np

from tests.bench.ours import Ours
from tests.bench.referee import verdict
from tests.bench.report import Row, Scale, show, timed_ms
from tests.bench.trees import random_site

_COLUMNS = {
    "devices": ",", "cut": ".0%", "ms": ",.4f", "worst_ms": ",.4f", "full_ms": ",.3f", "times_faster": ",.0f",
    "gap": ".5%", "refined_ms": ",.3f", "refined_gap": ".5%", "over_limit": "d",
}  # fmt: skip


def run(scale: Scale) -> list[Row]:
    """Measure and print."""
    sizes = (1_000, 10_000) if scale.quick else (1_000, 10_000, 100_000, 1_000_000)
    rows = [_cut(devices, cut, 50 if devices <= 10_000 else 5) for devices in sizes for cut in (0.5, 0.01)]
    show("site envelope down, nothing else new", _COLUMNS, rows)
    return rows


def _cut(devices: int, cut: float, repeats: int) -> Row:
    tree, fleet = random_site(1, devices, 40)
    ours = Ours(tree, fleet)
    full, full_ms = timed_ms(ours.solve)
    used_w = float(full.watts.sum())
    spent = []
    for _ in range(repeats):
        ours.at_site_limit(used_w)
        watts, ms = timed_ms(lambda: ours.at_site_limit((1.0 - cut) * used_w))
        spent.append(ms)
    tree.limit_w[0] = (1.0 - cut) * used_w
    seen = verdict(tree, fleet, watts)
    refined, refined_ms = timed_ms(ours.refined)
    best = verdict(tree, fleet, refined.watts)
    return {
        "devices": devices,
        "cut": cut,
        "ms": float(np.median(spent)),
        "worst_ms": max(spent),
        "full_ms": full_ms,
        "times_faster": full_ms / float(np.median(spent)),
        "gap": 1.0 - seen.value_per_h / refined.bound_per_h,
        "refined_ms": refined_ms,
        "refined_gap": 1.0 - best.value_per_h / refined.bound_per_h,
        "over_limit": seen.over_limit + best.over_limit,
    }
