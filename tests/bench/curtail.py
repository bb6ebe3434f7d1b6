"""One new limit: from it to every watt, beside a full solve of the same site.

The site's own limit at half the watts and at 1 % less; then the limit of one node, and the most of one device.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from controller.core.allocation.allocator import make_allocator
from tests.bench.ours import Ours
from tests.bench.referee import verdict
from tests.bench.report import Row, Scale, show, timed_ms
from tests.bench.trees import random_site

_COLUMNS = {
    "devices": ",", "cut": ".0%", "ms": ",.4f", "worst_ms": ",.4f", "full_ms": ",.3f", "times_faster": ",.0f",
    "gap": ".5%", "refined_ms": ",.3f", "refined_gap": ".5%", "over_limit": "d",
}  # fmt: skip
_PART_COLUMNS = {
    "devices": ",", "full_ms": ",.3f", "node_ms": ",.3f", "node_worst_ms": ",.3f", "device_ms": ",.3f",
    "device_worst_ms": ",.3f", "program_off": ".0e", "over_limit": "d",
}  # fmt: skip


def run(scale: Scale) -> list[Row]:
    """Measure and print."""
    sizes = (1_000, 10_000) if scale.quick else (1_000, 10_000, 100_000, 1_000_000)
    rows = [_cut(devices, cut, 50 if devices <= 10_000 else 5) for devices in sizes for cut in (0.5, 0.01)]
    show("site envelope down, nothing else new", _COLUMNS, rows)
    parts = [_part(devices, 30 if devices <= 10_000 else 10) for devices in sizes]
    show("one node's limit, or one device, new", _PART_COLUMNS, parts)
    return rows + parts


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


def _part(devices: int, repeats: int) -> Row:
    """Change nodes and devices in turns; in the end hold all changes against a new solve of the changed site."""
    tree, fleet = random_site(1, devices, 40)
    random, ours = np.random.default_rng(1), Ours(tree, fleet)
    _, full_ms = timed_ms(ours.solve, 2)
    node_ms, device_ms = [], []
    limits_w, upper_w = tree.limit_w.copy(), fleet.max_w.copy()
    for _ in range(repeats):
        node, device = int(random.integers(1, limits_w.size)), int(random.integers(upper_w.size))
        limits_w[node] = np.floor(tree.limit_w[node] * random.uniform(0.5, 1.0))
        first, end = fleet.mode_start[device : device + 2]
        upper_w[device] = fleet.mode_w[random.integers(first + 1, end)]
        node_ms.append(timed_ms(partial(ours.at_node_limit, node, float(limits_w[node])))[1])
        watts, ms = timed_ms(partial(ours.with_device, device, float(upper_w[device])))
        device_ms.append(ms)
    changed = replace(tree, limit_w=limits_w)
    fresh = make_allocator(changed, fleet).solve(
        limit_w=limits_w, base_w=fleet.off_w, upper_w=upper_w, held_w=fleet.off_w
    )
    return {
        "devices": devices,
        "full_ms": full_ms,
        "node_ms": float(np.median(node_ms)),
        "node_worst_ms": max(node_ms),
        "device_ms": float(np.median(device_ms)),
        "device_worst_ms": max(device_ms),
        "program_off": abs((ours.refined().program_per_h or 0.0) / fresh.program_per_h - 1.0),
        "over_limit": verdict(changed, fleet, watts).over_limit,
    }
