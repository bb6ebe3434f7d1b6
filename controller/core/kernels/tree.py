"""Sums over the limit tree."""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.columns import PathsUp, at
from controller.core.site import F64


@kernel
def sum_below(paths: PathsUp, device_w: F64, node_w: F64) -> None:
    """Write into `node_w` (N,) the watts of all devices (D,) below each node: `floor.watts_below`, compiled."""
    parent, node = paths.parent, paths.node
    node_w[:] = 0.0
    for i in range(device_w.size):
        node_w[at(node[i])] += device_w[i]
    for n in range(parent.size - 1, 0, -1):
        node_w[at(parent[n])] += node_w[n]


def device_watts_below(paths: PathsUp, device_w: F64) -> F64:
    """Return the watts of all devices below each node (N,)."""
    node_w = np.empty(paths.parent.size)
    sum_below(paths, device_w, node_w)
    return node_w
