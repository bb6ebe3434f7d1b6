"""Raises need more room than their watts: until a meter has shown them, they count with the device's tolerance.

An allotment that fills its room to the watt would leave none for that. Its last raise, of a device that starts or goes to another
mode whole, would wait for ever, and its watts with it. So where raises have nothing else to wait for, they are allotted with that
room left free; once a meter has shown them, the room is allotted too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from controller.core.allocation.allocator import Allotment
from controller.core.allocation.tables import Tables
from controller.core.fleet.leases import Leases
from controller.core.kernels.columns import EPS_W
from controller.core.kernels.tree import PathSums
from controller.core.masks import every, some
from controller.core.site import F64, Rules
from controller.core.state import State

#: So often at most an allotment is made anew: other devices may be raised in it, which need other room.
_TRIES: Final = 2
#: An envelope that has moved by no more than this share since the last tick stands still.
_STILL: Final = 0.01
#: Where less than so much of a tick's share of the up-ramp was left over in that, it is the ramp that holds raises back.
_RAMP_LEFT: Final = 0.5


def is_calm(state: State, rules: Rules, envelope_w: float, now_s: float) -> bool:
    """Return whether raises have nothing to wait for but room: the site's envelope stands still, and the ramp has some left."""
    left_w = _RAMP_LEFT * rules.ramp_up_w_s * state.elapsed_s(now_s)
    moved_w = abs(envelope_w - float(state.overrun.allowed_w[0]))
    return state.rise_room_w >= left_w and moved_w <= _STILL * envelope_w


def with_room_to_rise(
    tables: Tables, solve: Callable[..., Allotment], room_w: F64, base_w: F64, leases: Leases, *, calm: bool
) -> Allotment:
    """Return an allotment whose raises all have room where it is `calm`; elsewhere there is other room in the next ticks anyway.

    `solve` allots within `limit_w` (N,), watts for the devices below each node, here `room_w`; what has to run, `base_w` (D,), fits as
    before. The bound is that of all the room.
    """
    first = found = solve(limit_w=room_w)
    if not calm:
        return first
    steady = tables.site.devices.steady
    shown_w = leases.high_w if every(steady) else np.where(steady, leases.high_w, leases.seen_w)
    kept_w = np.zeros(room_w.size)
    for _ in range(_TRIES):
        more_w = np.maximum(found.watts - shown_w, 0.0)
        if not some(more_w):
            break
        unseen_w, watts, has_to_run_w = PathSums(tables.paths).each(
            more_w * tables.site.devices.tolerance, found.watts, base_w
        )
        short = (unseen_w > 0.0) & (watts + unseen_w > room_w + EPS_W)
        if not some(short):
            break
        kept_w = np.maximum(kept_w, np.where(short, unseen_w, 0.0))
        # What no job has drawn yet of a cap that has to run is no raise: nothing makes room for it.
        found = solve(limit_w=np.maximum(room_w - kept_w, np.minimum(room_w, has_to_run_w)))
    if found is first:
        return found
    return replace(found, bound_per_h=first.bound_per_h, program_per_h=first.program_per_h)
