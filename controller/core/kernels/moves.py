"""Changes of single devices from one mode to another: what they lose at a price, and making them."""

from __future__ import annotations

import numpy as np

from controller.core.kernels import joined, kernel
from controller.core.kernels.columns import (
    EPS_W,
    I32,
    Branches,
    ChangeSets,
    Choices,
    Draft,
    MeritOrder,
    Rest,
    at,
)
from controller.core.kernels.hull import density_of, value_at, worth, worth_at
from controller.core.kernels.search import cheapest, offer
from controller.core.site import F64, I64

#: Of more devices only the changes are tried first that lose no more than this share of what the rest is worth; where a
#: set that loses less may have others, all of them are tried.
FEW = 8
FIRST_SHARE = 1.0 / 8.0
#: For the sake of rounding: a single change that loses as much as the best set so far is still offered.
SURELY = 1.0 + 1e-9


@kernel
def price_at(order: MeritOrder, position: int) -> float:
    """Return the price of a watt below a node that was closed at `position`; 0 for an open one."""
    return density_of(order.items[at(position)], order.low_bits) if position < order.length else 0.0


@kernel
def room_between(parent: I64, room_w: F64, leaf: int, top: int) -> float:
    """Return the least room from `leaf` up to `top`, `top` included."""
    least = np.inf
    n = leaf
    while n >= top:
        least = min(least, room_w[at(n)])
        n = parent[at(n)]
    return least


@joined
def offer_changes(
    devices: I32,
    branches: Branches,
    choices: Choices,
    draft: Draft,
    top: int,
    price: float,
    most_loss: float,
    sets: ChangeSets,
) -> int:
    """List the other modes of `devices` that lose less than `most_loss` at `price`; return how many there are.

    They fit into the room of every node up to `top`; a `top` below the devices' nodes allows them all.
    """
    parent, home, watts, room_w = branches.parent, branches.home, draft.watts, draft.room_w
    mode_start, mode_w, mode_value, continuous = choices.start, choices.watts, choices.value, choices.continuous
    start_share, kept_value, bonus = choices.start_share, choices.kept_value, choices.bonus
    base_w, upper_w = choices.base_w, choices.upper_w
    count = 0
    for d in range(devices.size):
        device = int(devices[d])
        i = at(device)
        end = mode_start[at(device + 1)]
        base = base_w[i]
        upper = upper_w[i]
        here = watts[i]
        share = start_share[i]
        kept = kept_value[i]
        row = mode_start[i]
        if base <= mode_w[at(row)] and mode_w[at(end - 1)] <= upper:
            # Most devices are free, and at a mode: nothing but their modes is to be looked at.
            stands = row
            for k in range(row + 1, end):
                stands += mode_w[at(k)] <= here
            best = worth(mode_value[at(stands)], kept, share, bonus) - price * here
            if here > mode_w[at(stands)]:
                best = worth_at(choices, device, here)
                best -= price * here
            for k in range(row, end):
                to_w = mode_w[at(k)]
                loss = best - worth(mode_value[at(k)], kept, share, bonus) + price * to_w
                if loss >= most_loss or abs(to_w - here) <= EPS_W:
                    continue
                if to_w < here or to_w - here <= room_between(parent, room_w, home[i], top):
                    count = offer(to_w - here, max(loss, 0.0), to_w, device, count, sets)
            continue
        best = worth_at(choices, device, here) - price * here
        while row + 1 < end and mode_w[at(row + 1)] <= base + EPS_W:
            row += 1
        last = False
        while row < end and not last:
            to_w = mode_w[at(row)]
            if to_w <= base:
                to_w = base
                gain = worth_at(choices, device, base)
            elif to_w > upper + EPS_W:
                if not continuous[at(row)] or upper <= max(mode_w[at(row - 1)], base) + EPS_W:
                    break
                last = True
                to_w = upper
                gain = worth_at(choices, device, upper)
            else:
                gain = worth(mode_value[at(row)], kept, share, bonus)
            row += 1
            loss = best - gain + price * to_w
            if loss >= most_loss or abs(to_w - here) <= EPS_W:
                continue
            if to_w < here or to_w - here <= room_between(parent, room_w, home[i], top):
                count = offer(to_w - here, max(loss, 0.0), to_w, device, count, sets)
    return count


@kernel
def cheapest_changes(
    devices: I32, branches: Branches, choices: Choices, draft: Draft, top: int, rest: Rest, sets: ChangeSets
) -> tuple[float, float, int, np.uint64, float]:
    """Offer changes of `devices`; return what the cheapest set loses, a proven least loss, how many there are, the set.

    As `offer_changes` and `cheapest`. Last comes a negative number; or, where a set of more changes may lose less, what it
    loses at least: ask once more with a `rest` that says so.
    """
    few = devices.size <= FEW or rest.least > 0.0
    most_loss = min((1.0 if few else FIRST_SHARE) * rest.own_price * rest.watts, SURELY * rest.lost)
    changed = offer_changes(devices, branches, choices, draft, top, rest.price, most_loss, sets)
    lost, proven, chosen = cheapest(rest, changed, sets)
    full = changed == sets.device.size
    dearest = sets.changes[1, at(max(changed, 1) - 1)]
    least = dearest if full else most_loss
    proves = few or full or lost <= least + rest.slack
    return lost, min(proven, least), changed, chosen, -1.0 if proves else least


@kernel
def change_to(device: int, to_w: float, branches: Branches, choices: Choices, draft: Draft) -> tuple[float, float]:
    """Set `device` to `to_w` in the `draft`; return how much worth and value that adds."""
    parent, room_w = branches.parent, draft.room_w
    here = draft.watts[at(device)]
    worth_added = worth_at(choices, device, to_w)
    worth_added -= worth_at(choices, device, here)
    value_added = value_at(choices, device, to_w)
    value_added -= value_at(choices, device, here)
    draft.watts[at(device)] = to_w
    n = int(branches.home[at(device)])
    while n >= 0:
        room_w[n] -= to_w - here
        n = parent[n]
    return worth_added, value_added
