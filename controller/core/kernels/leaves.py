"""Closed leaf nodes (PDUs): each is filled by itself, exactly.

A solution of the linear program, rounded down to whole modes, leaves a rest of a leaf's limit unused. The cheapest changes
fill it; what it still wastes then no allocation could use, which lowers the bound.
"""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.columns import (
    Branches,
    ChangeSets,
    Choices,
    Closings,
    Draft,
    FixedLeaves,
    MeritOrder,
    Rest,
    at,
)
from controller.core.kernels.moves import change_to, cheapest_changes, price_at
from controller.core.site import F64


@kernel
def fill_leaves(
    branches: Branches,
    choices: Choices,
    order: MeritOrder,
    closings: Closings,
    node_price: F64,
    draft: Draft,
    fixed: FixedLeaves,
    sets: ChangeSets,
) -> tuple[int, float, float]:
    """Fill what is left of every leaf node that its own limit closes; return how many, and worth and value added.

    The `draft` is changed in place. A filled leaf is `fixed` at the price of a watt above it as of `node_price` (N,).
    """
    parent, size, member_start, closed_at = branches.parent, branches.size, branches.member_start, closings.closed_at
    price_above, rest_w, unproven = fixed.price_above, fixed.rest_w, fixed.unproven
    filled = 0
    worth_added = 0.0
    value_added = 0.0
    for n in range(1, parent.size):
        if size[n] > 1 or price_above[n] >= 0.0 or closed_at[n] >= closed_at[at(parent[n])]:
            continue
        price = price_at(order, closed_at[n])
        if price <= node_price[at(parent[n])]:
            continue
        filled += 1
        price_above[n] = node_price[at(parent[n])]
        rest_w[n] = 0.0
        unproven[n] = 0.0
        if closings.cut_device[n] < 0:
            continue
        rest_w[n] = closings.cut_w[n]
        own_price = price - price_above[n]
        devices = branches.member[member_start[n] : member_start[n + 1]]
        rest = Rest(rest_w[n], price, own_price, 0.0, 0.0, own_price * rest_w[n])
        # A `top` below all nodes: only the rest says which changes fit.
        lost, proven, changed, chosen, least = cheapest_changes(
            devices, branches, choices, draft, parent.size, rest, sets
        )
        if least > 0.0:
            rest = Rest(rest_w[n], price, own_price, 0.0, least, lost)
            lost, proven, changed, chosen, _ = cheapest_changes(
                devices, branches, choices, draft, parent.size, rest, sets
            )
        unproven[n] = lost - (0.0 if branches.divisible[n] else proven)
        for k in range(changed):
            if chosen >> np.uint64(k) & np.uint64(1):
                more_worth, more_value = change_to(sets.device[k], sets.changes[2, k], branches, choices, draft)
                worth_added += more_worth
                value_added += more_value
    return filled, worth_added, value_added
