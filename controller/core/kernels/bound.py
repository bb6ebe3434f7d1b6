"""What no allocation can be worth more than: from what was left unused, and from the prices of the limits."""

from __future__ import annotations

from controller.core.kernels import kernel
from controller.core.kernels.columns import Branches, Choices, Closings, FixedLeaves, MeritOrder, at
from controller.core.kernels.hull import CLIPPED, ROWS, row_at, worth, worth_at
from controller.core.kernels.moves import price_at
from controller.core.site import F64, I64


@kernel
def unused_worth(
    parent: I64, order: MeritOrder, closings: Closings, fixed: FixedLeaves, room_w: F64
) -> tuple[float, float]:
    """Return how much more than at the end of `top_up` any allocation could be worth, in two terms.

    The parts that rounding cut off, and what the fixed leaves could be worth more at the prices that hold now: a leaf was
    filled best for another price above it. At any price its best filling leaves between none and `rest_w` of its
    limit; `room_w` (N,) is what this one leaves.
    """
    price_above, rest_w, closed_at = fixed.price_above, fixed.rest_w, closings.closed_at
    parts = 0.0
    lost = 0.0
    for n in range(parent.size):
        if closings.cut_device[n] >= 0:
            parts += closings.cut_w[n] * price_at(order, closed_at[n])
        if price_above[n] >= 0.0:
            now = price_at(order, closed_at[at(parent[n])])
            lost += fixed.unproven[n] + max(
                (price_above[n] - now) * room_w[n], (now - price_above[n]) * (rest_w[n] - room_w[n]), 0.0
            )
    return parts, lost


@kernel
def prices(order: MeritOrder, closed_at: I64, node_price: F64) -> None:
    """Write into `node_price` (N,) the price of a watt below each node."""
    for n in range(closed_at.size):
        node_price[n] = price_at(order, closed_at[n])


@kernel
def dual_bound(
    branches: Branches,
    choices: Choices,
    order: MeritOrder,
    fixed: FixedLeaves,
    node_price: F64,
    watts: F64,
) -> float:
    """Return the Lagrangian bound at `node_price` (N,), which falls on the way up: no allocation is worth more.

    A watt of a limit is paid for; what a device or a fixed leaf, as it is filled at these prices in `watts`, earns beyond
    that is added.
    """
    parent, member_start, member = branches.parent, branches.member_start, branches.member
    climb, bonus, mode_start, mode_w = order.climb, choices.bonus, choices.start, choices.watts
    base_w, upper_w = choices.base_w, choices.upper_w
    total = 0.0
    for n in range(parent.size):
        above = node_price[at(parent[n])] if n > 0 else 0.0
        is_fixed = fixed.price_above[n] >= 0.0
        price = above if is_fixed else node_price[n]
        if price > above:
            total += (price - above) * branches.limit_w[n]
        if is_fixed:
            total += fixed.unproven[n]
        for k in range(member_start[n], member_start[n + 1]):
            device = int(member[at(k)])
            i = at(device)
            if is_fixed:
                total -= price * watts[i]
                total += worth_at(choices, device, watts[i])
                continue
            kept, share = choices.kept_value[i], choices.start_share[i]
            row = row_at(mode_start, mode_w, device, base_w[i])
            leads = int(climb[at(row)])
            gain = worth_at(choices, device, base_w[i])
            gain -= price * base_w[i]
            while leads & ROWS:
                row += leads & ROWS
                if leads & CLIPPED:
                    to_w = upper_w[i]
                    more = worth_at(choices, device, to_w)
                else:
                    to_w = mode_w[at(row)]
                    more = worth(choices.value[at(row)], kept, share, bonus)
                if more - price * to_w < gain:
                    break
                gain = more - price * to_w
                leads = 0 if leads & CLIPPED else int(climb[at(row)])
            total += gain
    return total
