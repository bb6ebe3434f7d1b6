"""Sites small enough to try every choice."""

from itertools import product

import numpy as np

from controller.core.site import Devices, Tree
from tests.bench.referee import verdict


def best_choice(tree: Tree, devices: Devices) -> float:
    """Return the value of the best modes that fit, by trying all."""
    rows = [range(a, b) for a, b in zip(devices.mode_start[:-1], devices.mode_start[1:], strict=True)]
    best = 0.0
    for chosen in product(*rows):
        watts = devices.mode_w[list(chosen)]
        seen = verdict(tree, devices, np.asarray(watts))
        if not seen.over_limit:
            best = max(best, seen.value_per_h)
    return best
