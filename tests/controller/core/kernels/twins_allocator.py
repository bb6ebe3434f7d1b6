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


Edge = tuple[int, int, float, float, bool]


def admit(
    parent: list[int], room: list[float], base: list[float], order: list[Edge]
) -> tuple[list[float], list[float], list[int | None]]:
    """Take the edges (node, device, from, to, divisible) in order where all nodes below the site have room.

    Return the watts, what each edge takes of the site, and where each node was closed.
    """
    left, watts, closed = list(room), list(base), [None for _ in room]
    taken = []
    for at, (node, device, here, to, divisible) in enumerate(order):
        path = [n for n in twins.path(parent, node) if n > 0]
        if closed[node] is not None:
            taken.append(0.0)
            continue
        most = min((left[n] for n in path), default=float("inf"))
        step = to - here
        if step > most + 1e-6:
            step = max(most, 0.0)
            stop = [n for n in path if left[n] <= most + 1e-6][-1]
            for n in range(len(parent)):
                if stop in twins.path(parent, n) and closed[n] is None:
                    closed[n] = at
            watts[device] = here + step if divisible else here
        else:
            watts[device] = to
        for n in path:
            left[n] -= step
        taken.append(step)
    return watts, taken, closed


def cut(
    parent: list[int], room: list[float], base: list[float], order: list[Edge], site_w: float
) -> tuple[int, list[float]]:
    """Return how many edges fit whole into `site_w` beside all before them, and the watts when only these are taken."""
    taken = admit(parent, room, base, order)[1]
    end, total = 0, 0.0
    while end < len(order) and total + taken[end] <= site_w + 1e-6:
        total += taken[end]
        end += 1
    return end, admit(parent, room, base, order[:end])[0]
