"""The allocator in plain NumPy: level by level from the leaves, one cumulative sum of the merit order clipped per node.

Exact for divisible edges, so its bound is the LP optimum; what it decides are the whole edges of that.
"""

from __future__ import annotations

import numpy as np

from controller.core.site import F64, I64, Devices, Tree
from tests.bench.referee import Answer, below, hull_edges, levels


def solve(tree: Tree, devices: Devices) -> Answer:
    """Return the allocation and the bound."""
    edges = hull_edges(devices)
    order = np.argsort(-edges.density, kind="stable")
    order = order[edges.density[order] > 0.0]
    of = edges.device[order]
    taken_w = clip_by_level(tree, devices, devices.node[of], edges.length_w[order])
    kept_w = np.where((taken_w >= edges.length_w[order] - 1e-6) | edges.divisible[order], taken_w, 0.0)
    watts = devices.off_w + np.bincount(of, weights=kept_w, minlength=devices.node.size)
    return Answer(watts=watts, program_per_h=float(np.sum(edges.density[order] * taken_w)))


def clip_by_level(tree: Tree, devices: Devices, node: I64, want_w: F64, *, whole: bool = False) -> F64:
    """Return how much of each want, the best first, fits into the limits of all levels beside the residual watts.

    Where a node is full, the rest below it gets nothing; the want on its edge gets a part, or nothing if `whole`.
    """
    room_w = tree.limit_w - below(tree, devices.node, devices.off_w)
    fit_w, at = want_w.copy(), node.copy()
    for nodes in levels(tree):
        here = np.flatnonzero(np.isin(at, nodes))
        here = here[np.argsort(at[here], kind="stable")]
        first = np.flatnonzero(np.diff(at[here], prepend=-1))
        total_w = np.cumsum(fit_w[here])
        started_w = np.repeat(total_w[first] - fit_w[here][first], np.diff(first, append=here.size))
        before_w = total_w - started_w - fit_w[here]
        left_w = room_w[at[here]] - before_w
        fits = fit_w[here] <= left_w
        fit_w[here] = np.where(fits, fit_w[here], 0.0 if whole else np.maximum(left_w, 0.0))
        at[here] = tree.parent[at[here]]
    return fit_w
