"""Sums over the limit tree."""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.site import F64, I64


@kernel("void(int64[::1], int64[::1], float64[::1], float64[::1])")
def sum_below(parent: I64, node: I64, device_w: F64, node_w: F64) -> None:
    """Write into `node_w` (N,) the watts of all devices below each node; `device_w`, `node` are (D,)."""
    node_w[:] = 0.0
    for i in range(device_w.size):
        node_w[node[i]] += device_w[i]
    for n in range(parent.size - 1, 0, -1):
        node_w[parent[n]] += node_w[n]


def device_watts_below(parent: I64, node: I64, device_w: F64) -> F64:
    """Return the watts of all devices below each node (N,)."""
    node_w = np.empty(parent.size)
    sum_below(parent, node, device_w, node_w)
    return node_w
