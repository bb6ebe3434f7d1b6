"""What caps free for others, and what they leave of ramps: a cap above the draw of its job is power that nobody draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from controller.core.fleet.bounds import SumBelow
from controller.core.fleet.cap_memory import Caps
from controller.core.floor import nodes_below
from controller.core.masks import some
from controller.core.site import F64, I64, Bool, Devices, Site

#: A node is full that has less than these watts left; a site whose rest is more than so many of its largest devices is not.
_FULL_W: Final = 30.0
_LEFT: Final = 2.0


def earned_elsewhere(caps: Caps, site: Site, allotted_w: tuple[F64, F64], room_w: F64, below: SumBelow) -> float:
    """Return what one more watt hour would earn by the devices without a cap.

    `allotted_w` (D,), (D,): the watts of this tick, and the most that they might have been. `room_w` (N,): watts for the devices
    below each node.
    """
    if not caps.groups:
        return 0.0
    devices, (watts, upper_w) = site.devices, allotted_w
    left_w = room_w - below(watts)
    if left_w[0] > _LEFT * devices.max_w.max():
        return 0.0
    full = left_w < _FULL_W
    full[0] = False
    wants = (watts < upper_w - _FULL_W) & ~nodes_below(site, full)[devices.node]
    wants[caps.devices] = False
    gain = np.where(watts > devices.off_w, caps.last_per_wh, caps.first_per_wh)
    return float(gain.max(where=wants, initial=0.0))


def without_slack(caps: Caps, devices: Devices, current_w: F64, target_w: F64) -> tuple[F64, Bool]:
    """Return what devices (D,) run on, where what a cap is lowered by above the draw of its job is gone at once: nobody draws it.

    What is left of it is a setpoint that lets the job draw what it does: where the ramp has no room for more, the device stays on that.

    And which devices are only given a higher cap than their jobs use: the site does not draw more by that, and may at any moment.
    """
    idle = np.zeros(current_w.size, dtype=np.bool_)
    if not caps.groups:
        return current_w, idle
    mine, wanted_w = caps.devices, caps.wanted_w[0]
    was_w, goal_w = current_w[mine], target_w[mine]
    less_w = current_w.copy()
    used_w = np.minimum(was_w, _least_setpoint_w(devices, mine, wanted_w))
    less_w[mine] = np.where(goal_w < was_w, np.maximum(goal_w, used_w), was_w)
    idle[mine] = (goal_w > was_w) & caps.loose & (wanted_w < was_w) & (was_w >= caps.least_w)
    return less_w, idle


def _least_setpoint_w(devices: Devices, mine: I64, wanted_w: F64) -> F64:
    """Return the lowest running setpoint of each of `mine` (C,) that lets it draw `wanted_w` (C,); its most where none does."""
    lowest, row = devices.mode_start[mine] + 1, devices.mode_start[mine + 1] - 1
    for _ in range(int((row - lowest).max(initial=0))):
        below = np.maximum(row - 1, np.minimum(lowest, row))
        row = np.where(devices.mode_w[below] >= wanted_w, below, row)
    at_w = devices.mode_w[row]
    return np.where(devices.mode_continuous[row], np.minimum(np.ceil(wanted_w), at_w), at_w)


def turns(caps: Caps, order: I64, idle: Bool, reserve_w: float) -> Iterator[tuple[I64, float]]:
    """Yield which devices of an `order` (D,) are granted one after the other, and what is kept free of them.

    What is kept for caps is kept free of the others. A cap that is raised above the draw of its job (`idle`) rises by the ramp, as all
    does, and by what the others leave of it: all those jobs may draw more at once, and until then nobody gains by it.
    """
    if not (reserve_w > 0.0 or some(idle)):
        yield order, 0.0
        return
    capped, idle = np.zeros(idle.size, dtype=np.bool_), idle[order]
    if reserve_w > 0.0:
        capped[caps.devices] = True
        capped = capped[order]
        yield order[capped & ~idle], 0.0
    yield order[~(capped | idle)], reserve_w
    yield order[idle], 0.0


def late_last(order: I64, late: Bool) -> I64:
    """Return the order (D,) with those at its end that have not come up when asked: raised last, and lowered first."""
    if not some(late):
        return order
    last = late[order]
    return np.concatenate([order[~last], order[last]])
