"""What watts of the devices mean: what is left of the limits, and what they earn."""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.columns import EPS_W, Branches, Choices, at
from controller.core.kernels.hull import worth
from controller.core.site import F64


@kernel
def copy(source: F64, target: F64) -> None:
    """Write `source` into `target`, which is as long; a whole slice would take memory, for the case that they overlap."""
    for k in range(source.size):
        target[k] = source[k]


@kernel
def least_of(watts: F64) -> float:
    """Return the least of all; inf of none."""
    least = np.inf
    for k in range(watts.size):
        least = min(least, watts[k])
    return least


@kernel
def usable(limit_w: F64, base_w: F64, upper_w: F64, held_w: F64) -> bool:
    """Return whether all limits (N,) are numbers, and the watts (D,) finite and none of them negative."""
    bad = 0
    for n in range(limit_w.size):
        bad += limit_w[n] != limit_w[n]
    for i in range(base_w.size):
        bad += not 0.0 <= base_w[i] < np.inf
        bad += not 0.0 <= upper_w[i] < np.inf
        bad += not 0.0 <= held_w[i] < np.inf
    return bad == 0


@kernel
def alike(one: F64, other: F64) -> bool:
    """Return whether two columns are as long and have the same entries; what is no number is like nothing."""
    k = 0
    while k < min(one.size, other.size) and one[k] == other[k]:
        k += 1
    return k == one.size == other.size


@kernel
def rooms(branches: Branches, branch: int, watts: F64, room_w: F64) -> float:
    """Write into `room_w` (N,) what `watts` (D,) leaves of the limits of the node `branch` and of all below it.

    Return the watts below it.
    """
    parent, member_start, member = branches.parent, branches.member_start, branches.member
    last = branch + branches.size[at(branch)]
    for n in range(branch, last):
        used_w = 0.0
        for k in range(member_start[at(n)], member_start[at(n + 1)]):
            used_w += watts[at(member[at(k)])]
        room_w[at(n)] = used_w
    for n in range(last - 1, branch, -1):
        room_w[at(parent[at(n)])] += room_w[at(n)]
    total_w = float(room_w[at(branch)])
    for n in range(branch, last):
        room_w[at(n)] = branches.limit_w[at(n)] - room_w[at(n)]
    return total_w


@kernel
def base_rooms(branches: Branches, branch: int, base_w: F64, room_w: F64) -> float:
    """Write into `room_w` (N,) what the bases (D,) leave of the limits that were asked, as `rooms`."""
    for n in range(branch, branch + branches.size[at(branch)]):
        branches.limit_w[at(n)] = branches.asked_w[at(n)]
    return float(rooms(branches, branch, base_w, room_w))


@kernel
def relax(branches: Branches, branch: int, room_w: F64) -> None:
    """Raise the limits that the bases break, of the node `branch` and of all below it, to what the bases draw.

    `room_w` (N,), what the bases leave of them, is then nothing.
    """
    for n in range(branch, branch + branches.size[at(branch)]):
        if room_w[at(n)] < 0.0:
            branches.limit_w[at(n)] -= room_w[at(n)]
            room_w[at(n)] = 0.0


@kernel
def earnings(choices: Choices, watts: F64) -> tuple[float, float]:
    """Return the worth and the value of all devices at `watts` (D,)."""
    mode_start, mode_w, mode_value, continuous = choices.start, choices.watts, choices.value, choices.continuous
    start_share, kept_value, bonus = choices.start_share, choices.kept_value, choices.bonus
    total_worth = 0.0
    total_value = 0.0
    for i in range(watts.size):
        row = mode_start[i]
        end = mode_start[i + 1]
        for above in range(row + 1, end):
            row += mode_w[at(above)] <= watts[i] + EPS_W
        value = mode_value[at(row)]
        gain = worth(value, kept_value[i], start_share[i], bonus)
        more = watts[i] - mode_w[at(row)]
        if more > EPS_W and row + 1 < end and continuous[at(row + 1)]:
            share = more / (mode_w[at(row + 1)] - mode_w[at(row)])
            gain += share * (worth(mode_value[at(row + 1)], kept_value[i], start_share[i], bonus) - gain)
            value += share * (mode_value[at(row + 1)] - value)
        total_value += value
        total_worth += gain
    return total_worth, total_value
