"""What of a limit devices may be set to."""

from __future__ import annotations

import numpy as np

from controller.core.limits.house_load import HOUSE_DRIFT
from controller.core.masks import some
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


def within_cut_w(usable_w: F64, current_w: F64, tolerance: F64) -> F64:
    """Return usable watts (N,), less what a cut may fall short by because devices draw less than they are set to, `current_w`."""
    cut_w = current_w - usable_w
    falls = cut_w > 0.0
    return np.where(falls, current_w - cut_w / (1.0 - tolerance), usable_w) if some(falls) else usable_w
