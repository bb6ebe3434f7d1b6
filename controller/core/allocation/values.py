"""What the allocator maximises: what modes earn, less what it costs to go there from what the devices run on now."""

from __future__ import annotations

import numpy as np

from controller.core.allocation.tables import Tables
from controller.core.fleet.power_cut import PowerCut
from controller.core.kernels.changes import cost_per_h, values_after_changes
from controller.core.kernels.columns import EPS_W
from controller.core.masks import some
from controller.core.site import F64, Bool


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


def values_with_power(tables: Tables, cut: PowerCut | None) -> F64 | None:
    """Return the value per hour of each mode (M,): of devices without power, nothing; None where it is as the site says."""
    if cut is None or not some(cut.dark):
        return None
    dark = np.repeat(cut.dark, np.diff(tables.site.devices.mode_start))
    return np.where(dark, 0.0, tables.modes.value)


def changes_per_h(tables: Tables, current_w: F64, watts: F64) -> float:
    """Return what those values leave out of what the devices earn that go from `current_w` to `watts` (D,)."""
    if not tables.changes_cost:
        return 0.0
    cost: float = cost_per_h(tables.modes, tables.change_costs, current_w, watts)
    return cost


def earned_per_h(tables: Tables, who: Bool, watts: F64) -> float:
    """Return what those of the devices (D,) earn at `watts` (D,), by what the site says of their modes."""
    if not some(who):
        return 0.0
    mine = np.flatnonzero(who)
    modes, at_w = tables.modes, watts[mine]
    first, last = modes.start[mine], modes.start[mine + 1] - 1
    row = first.copy()
    for k in range(1, int((last - first).max()) + 1):
        row += (first + k <= last) & (modes.watts[np.minimum(first + k, last)] <= at_w + EPS_W)
    above = np.minimum(row + 1, last)
    within = (above > row) & modes.continuous[above] & (at_w > modes.watts[row])
    span_w = np.where(within, modes.watts[above] - modes.watts[row], 1.0)
    share = np.where(within, (at_w - modes.watts[row]) / span_w, 0.0)
    return float((modes.value[row] + share * (modes.value[above] - modes.value[row])).sum())
