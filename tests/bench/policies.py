"""The peers' policies as our reading of their papers, each a pure function from a site to what its devices may draw.

All devices want their maximum. A policy hands out caps; a device runs at the highest of its modes under its cap.

==================  ================================================================================================
equal share         every node's limit divided by its devices, the smallest share on the way to the site (no hand-over)
proportional        the same in proportion to the devices' maximum
Dynamo              ISCA 2016, three bands: a node above 99 % of its limit is cut to 95 %, the highest consumers first
                    down to a common level (high-bucket-first with buckets of no width), leaves before upper nodes
Thunderbolt         OSDI 2020, two thresholds: above 98 % all below at once times 0.01, above 96 % times 0.75, else
                    after a random wait of 1-10 s every device 5 % up in a second; the mean of the last five minutes
least efficient     devices fall asleep, the least valuable per watt first, until every limit holds
==================  ================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from controller.core.site import F64, Devices, Tree
from controller.demo.device_values import run_at
from tests.bench.columns import clip_by_level
from tests.bench.referee import below, levels, verdict

Policy = Callable[[Tree, Devices], F64]


def equal_share(tree: Tree, devices: Devices) -> F64:
    """Return the watts of each device (D,)."""
    count = below(tree, devices.node, np.ones(devices.node.size))
    return run_at(devices, _least_above(tree, tree.limit_w / np.maximum(count, 1.0))[devices.node])


def proportional(tree: Tree, devices: Devices) -> F64:
    """Return the watts of each device (D,)."""
    load_w = below(tree, devices.node, devices.max_w)
    share = _least_above(tree, tree.limit_w / np.maximum(load_w, 1.0))[devices.node]
    return run_at(devices, np.minimum(share, 1.0) * devices.max_w)


def dynamo(tree: Tree, devices: Devices, *, threshold: float = 0.99, target: float = 0.95) -> F64:
    """Return the watts of each device (D,)."""
    cap_w, at = devices.max_w.copy(), devices.node.copy()
    for nodes in levels(tree):
        order = np.argsort(at, kind="stable")
        first, end = np.searchsorted(at[order], nodes), np.searchsorted(at[order], nodes, side="right")
        for n, a, b in zip(nodes, first, end, strict=True):
            part = order[a:b]
            if cap_w[part].sum() > threshold * tree.limit_w[n]:
                cap_w[part] = np.minimum(cap_w[part], _level(cap_w[part], target * tree.limit_w[n]))
        here = np.isin(at, nodes)
        at[here] = tree.parent[at[here]]
    return run_at(devices, cap_w)


def least_efficient_sleeps(tree: Tree, devices: Devices) -> F64:
    """Return the watts of each device (D,)."""
    last = devices.mode_start[1:] - 1
    lift_w = devices.max_w - devices.off_w
    order = np.argsort(-devices.mode_value[last] / np.maximum(lift_w, 1.0), kind="stable")
    fit_w = np.empty_like(lift_w)
    fit_w[order] = clip_by_level(tree, devices, devices.node[order], lift_w[order], whole=True)
    return devices.off_w + fit_w


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """A control loop that never rests: means over its last five minutes, and the share of seconds above a limit."""

    value_per_h: float
    used_w: float
    over_limit_share: float
    worst_excess_w: float


def thunderbolt(tree: Tree, devices: Devices, *, seconds: int = 600, seed: int = 1) -> Cycle:
    """Return how the loop does at 1 s a round, from everything at full power on."""
    random = np.random.default_rng(seed)
    share, wait_s = np.ones(devices.node.size), np.zeros(devices.node.size)
    seen = []
    for second in range(seconds):
        watts = run_at(devices, devices.off_w + share * (devices.max_w - devices.off_w))
        if second >= seconds - 300:
            seen.append(verdict(tree, devices, watts))
        use = below(tree, devices.node, watts) / tree.limit_w
        cut = _least_above(tree, np.where(use > 0.98, 0.01, np.where(use > 0.96, 0.75, 1.0)))[devices.node]
        wait_s = np.where(cut < 1.0, random.uniform(1.0, 10.0, share.size), wait_s - 1.0)
        share = np.where(cut < 1.0, share * cut, np.where(wait_s <= 0.0, np.minimum(share + 0.05, 1.0), share))
    return Cycle(
        value_per_h=float(np.mean([each.value_per_h for each in seen])),
        used_w=float(np.mean([each.used_w for each in seen])),
        over_limit_share=float(np.mean([each.over_limit > 0 for each in seen])),
        worst_excess_w=max(each.worst_excess_w for each in seen),
    )


#: What hands out one allocation and rests.
POLICIES: dict[str, Policy] = {
    "equal share": equal_share,
    "proportional": proportional,
    "Dynamo": dynamo,
    "least efficient": least_efficient_sleeps,
}


def _least_above(tree: Tree, figure: F64) -> F64:
    """Return the smallest figure of a node and of all above it (N,)."""
    least = figure.copy()
    for nodes in reversed(list(levels(tree))[:-1]):
        least[nodes] = np.minimum(least[nodes], least[tree.parent[nodes]])
    return least


def _level(watts: F64, goal_w: float) -> float:
    """Return the level to which the highest have to come down for the sum to meet the goal."""
    falling = np.sort(watts)[::-1]
    rest_w = watts.sum() - np.cumsum(falling)
    level = (goal_w - rest_w) / np.arange(1, watts.size + 1)
    next_w: F64 = np.append(falling[1:], 0.0)
    return float(max(level[int(np.argmax(level >= next_w))], 0.0))
