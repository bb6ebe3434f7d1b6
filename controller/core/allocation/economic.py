"""What an economic cap leaves of the site's room, who gives way to it, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from controller.core.allocation.allocator import Allocator, Allotment
from controller.core.allocation.minimum_times import Kept, fitting_w
from controller.core.allocation.tables import Tables
from controller.core.limits.demand import DemandNow
from controller.core.limits.house_load import HOUSE_DRIFT
from controller.core.reasons import Code, Reason
from controller.core.site import F64


def economic_w(demand: DemandNow | None, house_w: float) -> float:
    """Return what all devices may be set to for the demand, beside a house load that may drift; ``inf`` without one."""
    return math.inf if demand is None else demand.cap_w - house_w * (1.0 + HOUSE_DRIFT)


def on_the_way_w(reached_w: float, economic_w: float, current_w: float, fall_w: float) -> tuple[float, float]:
    """Return what all devices may be set to on their way down to `economic_w` by a ramp, and what of it they have reached.

    `reached_w`: by the last tick, ``inf`` where they were not on their way, as it is once they are there; `current_w`: what they run on;
    `fall_w`: the ramp's share of this tick. A limit that lowers others without any ramp so takes none of these along.
    """
    from_w = current_w if math.isinf(reached_w) else reached_w
    allowed_w = max(economic_w, from_w - fall_w)
    return allowed_w, allowed_w if allowed_w > economic_w else math.inf


def fitting_economic_w(
    tables: Tables, kept: Kept, bounds_w: tuple[F64, F64], room_w: F64, binding: Sequence[str], most_w: float
) -> tuple[F64, F64, tuple[Reason, ...]]:
    """Return the rooms (N,) that are left where all devices may be set to `most_w`, and what `fitting_w` does in these.

    An economic cap comes before minimum times, whose wear is small beside what is billed, and never before protection.
    """
    base_w, overruled = fitting_w(tables, kept, bounds_w, room_w, binding)
    if most_w >= room_w[0]:
        return room_w, base_w, overruled
    less_room_w = room_w.copy()
    less_room_w[0] = most_w
    less_w, given_up = fitting_w(tables, kept, bounds_w, less_room_w, ("demand", *binding[1:]))
    base_w = np.where(tables.site.devices.protected, base_w, np.minimum(base_w, less_w))
    less_room_w[0] = min(max(most_w, float(base_w.sum())), float(room_w[0]))
    by_demand = [reason for reason in given_up if reason.code is Code.TIMES_OVERRULED]
    return less_room_w, base_w, (*overruled, *(reason for reason in by_demand if reason not in overruled))


def with_cost(
    demand: DemandNow | None,
    allocator: Allocator,
    answer: Allotment,
    room_w: float,
    other_room_w: float,
    most_w: float,
) -> DemandNow | None:
    """Return the demand with what it keeps from devices, which use `room_w` of `other_room_w` and could use `most_w`.

    The cost is that of the allocator's `answer`: each watt more is worth no more than the one before.
    """
    if demand is None or room_w >= min(other_room_w, most_w):
        return demand
    held_back_w = min(other_room_w, most_w) - room_w
    return replace(demand, held_back_w=held_back_w, cost_per_h=held_back_w * float(allocator.limit_prices(answer)[0]))
