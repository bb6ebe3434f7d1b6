"""The merit order goes on where the fixed leaves left room."""

from __future__ import annotations

from controller.core.kernels import kernel
from controller.core.kernels.columns import (
    EPS_W,
    OPEN,
    Branches,
    Choices,
    Closings,
    Draft,
    FixedLeaves,
    MeritOrder,
    at,
)
from controller.core.kernels.greedy import edge_of, tightest
from controller.core.kernels.hull import ROWS, device_of
from controller.core.kernels.moves import change_to
from controller.core.site import I64


@kernel
def top_up(
    branches: Branches,
    choices: Choices,
    order: MeritOrder,
    closed_at: I64,
    fixed: FixedLeaves,
    draft: Draft,
    closings: Closings,
) -> tuple[float, float]:
    """Let the merit order go on below the nodes that were closed for their sake of what fixed leaves left unused.

    As `admit`, with the site as one node of the tree. `closed_at` (N,) says where each node was closed, `closings` take
    where it is closed now. Return worth and value added.
    """
    parent, size, member_start, home = branches.parent, branches.size, branches.member_start, branches.home
    items, count, watts, room_w = order.items, order.length, draft.watts, draft.room_w
    price_above, reclosed_at = fixed.price_above, closings.closed_at
    cut_device, cut_w = closings.cut_device, closings.cut_w
    begin = count
    live = 0
    worth_added = 0.0
    value_added = 0.0
    cut_device[:] = -1
    for n in range(parent.size):
        reclosed_at[n] = closed_at[n] if price_above[n] >= 0.0 else OPEN
        if reclosed_at[n] == OPEN and closed_at[n] < count:
            begin = min(begin, closed_at[n])
            live += member_start[n] < member_start[n + 1]
    for p in range(begin, count):
        if live == 0:
            break
        i = device_of(items[at(p)], order.low_bits, order.rank_bits)
        leaf = int(home[at(i)])
        if reclosed_at[at(leaf)] != OPEN or p < closed_at[at(leaf)]:
            continue
        row, _, to_w = edge_of(items[at(p)], i, choices, order)
        step = to_w - watts[at(i)]
        stop, least = tightest(parent, room_w, leaf, 0)
        if step > least + EPS_W:
            step = max(least, 0.0)
            for m in range(stop, stop + size[at(stop)]):
                if reclosed_at[at(m)] == OPEN:
                    reclosed_at[at(m)] = p
                    live -= member_start[at(m)] < member_start[at(m + 1)] and closed_at[at(m)] < count
            if order.climb[at(row)] & ROWS == 1 and choices.continuous[at(row + 1)]:
                to_w = watts[at(i)] + step
            else:
                cut_device[at(stop)] = i
                cut_w[at(stop)] = step
                n = leaf
                while n >= 0:
                    room_w[n] -= step
                    n = parent[n]
                continue
        more_worth, more_value = change_to(i, to_w, branches, choices, draft)
        worth_added += more_worth
        value_added += more_value
    # The parts are not taken: they only kept the order from going on.
    for n in range(parent.size):
        if cut_device[n] >= 0:
            m = int(home[at(cut_device[n])])
            while m >= 0:
                room_w[m] += cut_w[n]
                m = parent[m]
    return worth_added, value_added
