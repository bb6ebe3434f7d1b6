"""The kernels once more, written separately in plain Python with dictionaries and lists."""

from __future__ import annotations

import itertools
import math


def sums_below(parent: list[int], node: list[int], watts: list[float]) -> list[float]:
    def holds(n: int, leaf: int) -> bool:
        while leaf != -1:
            if leaf == n:
                return True
            leaf = parent[leaf]
        return False

    return [math.fsum(w for w, leaf in zip(watts, node, strict=True) if holds(n, leaf)) for n in range(len(parent))]


def path(parent: list[int], n: int) -> list[int]:
    return [] if n == -1 else [n, *path(parent, parent[n])]


class Rooms:
    def __init__(self, parent: list[int], room: list[float]) -> None:
        self.parent, self.left = parent, list(room)

    def least(self, n: int) -> float:
        return min(self.left[k] for k in path(self.parent, n))

    def take(self, n: int, watts: float) -> None:
        for k in path(self.parent, n):
            self.left[k] -= watts


def largest_mode(modes: list[tuple[float, bool]], at_most: float) -> float:
    best = modes[0][0]
    for (below, _), (watts, continuous) in itertools.pairwise(modes):
        if watts <= at_most + 1e-6:
            best = watts
        elif continuous and below <= at_most:
            best = float(math.floor(at_most + 1e-6))
    return best


def grant(parent, node, order, current, target, high, tolerance, least_step, modes, room, rise, fall) -> list[float]:
    rooms = Rooms(parent, room)
    setpoint = list(current)
    for i in reversed(order):
        wanted = min(target[i], current[i]) if fall > 0 else current[i]
        setpoint[i] = largest_mode(modes[i], wanted)
        fall -= current[i] - setpoint[i]
    for i in order:
        if target[i] <= current[i] + 1e-6 or rooms.least(node[i]) < 0:
            continue
        factor = 1 + tolerance[i]
        most = min(high[i] + rooms.least(node[i]) / factor, current[i] + rise / factor, target[i])
        new = largest_mode(modes[i], most)
        if new - current[i] >= least_step[i]:
            setpoint[i] = new
            rise -= (new - current[i]) * factor
            rooms.take(node[i], max(0.0, new - high[i]) * factor)
    return setpoint
