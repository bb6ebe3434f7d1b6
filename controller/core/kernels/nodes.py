"""Upper nodes: what they leave unused is filled by the cheapest changes of devices that only they hold back."""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.greedy import OPEN, edge_of
from controller.core.kernels.hull import EPS_W, I32, U8, U64, device_of
from controller.core.kernels.moves import change_to, cheapest_changes, price_at, room_between
from controller.core.site import F64, I64, Bool

#: Places around the closing of a node in the merit order at which devices to change are looked for.
WIDEST = 16384
#: Where the cheapest changes waste more than this share of a rest, the merit order first goes on past the edge that did
#: not fit, over so many places at most.
WASTE = 0.25
PAST = 4096


@kernel("boolean(int64[::1], int64, int64, int64[::1], float64[::1])")
def _held_by(parent: I64, leaf: int, closing: int, reclosed_at: I64, price_above: F64) -> bool:
    """Return whether the devices of `leaf`, or the best filling of a fixed one, hang on the node closed at `closing`."""
    return bool(reclosed_at[parent[leaf] if price_above[leaf] >= 0.0 else leaf] == closing)


@kernel(
    "int64(int64, int64[::1], int64[::1], int32[::1], int32[::1], uint64[::1], int64, int64, int64, int64[::1],"
    " int64, int32[::1])"
)
def _near(
    node: int,
    size: I64,
    member_start: I64,
    member: I32,
    home: I32,
    items: U64,
    count: int,
    low_bits: int,
    rank_bits: int,
    reclosed_at: I64,
    closing: int,
    near: I32,
) -> int:
    """List in `near` devices that hang on the big `node`, closed at `closing`, but on no fixed leaf; return how many.

    All of them where there is place, else those whose edges are the nearest to the closing in the merit order.
    """
    held = 0
    for n in range(node, node + size[node]):
        if reclosed_at[n] == closing:
            held += member_start[n + 1] - member_start[n]
    seen = 0
    if held <= near.size:
        for n in range(node, node + size[node]):
            if reclosed_at[n] == closing:
                for i in member[member_start[n] : member_start[n + 1]]:
                    near[seen] = i
                    seen += 1
        return seen
    for k in range(WIDEST):
        p = closing + (k + 1) // 2 * (1 if k % 2 else -1)
        if p < 0 or p >= count:
            continue
        i = np.int32(device_of(items[p], low_bits, rank_bits))
        if reclosed_at[home[i]] != closing:
            continue
        known = False
        for d in range(seen):
            known |= near[d] == i
        if not known:
            near[seen] = i
            seen += 1
            if 2 * seen == near.size:
                break
    return seen


@kernel(
    "UniTuple(float64, 2)(int64, int64[::1], int32[::1], int64[::1], float64[::1], float64[::1], boolean[::1], float64[::1],"
    " float64[::1], float64, float64[::1], float64[::1], uint8[::1], uint64[::1], int64, int64, int64, int64[::1],"
    " float64[::1], float64[::1])"
)
def _go_on(
    closing: int,
    parent: I64,
    home: I32,
    mode_start: I64,
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    start_share: F64,
    kept_value: F64,
    bonus: float,
    base_w: F64,
    upper_w: F64,
    climb: U8,
    items: U64,
    count: int,
    low_bits: int,
    rank_bits: int,
    reclosed_at: I64,
    room_w: F64,
    watts: F64,
) -> tuple[float, float]:
    """Take the edges after `closing` that still fit below the node that was closed there; return worth and value added."""
    worth_added = 0.0
    value_added = 0.0
    for p in range(closing + 1, min(closing + PAST, count)):
        i = device_of(items[p], low_bits, rank_bits)
        if reclosed_at[home[i]] != closing:
            continue
        _, from_w, to_w = edge_of(items[p], rank_bits, i, mode_start, mode_w, base_w, upper_w, climb)
        if watts[i] != from_w or to_w - from_w > room_between(parent, room_w, home[i], 0):
            continue
        more_worth, more_value = change_to(
            i, to_w, parent, home, mode_start, mode_w, mode_value, mode_continuous, start_share, kept_value, bonus,
            watts, room_w,
        )  # fmt: skip
        worth_added += more_worth
        value_added += more_value
    return worth_added, value_added


@kernel(
    "UniTuple(float64, 2)(int64[::1], int64[::1], int64[::1], int32[::1], int32[::1], int64[::1], float64[::1], float64[::1],"
    " boolean[::1], float64[::1], float64[::1], float64, float64[::1], float64[::1], uint8[::1], uint64[::1], int64, int64, int64, int64[::1],"
    " float64[::1], int64[::1], float64[::1], float64[::1], float64[:, ::1], int64[::1], int32[::1], float64, int64[:, ::1], float64[:, :, :, ::1],"
    " uint64[:, :, ::1])",
)
def fill_nodes(
    parent: I64,
    size: I64,
    member_start: I64,
    member: I32,
    home: I32,
    mode_start: I64,
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    start_share: F64,
    kept_value: F64,
    bonus: float,
    base_w: F64,
    upper_w: F64,
    climb: U8,
    items: U64,
    count: int,
    low_bits: int,
    rank_bits: int,
    reclosed_at: I64,
    price_above: F64,
    cut_device: I64,
    room_w: F64,
    watts: F64,
    changes: F64,
    change_device: I64,
    near: I32,
    enough: float,
    groups: I64,
    lists: F64,
    masks: U64,
) -> tuple[float, float]:
    """Fill what is left of the nodes that `top_up` closed; return how much worth and value that adds.

    Only devices that such a node alone holds back are changed, and those of the fixed leaves right below it. `room_w`
    (N,), `watts` (D,) are changed in place. A filling that wastes no more than the share `enough` of a rest is taken.
    """
    worth_added = 0.0
    value_added = 0.0
    for n in range(parent.size - 1, -1, -1):
        closing = reclosed_at[n]
        above = reclosed_at[parent[n]] if n > 0 else OPEN
        if closing >= above or cut_device[n] < 0:
            continue
        rest_w = room_between(parent, room_w, n, 0)
        if rest_w <= EPS_W:
            continue
        price = price_at(items, count, low_bits, closing)
        own_price = price - price_at(items, count, low_bits, above)
        first, last = member_start[n], member_start[n + size[n]]
        seen = 0
        if last - first <= near.size:
            for i in member[first:last]:
                if _held_by(parent, home[i], closing, reclosed_at, price_above):
                    near[seen] = i
                    seen += 1
        else:
            seen = _near(
                n, size, member_start, member, home, items, count, low_bits, rank_bits, reclosed_at, closing, near
            )
        for attempt in range(2):
            worst = own_price * rest_w
            lost, _, changed, chosen = cheapest_changes(
                near[:seen], parent, home, room_w, n + 1, price, own_price, rest_w, enough * worst, mode_start, mode_w,
                mode_value, mode_continuous, start_share, kept_value, bonus, base_w, upper_w, watts, changes,
                change_device, groups, lists, masks,
            )  # fmt: skip
            if attempt == 1 or lost <= WASTE * worst:
                break
            more_worth, more_value = _go_on(
                closing, parent, home, mode_start, mode_w, mode_value, mode_continuous, start_share, kept_value, bonus,
                base_w, upper_w, climb, items, count, low_bits, rank_bits, reclosed_at, room_w, watts,
            )  # fmt: skip
            if more_worth == 0.0:
                break
            worth_added += more_worth
            value_added += more_value
            rest_w = room_between(parent, room_w, n, 0)
        for turn in range(2):
            for k in range(changed):
                if not chosen >> np.uint64(k) & np.uint64(1):
                    continue
                step = changes[0, k]
                i = change_device[k]
                # Lower first; two raises may meet in a node between, then the second has to wait.
                if (step > 0.0) != (turn == 1) or step > room_between(parent, room_w, home[i], 0):
                    continue
                more_worth, more_value = change_to(
                    i, changes[2, k], parent, home, mode_start, mode_w, mode_value, mode_continuous, start_share,
                    kept_value, bonus, watts, room_w,
                )  # fmt: skip
                worth_added += more_worth
                value_added += more_value
    return worth_added, value_added
