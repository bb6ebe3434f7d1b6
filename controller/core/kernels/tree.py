"""Sums over the limit tree."""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.columns import F64x2, PathsUp, at
from controller.core.site import F64, Bool

#: Columns that are summed at once: while one addition waits for the one before it, those of the other columns go on.
_AT_ONCE: Final = 4


class FourColumns(NamedTuple):
    """Watts of the devices (D,) that are summed at once."""

    first: F64
    second: F64
    third: F64
    fourth: F64


BarePaths = Annotated[tuple[Any, ...], PathsUp]
BareColumns = Annotated[tuple[Any, ...], FourColumns]


@kernel
def sum_below(paths: BarePaths, device_w: BareColumns, node_w: F64x2) -> None:
    """Write into `node_w` (4, N) the watts of all devices (D,) below each node: `floor.watts_below` of each, compiled."""
    parent, node = paths
    first, second, third, fourth = device_w
    node_w[:] = 0.0
    i = 0
    while i < node.size:
        n = at(node[i])
        first_w, second_w, third_w, fourth_w = node_w[0, n], node_w[1, n], node_w[2, n], node_w[3, n]
        # Devices of one node mostly follow each other; a sum that goes through memory each time takes twice as long.
        while i < node.size and at(node[i]) == n:
            first_w += first[i]
            second_w += second[i]
            third_w += third[i]
            fourth_w += fourth[i]
            i += 1
        node_w[0, n], node_w[1, n], node_w[2, n], node_w[3, n] = first_w, second_w, third_w, fourth_w
    for m in range(parent.size - 1, 0, -1):
        above = at(parent[m])
        for k in range(4):
            node_w[k, above] += node_w[k, m]


class Moves(NamedTuple):
    """How setpoints move devices: `legal`, each is between nothing and its maximum; watts raised and lowered in all.

    `largest_fall_w`: by how much the one falls that falls most. `raising` (N,): a device below the node is raised.
    """

    legal: bool
    raised_w: float
    lowered_w: float
    largest_fall_w: float
    raising: Bool


@kernel
def compare_setpoints(
    paths: BarePaths, current_w: F64, setpoint_w: F64, max_w: F64, raising: Bool
) -> tuple[bool, float, float, float]:
    """Write which nodes are `raising` (N,), and return the rest of `Moves`; what is no number is illegal, and so are its sums."""
    parent, node = paths
    legal = True
    raised_w = 0.0
    lowered_w = 0.0
    largest_fall_w = 0.0
    raising[:] = False
    for i in range(current_w.size):
        legal &= 0.0 <= setpoint_w[i] <= max_w[i]
        change_w = setpoint_w[i] - current_w[i]
        if not change_w <= 0.0:
            raised_w += change_w
            raising[at(node[i])] = True
        if not change_w >= 0.0:
            lowered_w -= change_w
            largest_fall_w = max(largest_fall_w, -change_w)
    for m in range(parent.size - 1, 0, -1):
        raising[at(parent[m])] |= raising[m]
    return legal, raised_w, lowered_w, largest_fall_w


class PathSums:
    """Sums device watts (D,) to the watts below each node (N,) of a limit tree."""

    def __init__(self, paths: PathsUp) -> None:
        self._paths, self._nodes = tuple(paths), paths.parent.size

    def __call__(self, device_w: F64, /) -> F64:
        """Return the sums of one column."""
        node_w: F64 = self.each(device_w)[0]
        return node_w

    def each(self, *device_w: F64) -> F64:
        """Return the sums (k, N) of up to four columns."""
        node_w = np.empty((_AT_ONCE, self._nodes))
        sum_below(self._paths, (*device_w, *device_w[-1:] * (_AT_ONCE - len(device_w))), node_w)
        return node_w[: len(device_w)]

    def moves(self, current_w: F64, setpoint_w: F64, max_w: F64) -> Moves:
        """Return how setpoints move devices (D,) that run on `current_w`."""
        raising = np.empty(self._nodes, dtype=np.bool_)
        return Moves(*compare_setpoints(self._paths, current_w, setpoint_w, max_w, raising), raising)


def device_watts_below(paths: PathsUp, device_w: F64) -> F64:
    """Return the watts of all devices below each node (N,)."""
    return PathSums(paths)(device_w)
