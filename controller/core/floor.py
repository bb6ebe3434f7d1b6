"""Sums over the limit tree that need nothing but numpy, and the floor that the configuration alone gives."""

from __future__ import annotations

import numpy as np

from controller.core.masks import some
from controller.core.site import F64, Bool, Site


def watts_below(site: Site, device_w: F64) -> F64:
    """Return the watts of all devices below each node (N,)."""
    parent = site.tree.parent
    node_w: F64 = np.bincount(site.devices.node, weights=device_w, minlength=parent.size).astype(np.float64)
    for n in range(parent.size - 1, 0, -1):
        node_w[parent[n]] += node_w[n]
    return node_w


class NodeSums:
    """The same of a site, of one column or of several."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def __call__(self, device_w: F64, /) -> F64:
        """Return the sums (N,) of one column (D,)."""
        return watts_below(self._site, device_w)

    def each(self, *device_w: F64) -> list[F64]:
        """Return the sums of each column."""
        return [watts_below(self._site, column) for column in device_w]


def declared_floor_w(site: Site) -> F64:
    """Return what each node draws with everything off by the configuration alone, (N,) watts."""
    return site.tree.house_w + watts_below(site, site.devices.off_w)


def nodes_below(site: Site, nodes: Bool) -> Bool:
    """Return which nodes (N,) are, or are below, one of `nodes`."""
    found = nodes.copy()
    if some(found):
        for n, above in enumerate(site.tree.parent[1:].tolist(), start=1):
            found[n] |= found[above]
    return found


def way_up(site: Site, node: int) -> list[int]:
    """Return a node and all above it."""
    way = [node]
    while way[-1] > 0:
        way.append(int(site.tree.parent[way[-1]]))
    return way
