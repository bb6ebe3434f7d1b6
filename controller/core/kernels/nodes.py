"""Upper nodes: what they leave unused is filled by the cheapest changes of devices that only they hold back."""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.columns import (
    EPS_W,
    I32,
    OPEN,
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
from controller.core.kernels.greedy import edge_of
from controller.core.kernels.hull import device_of
from controller.core.kernels.moves import change_to, cheapest_changes, price_at, room_between
from controller.core.site import F64, I64

#: Places around the closing of a node in the merit order at which devices to change are looked for.
WIDEST = 16384
#: Where the cheapest changes waste more than this share of a rest, the merit order first goes on past the edge that did
#: not fit, over so many places at most.
WASTE = 0.25
PAST = 4096


@kernel
def _held_by(parent: I64, leaf: int, closing: int, closed_at: I64, price_above: F64) -> bool:
    """Return whether the devices of `leaf`, or the best filling of a fixed one, hang on the node closed at `closing`."""
    n = parent[at(leaf)] if price_above[at(leaf)] >= 0.0 else leaf
    return bool(closed_at[at(n)] == closing)


@kernel
def _near(node: int, closing: int, branches: Branches, order: MeritOrder, closed_at: I64, near: I32) -> int:
    """List in `near` devices that hang on the big `node`, closed at `closing`, but on no fixed leaf; return how many.

    All of them where there is place, else those whose edges are the nearest to the closing in the merit order.
    """
    member_start, member, home, items = branches.member_start, branches.member, branches.home, order.items
    held = 0
    for n in range(node, node + branches.size[at(node)]):
        if closed_at[at(n)] == closing:
            held += member_start[at(n + 1)] - member_start[at(n)]
    seen = 0
    if held <= near.size:
        for n in range(node, node + branches.size[at(node)]):
            if closed_at[at(n)] == closing:
                for k in range(member_start[at(n)], member_start[at(n + 1)]):
                    near[at(seen)] = member[at(k)]
                    seen += 1
        return seen
    for k in range(WIDEST):
        p = closing + (k + 1) // 2 * (1 if k % 2 else -1)
        if p < 0 or p >= order.length:
            continue
        i = np.int32(device_of(items[at(p)], order.low_bits, order.rank_bits))
        if closed_at[at(home[at(i)])] != closing:
            continue
        known = False
        for d in range(seen):
            known |= near[d] == i
        if not known:
            near[at(seen)] = i
            seen += 1
            if 2 * seen == near.size:
                break
    return seen


@kernel
def _go_on(
    closing: int, branches: Branches, choices: Choices, order: MeritOrder, closed_at: I64, draft: Draft
) -> tuple[float, float]:
    """Take the edges after `closing` that still fit below the node that was closed there; return worth and value added."""
    parent, home, items, watts = branches.parent, branches.home, order.items, draft.watts
    worth_added = 0.0
    value_added = 0.0
    for p in range(closing + 1, min(closing + PAST, order.length)):
        i = device_of(items[at(p)], order.low_bits, order.rank_bits)
        if closed_at[at(home[at(i)])] != closing:
            continue
        _, from_w, to_w = edge_of(items[at(p)], i, choices, order)
        if watts[at(i)] != from_w or to_w - from_w > room_between(parent, draft.room_w, home[at(i)], 0):
            continue
        more_worth, more_value = change_to(i, to_w, branches, choices, draft)
        worth_added += more_worth
        value_added += more_value
    return worth_added, value_added


@kernel
def fill_nodes(
    branches: Branches,
    choices: Choices,
    order: MeritOrder,
    closings: Closings,
    fixed: FixedLeaves,
    draft: Draft,
    enough: float,
    sets: ChangeSets,
) -> tuple[float, float]:
    """Fill what is left of the nodes that `top_up` closed; return how much worth and value that adds.

    Only devices that such a node alone holds back are changed, and those of the fixed leaves right below it. The `draft` is
    changed in place. A filling that wastes no more than the share `enough` of a rest is taken.
    """
    parent, member_start, member, home = branches.parent, branches.member_start, branches.member, branches.home
    closed_at, price_above, room_w, near = closings.closed_at, fixed.price_above, draft.room_w, sets.near
    worth_added = 0.0
    value_added = 0.0
    for n in range(parent.size - 1, -1, -1):
        closing = closed_at[n]
        above = closed_at[at(parent[n])] if n > 0 else OPEN
        if closing >= above or closings.cut_device[n] < 0:
            continue
        rest_w = room_between(parent, room_w, n, 0)
        if rest_w <= EPS_W:
            continue
        price = price_at(order, closing)
        own_price = price - price_at(order, above)
        first, last = member_start[n], member_start[at(n + branches.size[n])]
        seen = 0
        if last - first <= near.size:
            for k in range(first, last):
                if _held_by(parent, home[at(member[at(k)])], closing, closed_at, price_above):
                    near[at(seen)] = member[at(k)]
                    seen += 1
        else:
            seen = _near(n, closing, branches, order, closed_at, near)
        for attempt in range(2):
            worst = own_price * rest_w
            rest = Rest(rest_w, price, own_price, enough * worst, 0.0, worst)
            lost, _, changed, chosen, least = cheapest_changes(near[:seen], branches, choices, draft, n + 1, rest, sets)
            if least > 0.0:
                rest = Rest(rest_w, price, own_price, enough * worst, least, lost)
                lost, _, changed, chosen, _ = cheapest_changes(near[:seen], branches, choices, draft, n + 1, rest, sets)
            if attempt == 1 or lost <= WASTE * worst:
                break
            more_worth, more_value = _go_on(closing, branches, choices, order, closed_at, draft)
            if more_worth == 0.0:
                break
            worth_added += more_worth
            value_added += more_value
            rest_w = room_between(parent, room_w, n, 0)
        for turn in range(2):
            for k in range(changed):
                if not chosen >> np.uint64(k) & np.uint64(1):
                    continue
                step = sets.changes[0, k]
                i = sets.device[k]
                # Lower first; two raises may meet in a node between, then the second has to wait.
                if (step > 0.0) != (turn == 1) or step > room_between(parent, room_w, home[at(i)], 0):
                    continue
                more_worth, more_value = change_to(i, sets.changes[2, k], branches, choices, draft)
                worth_added += more_worth
                value_added += more_value
    return worth_added, value_added
