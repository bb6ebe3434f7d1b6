"""The allocator's kernels once more, written separately in plain Python with lists."""

from __future__ import annotations

import itertools

from tests.controller.core.kernels import twins


def worth(value: float, kept: float, start_share: float, bonus: float) -> float:
    return value * start_share if kept <= 0 else value + bonus * min(max(value, 0.0), kept)


def edges(points: list[tuple[float, float]]) -> list[tuple[int, int, float]]:
    """Return the edges (from, to, density) of the upper concave hull that rises from the first of `points`."""
    at, found = 0, []
    while True:
        slopes = [
            ((value - points[at][1]) / (watts - points[at][0]), -k) for k, (watts, value) in enumerate(points) if k > at
        ]
        if not slopes or max(slopes)[0] <= 0:
            return found
        # The nearest point of the steepest: one that lies on the line is a corner too.
        density, k = max(slopes)
        found.append((at, -k, density))
        at = -k


def program(parent: list[int], room: list[float], rows: list[tuple[int, float, float]]) -> float:
    """Return what the divisible edges (node, watts, density) can be worth in the rooms: the greedy."""
    left, total = list(room), 0.0
    for node, watts, density in sorted(rows, key=lambda row: -row[2]):
        path = twins.path(parent, node)
        step = max(0.0, min([watts, *(left[n] for n in path)]))
        for n in path:
            left[n] -= step
        total += step * density
    return total


def cheapest(rest: float, price: float, changes: list[tuple[float, float, int]]) -> float:
    """Return the least loss of any set of changes (watts, loss, device), tried one by one."""
    least = price * rest
    for size in range(1, len(changes) + 1):
        for chosen in itertools.combinations(changes, size):
            watts = sum(change[0] for change in chosen)
            if watts <= rest and len({change[2] for change in chosen}) == size:
                least = min(least, sum(change[1] for change in chosen) + price * (rest - watts))
    return least
