"""The allocator as a plain Python loop: the merit order from the best edge down, each taken where all nodes have room."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from controller.core.site import Devices, Tree
from tests.bench.referee import Answer


def solve(tree: Tree, devices: Devices) -> Answer:
    """Return the allocation and the bound."""
    watts, value = devices.mode_w.tolist(), devices.mode_value.tolist()
    start, node = devices.mode_start.tolist(), devices.node.tolist()
    continuous, parent = devices.mode_continuous.tolist(), tree.parent.tolist()
    edges = []
    for i in range(len(node)):
        edges += _edges(i, watts, value, continuous, start[i], start[i + 1])
    edges.sort(key=lambda edge: -edge[0])
    at_w = [watts[row] for row in start[:-1]]
    whole, divided = _rooms(tree, node, at_w), _rooms(tree, node, at_w)
    blocked, bound = [False] * len(node), 0.0
    for density, i, from_w, to_w, divisible in edges:
        path = []
        n = node[i]
        while n >= 0:
            path.append(n)
            n = parent[n]
        part_w = max(min(to_w - from_w, *(divided[n] for n in path)), 0.0)
        bound += density * part_w
        for n in path:
            divided[n] -= part_w
        if blocked[i]:
            continue
        step_w, room_w = to_w - from_w, min(whole[n] for n in path)
        if step_w > room_w + 1e-6:
            blocked[i] = True
            if not divisible or room_w <= 0.0:
                continue
            step_w = room_w
        at_w[i] += step_w
        for n in path:
            whole[n] -= step_w
    return Answer(watts=np.array(at_w), program_per_h=bound)


def _edges(
    i: int, watts: list[float], value: list[float], continuous: list[bool], first: int, end: int
) -> list[tuple[float, int, float, float, bool]]:
    """Return the hull's edges (density, device, from, to, divisible) that earn something."""
    corners = [first]
    for row in range(first + 1, end):
        while len(corners) > 1:
            a, b = corners[-2:]
            if (value[b] - value[a]) * (watts[row] - watts[b]) >= (value[row] - value[b]) * (watts[b] - watts[a]):
                break
            corners.pop()
        corners.append(row)
    return [
        ((value[b] - value[a]) / (watts[b] - watts[a]), i, watts[a], watts[b], b == a + 1 and continuous[b])
        for a, b in pairwise(corners)
        if value[b] > value[a]
    ]


def _rooms(tree: Tree, node: list[int], at_w: list[float]) -> list[float]:
    room_w: list[float] = tree.limit_w.tolist()
    parent = tree.parent.tolist()
    for i, watts in enumerate(at_w):
        n = node[i]
        while n >= 0:
            room_w[n] -= watts
            n = parent[n]
    return room_w
