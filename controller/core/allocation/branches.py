"""The limit tree in preorder, so that a node and all below it are one range."""

from __future__ import annotations

import numpy as np

from controller.core.allocation.checks import owners
from controller.core.kernels.columns import Branches
from controller.core.site import I64, Devices, Tree


def make_branches(tree: Tree, devices: Devices) -> tuple[Branches, I64]:
    """Return the tree with its devices, and the node of the site (N,) that each of its nodes is."""
    nodes = len(tree.ids)
    preorder = _preorder(tree.parent)
    place = np.empty(nodes, dtype=np.int64)
    place[preorder] = np.arange(nodes)
    parent = np.append(-1, place[tree.parent[preorder[1:]]]).astype(np.int64)
    home = place[devices.node].astype(np.int32)
    member = np.argsort(home, kind="stable").astype(np.int32)
    divisible = np.zeros(nodes, dtype=np.bool_)
    divisible[home[owners(devices)[devices.mode_continuous]]] = True
    branches = Branches(
        parent=parent,
        size=_sizes(parent),
        member_start=np.searchsorted(home[member], np.arange(nodes + 1)).astype(np.int64),
        member=member,
        home=home,
        divisible=divisible,
        asked_w=np.zeros(nodes),
        limit_w=np.zeros(nodes),
    )
    return branches, preorder


def _preorder(parent: I64) -> I64:
    below: list[list[int]] = [[] for _ in parent]
    for n in range(1, len(parent)):
        below[parent[n]].append(n)
    order, waiting = [], [0]
    while waiting:
        n = waiting.pop()
        order.append(n)
        waiting.extend(reversed(below[n]))
    return np.array(order, dtype=np.int64)


def _sizes(parent: I64) -> I64:
    size = np.ones(len(parent), dtype=np.int64)
    for n in range(len(parent) - 1, 0, -1):
        size[parent[n]] += size[n]
    return size
