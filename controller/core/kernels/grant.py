"""How much of a wanted raise may be sent now: down first, committed power and the ramp before wishes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.columns import EPS_W, ModeTable, PathsUp, at
from controller.core.site import F64, I64


class Asked(NamedTuple):
    """What is asked for, in watts (D,).

    `current_w`: what each device is taken to run on. `target_w`: what it shall run on. `high_w`: the most that it may be
    drawing already. `tolerance`: share by which it may draw more than it is set to. `least_step_w`: no smaller raise.
    """

    current_w: F64
    target_w: F64
    high_w: F64
    tolerance: F64
    least_step_w: F64


@kernel
def largest_mode(modes: ModeTable, device: int, at_most_w: float) -> float:
    """Return the most whole watts of the device's modes that are not above `at_most_w`; its off watts if none is."""
    first = modes.start[at(device)]
    for row in range(modes.start[at(device + 1)] - 1, first, -1):
        if modes.watts[at(row)] <= at_most_w + EPS_W:
            return float(modes.watts[at(row)])
        if modes.continuous[at(row)] and modes.watts[at(row - 1)] <= at_most_w:
            return float(np.floor(at_most_w + EPS_W))
    return float(modes.watts[at(first)])


@kernel
def grant(
    paths: PathsUp,
    order: I64,
    modes: ModeTable,
    asked: Asked,
    room_w: F64,
    rise_room_w: float,
    fall_room_w: float,
    setpoint_w: F64,
) -> tuple[float, float]:
    """Write the setpoints (D,) to send and return what is left of `rise_room_w` and `fall_room_w`.

    Lower targets are granted while there is room to fall (``inf`` wherever a limit asks for them), the least valuable
    device first. A raise is granted, in `order`, as far as the room of every node above (N,
    lowered in place; negative room: nothing is raised) and the ramp allow. Raising to w commits
    ``(max(high, w) - high) * (1 + tolerance)`` more watts than before, where high is the most that may be drawn
    already: what the meter has not yet seen counts with the device's tolerance.
    """
    parent, node = paths.parent, paths.node
    current_w, target_w, high_w, tolerance = asked.current_w, asked.target_w, asked.high_w, asked.tolerance
    for k in range(order.size - 1, -1, -1):
        device = order[k]
        i = at(device)
        goal_w = min(target_w[i], current_w[i]) if fall_room_w > 0.0 else current_w[i]
        setpoint_w[i] = largest_mode(modes, device, goal_w)
        fall_room_w -= current_w[i] - setpoint_w[i]
    for k in range(order.size):
        device = order[k]
        i = at(device)
        if target_w[i] <= current_w[i] + EPS_W:
            continue
        factor = 1.0 + tolerance[i]
        least = np.inf
        n = node[i]
        while n >= 0:
            least = min(least, room_w[n])
            n = parent[n]
        if least < 0.0:
            continue
        most = high_w[i] + least / factor
        most = min(most, current_w[i] + rise_room_w / factor, target_w[i])
        new = largest_mode(modes, device, most)
        if new - current_w[i] < asked.least_step_w[i]:
            continue
        setpoint_w[i] = new
        rise_room_w -= (new - current_w[i]) * factor
        more = max(0.0, new - high_w[i]) * factor
        n = node[i]
        while n >= 0:
            room_w[n] -= more
            n = parent[n]
    return rise_room_w, fall_room_w
