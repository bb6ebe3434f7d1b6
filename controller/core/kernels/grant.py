"""How much of a wanted raise may be sent now: down first, committed power and the ramp before wishes."""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.site import F64, I64, Bool

_EPS_W = 1e-6


@kernel("float64(int64, float64, int64[::1], float64[::1], boolean[::1])")
def largest_mode(device: int, at_most_w: float, mode_start: I64, mode_w: F64, mode_continuous: Bool) -> float:
    """Return the most whole watts of the device's modes that are not above `at_most_w`; its off watts if none is."""
    first = mode_start[device]
    for m in range(mode_start[device + 1] - 1, first, -1):
        if mode_w[m] <= at_most_w + _EPS_W:
            return float(mode_w[m])
        if mode_continuous[m] and mode_w[m - 1] <= at_most_w:
            return float(np.floor(at_most_w + _EPS_W))
    return float(mode_w[first])


@kernel(
    "UniTuple(float64, 2)(int64[::1], int64[::1], int64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[::1], int64[::1], float64[::1], boolean[::1], float64[::1], float64, float64, float64[::1])",
)
def grant(
    parent: I64,
    node: I64,
    order: I64,
    current_w: F64,
    target_w: F64,
    high_w: F64,
    tolerance: F64,
    least_step_w: F64,
    mode_start: I64,
    mode_w: F64,
    mode_continuous: Bool,
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
    for k in range(order.size - 1, -1, -1):
        i = order[k]
        goal_w = min(target_w[i], current_w[i]) if fall_room_w > 0.0 else current_w[i]
        setpoint_w[i] = largest_mode(i, goal_w, mode_start, mode_w, mode_continuous)
        fall_room_w -= current_w[i] - setpoint_w[i]
    for k in range(order.size):
        i = order[k]
        if target_w[i] <= current_w[i] + _EPS_W:
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
        new = largest_mode(i, most, mode_start, mode_w, mode_continuous)
        if new - current_w[i] < least_step_w[i]:
            continue
        setpoint_w[i] = new
        rise_room_w -= (new - current_w[i]) * factor
        more = max(0.0, new - high_w[i]) * factor
        n = node[i]
        while n >= 0:
            room_w[n] -= more
            n = parent[n]
    return rise_room_w, fall_room_w
