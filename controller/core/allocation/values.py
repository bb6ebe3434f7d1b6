"""What the allocator maximises: what modes earn, less what it costs to go there from what the devices run on now."""

from __future__ import annotations

import numpy as np

from controller.core.allocation.tables import Tables
from controller.core.kernels.changes import cost_per_h, values_after_changes
from controller.core.site import F64


def values_now(tables: Tables, current_w: F64, mode_value: F64 | None = None) -> F64:
    """Return the value per hour of each mode (M,) to devices that run on `current_w` (D,).

    `mode_value` (M,): what the modes earn now, where that is not what the site says.
    """
    modes = tables.modes if mode_value is None else tables.modes._replace(value=mode_value)
    if not tables.changes_cost:
        return modes.value
    values = np.empty_like(modes.value)
    values_after_changes(modes, tables.change_costs, current_w, values)
    return values


def changes_per_h(tables: Tables, current_w: F64, watts: F64) -> float:
    """Return what those values leave out of what the devices earn that go from `current_w` to `watts` (D,)."""
    if not tables.changes_cost:
        return 0.0
    cost: float = cost_per_h(tables.modes, tables.change_costs, current_w, watts)
    return cost
