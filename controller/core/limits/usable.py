"""What of a limit devices may be set to."""

from __future__ import annotations

import numpy as np

from controller.core.limits.house_load import HOUSE_DRIFT
from controller.core.site import F64, Bool


def usable_w(limit_w: F64, house_w: F64, unheard_w: F64, metered: Bool, tolerance: F64) -> F64:
    """Return the watts of each node's limit (N,) that its devices may be set to.

    Room is kept for what the house load may rise by meanwhile. A node that is not `metered` keeps the largest `tolerance` of its
    devices free too, and `unheard_w`, the nameplate of what was never heard of.
    """
    free_w = limit_w - house_w * (1.0 + HOUSE_DRIFT)
    blind_w = free_w - unheard_w
    blind_w = np.where(blind_w <= 0.0, blind_w, blind_w / (1.0 + tolerance))
    return np.where(metered, free_w, blind_w)
