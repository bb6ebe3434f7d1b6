"""House load: what a node's meter sees beyond its devices, kept free; the loop is closed on the meter.

With the devices below a node drawing between L and H watts, a meter that shows P says that the house load lies between
P - H and P - L. The estimate moves up at once when P - H is above it (the node draws more than was thought), and
calmly down towards P - L when that is below it. It also carries the error of the devices' setpoints, so it may be
negative, but never by more than their tolerance: a meter that shows less than that is not believed.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from controller.core.site import F64, Bool
from controller.core.trust.node_power import NodePower

#: Time constant of the calm way down.
_CALM_S = 6.0
#: Share by which fans and pumps may draw more before a meter has shown it and the devices have made room.
HOUSE_DRIFT: Final = 0.03


def estimate_house(
    house_w: F64, power: NodePower, proven: Bool, least_w: F64, most_w: F64, slack_w: F64, elapsed_s: float
) -> F64:
    """Return the house load of each node (N,).

    `proven`: nodes with a meter that has followed the fleet; one that has not yet may raise the estimate, never lower it.
    `least_w`, `most_w`: what the devices below may be drawing. `slack_w`: the sum of their tolerances in watts.
    Nodes without a fresh meter keep their estimate.
    """
    calm = 1.0 - math.exp(-elapsed_s / _CALM_S)
    low, high = power.watts - most_w, np.maximum(power.watts - least_w, -slack_w)
    fallen = house_w + np.where(proven, np.minimum(high - house_w, 0.0) * calm, 0.0)
    moved = np.maximum(fallen, low)
    return np.asarray(np.where(power.known, moved, house_w), dtype=np.float64)
