"""From the linear program to whole modes: what rounding down leaves unused is filled by the cheapest changes.

First every closed leaf node (PDU) by itself, exactly; what it still wastes no allocation could use, which lowers the
bound. Then the merit order goes on where the fixed leaves left room above (`top_up`), and what that leaves of the upper
nodes is filled by changes of devices that only they hold back.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from controller.core.kernels.greedy import OPEN, density_of
from controller.core.kernels.hull import CLIPPED, EPS_W, F64, I32, I64, ROWS, U8, U64, Bool, row_at, value_at, worth
from controller.core.kernels.search import cheapest, offer

#: A node with more devices below takes its changes from around its place in the merit order.
WIDEST = 2048


@njit("float64(uint64[::1], int64, int64, int64)", cache=True)
def price_at(items: U64, count: int, device_bits: int, position: int) -> float:
    """Return the price of a watt below a node that was closed at `position`; 0 for an open one."""
    return density_of(items[position], device_bits) if position < count else 0.0


@njit(
    "int64(int64, float64, float64, float64, int64[::1], float64[::1], float64[::1], boolean[::1], float64, float64, float64,"
    " float64, float64, float64, int64, float64[::1], float64[::1], int64[::1], float64[::1])",
    cache=True,
)
def offer_changes(
    device: int,
    price: float,
    most_loss: float,
    most_w: float,
    mode_start: I64,
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    start_share: float,
    kept_value: float,
    bonus: float,
    base_w: float,
    upper_w: float,
    watts: float,
    count: int,
    change: F64,
    change_loss: F64,
    change_device: I64,
    change_to_w: F64,
) -> int:
    """Offer every other mode of a device that loses less than `most_loss` at `price` and adds at most `most_w`."""
    bottom = row_at(mode_start, mode_w, device, base_w)
    value = value_at(mode_start, mode_w, mode_value, mode_continuous, device, watts)
    best = worth(value, kept_value, start_share, bonus) - price * watts
    for row in range(bottom, mode_start[device + 1]):
        to_w = mode_w[row]
        value = mode_value[row]
        if row == bottom:
            to_w = base_w
            value = value_at(mode_start, mode_w, mode_value, mode_continuous, device, to_w)
        elif to_w > upper_w + EPS_W:
            if not mode_continuous[row] or upper_w <= max(mode_w[row - 1], base_w) + EPS_W:
                break
            to_w = upper_w
            value = value_at(mode_start, mode_w, mode_value, mode_continuous, device, to_w)
        if abs(to_w - watts) > EPS_W and to_w - watts <= most_w:
            loss = max(best - worth(value, kept_value, start_share, bonus) + price * to_w, 0.0)
            if loss < most_loss:
                count = offer(to_w - watts, loss, device, to_w, count, change, change_loss, change_device, change_to_w)
        if to_w < mode_w[row] and row > bottom:
            break
    return count


@njit(
    "void(int64[::1], int64[::1], int64[::1], int32[::1], int64[::1], float64[::1], float64[::1], boolean[::1], float64[::1],"
    " float64[::1], float64, float64[::1], float64[::1], uint64[::1], int64, int64, int64[::1], int64, int64[::1],"
    " float64[::1], float64[::1], int64[::1], float64[::1], float64[::1], float64[:, ::1], int64[::1],"
    " float64[:, :, :, ::1], uint64[:, :, ::1])",
    cache=True,
)
def fill_leaves(
    parent: I64,
    size: I64,
    member_start: I64,
    member: I32,
    mode_start: I64,
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    start_share: F64,
    kept_value: F64,
    bonus: float,
    base_w: F64,
    upper_w: F64,
    items: U64,
    count: int,
    device_bits: int,
    closed_at: I64,
    end: int,
    cut_device: I64,
    cut_w: F64,
    watts: F64,
    reclosed_at: I64,
    lost: F64,
    proven: F64,
    changes: F64,
    change_device: I64,
    lists: F64,
    masks: U64,
) -> None:
    """Fill what is left of every leaf node that its own limit closes before `end`.

    `watts` (D,) is changed in place. `lost`, `proven` (N,) take what the rounding of the node loses against the linear
    program, and the least that any other would; `reclosed_at` (N,) the closing of these nodes, `OPEN` for all others. `changes` (3, CHANGES), `change_device`, `lists`, `masks`: workspace.
    """
    change, change_loss, change_to_w = changes[0], changes[1], changes[2]
    lost[:] = 0.0
    proven[:] = 0.0
    reclosed_at[:] = OPEN
    for n in range(1, parent.size):
        above = min(closed_at[parent[n]], end)
        if size[n] > 1 or closed_at[n] >= above:
            continue
        reclosed_at[n] = closed_at[n]
        if cut_device[n] < 0:
            continue
        price = price_at(items, count, device_bits, closed_at[n])
        own_price = price - price_at(items, count, device_bits, above)
        rest_w = cut_w[n]
        # Few changes that lose little are mostly enough; all of them are looked at where that proves nothing.
        for most_loss in (own_price * rest_w / 16.0, own_price * rest_w):
            changed = 0
            whole = True
            for k in range(member_start[n], member_start[n + 1]):
                i = np.int64(member[k])
                changed = offer_changes(
                    i, price, most_loss, np.inf, mode_start, mode_w, mode_value, mode_continuous, start_share[i],
                    kept_value[i], bonus, base_w[i], upper_w[i], watts[i], changed, change, change_loss, change_device,
                    change_to_w,
                )  # fmt: skip
                for row in range(mode_start[i] + 1, mode_start[i + 1]):
                    whole &= not mode_continuous[row]
            lost[n], proven[n], chosen = cheapest(
                rest_w, own_price, changed, change, change_loss, change_device, lists, masks
            )
            if changed == change.size:
                most_loss = change_loss[changed - 1]
            proven[n] = min(proven[n], most_loss) if whole else 0.0
            if lost[n] <= most_loss:
                break
        for k in range(changed):
            if chosen >> np.uint64(k) & np.uint64(1):
                watts[change_device[k]] = change_to_w[k]


@njit(
    "void(int64[::1], int64[::1], int64[::1], int32[::1], float64[::1], boolean[::1], float64[::1], uint8[::1], uint64[::1], int64, int64,"
    " int64[::1], int64, float64[::1], float64[::1], int32[::1], int64[::1], int64[::1], float64[::1])",
    cache=True,
)
def top_up(
    parent: I64,
    size: I64,
    member_start: I64,
    home: I32,
    mode_w: F64,
    mode_continuous: Bool,
    upper_w: F64,
    climb: U8,
    items: U64,
    count: int,
    device_bits: int,
    closed_at: I64,
    end: int,
    room_w: F64,
    watts: F64,
    at: I32,
    reclosed_at: I64,
    cut_device: I64,
    cut_w: F64,
) -> None:
    """Let the merit order go on below the nodes that were closed for their sake of what fixed leaves left unused.

    As `admit`, with the site as one node of the tree. `reclosed_at` (N,) holds the closing of the fixed leaves on
    entry, `OPEN` for all other nodes, and takes the positions at which they close now.
    """
    mask = (np.uint64(1) << np.uint64(device_bits)) - np.uint64(1)
    begin = count
    live = 0
    for n in range(parent.size):
        if reclosed_at[n] == OPEN and min(closed_at[n], end) < count:
            begin = min(begin, closed_at[n], end)
            live += member_start[n] < member_start[n + 1]
    for p in range(begin, count):
        if live == 0:
            break
        i = np.int64(items[p] & mask)
        leaf = home[i]
        if reclosed_at[leaf] != OPEN or p < min(closed_at[leaf], end):
            continue
        row = at[i]
        rows = climb[row] & ROWS
        to_w = upper_w[i] if climb[row] & CLIPPED else mode_w[row + rows]
        step = to_w - watts[i]
        least = np.inf
        stop = 0
        n = np.int64(leaf)
        while n >= 0:
            if room_w[n] <= least + EPS_W:
                least = min(least, room_w[n])
                stop = n
            n = parent[n]
        if step <= least + EPS_W:
            watts[i] = to_w
            at[i] += rows
        else:
            step = max(least, 0.0)
            for m in range(stop, stop + size[stop]):
                if reclosed_at[m] == OPEN:
                    reclosed_at[m] = p
                    live -= member_start[m] < member_start[m + 1] and min(closed_at[m], end) < count
            if rows == 1 and mode_continuous[row + 1]:
                watts[i] += step
            else:
                cut_device[stop] = i
                cut_w[stop] = step
        n = np.int64(leaf)
        while n >= 0:
            room_w[n] -= step
            n = parent[n]


@njit("float64(int64[::1], float64[::1], int64, int64)", cache=True)
def _room_between(parent: I64, room_w: F64, leaf: int, top: int) -> float:
    """Return the least room from `leaf` up to `top`, `top` included."""
    least = np.inf
    n = leaf
    while n >= top:
        least = min(least, room_w[n])
        n = parent[n]
    return least


@njit(
    "UniTuple(float64, 2)(int64[::1], int64[::1], int64[::1], int32[::1], int32[::1], int64[::1], float64[::1], float64[::1],"
    " boolean[::1], float64[::1], float64[::1], float64, float64[::1], float64[::1], uint64[::1], int64, int64, int64[::1],"
    " int64[::1], float64[::1], float64[::1], float64[:, ::1], int64[::1], int64[::1], float64[:, :, :, ::1],"
    " uint64[:, :, ::1])",
    cache=True,
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
    items: U64,
    count: int,
    device_bits: int,
    reclosed_at: I64,
    cut_device: I64,
    room_w: F64,
    watts: F64,
    changes: F64,
    change_device: I64,
    near: I64,
    lists: F64,
    masks: U64,
) -> tuple[float, float]:
    """Fill what is left of the nodes that `top_up` closed; return how much worth and value that adds.

    Only devices that such a node alone holds back are changed. `room_w` (N,), `watts` (D,) are changed in place.
    """
    change, change_loss, change_to_w = changes[0], changes[1], changes[2]
    mask = (np.uint64(1) << np.uint64(device_bits)) - np.uint64(1)
    worth_added = 0.0
    value_added = 0.0
    for n in range(parent.size - 1, -1, -1):
        closing = reclosed_at[n]
        above = reclosed_at[parent[n]] if n > 0 else OPEN
        if closing >= above or cut_device[n] < 0:
            continue
        rest_w = _room_between(parent, room_w, n, 0)
        if rest_w <= EPS_W:
            continue
        price = price_at(items, count, device_bits, closing)
        own_price = price - price_at(items, count, device_bits, above)
        first, last = member_start[n], member_start[n + size[n]]
        changed = 0
        if last - first <= WIDEST:
            for k in range(first, last):
                i = np.int64(member[k])
                if reclosed_at[home[i]] == closing:
                    changed = offer_changes(
                        i, price, own_price * rest_w, _room_between(parent, room_w, home[i], n + 1), mode_start, mode_w,
                        mode_value, mode_continuous, start_share[i], kept_value[i], bonus, base_w[i], upper_w[i],
                        watts[i], changed, change, change_loss, change_device, change_to_w,
                    )  # fmt: skip
        else:
            seen = 0
            for k in range(2 * WIDEST):
                p = closing + (k + 1) // 2 * (1 if k % 2 else -1)
                if p < 0 or p >= count or seen == near.size:
                    continue
                i = np.int64(items[p] & mask)
                known = reclosed_at[home[i]] != closing
                for d in range(seen):
                    known |= near[d] == i
                if not known:
                    near[seen] = i
                    seen += 1
            for d in range(seen):
                i = near[d]
                changed = offer_changes(
                    i, price, own_price * rest_w, _room_between(parent, room_w, home[i], n + 1), mode_start, mode_w,
                    mode_value, mode_continuous, start_share[i], kept_value[i], bonus, base_w[i], upper_w[i],
                    watts[i], changed, change, change_loss, change_device, change_to_w,
                )  # fmt: skip
        chosen = cheapest(rest_w, own_price, changed, change, change_loss, change_device, lists, masks)[2]
        for turn in range(2):
            for k in range(changed):
                if not chosen >> np.uint64(k) & np.uint64(1):
                    continue
                step = change[k]
                i = change_device[k]
                m = np.int64(home[i])
                # Lower first; two raises may meet in a node between, then the second has to wait.
                if (step > 0.0) != (turn == 1) or step > _room_between(parent, room_w, m, 0):
                    continue
                old = value_at(mode_start, mode_w, mode_value, mode_continuous, i, watts[i])
                watts[i] = change_to_w[k]
                new = value_at(mode_start, mode_w, mode_value, mode_continuous, i, watts[i])
                value_added += new - old
                share, kept = start_share[i], kept_value[i]
                worth_added += worth(new, kept, share, bonus) - worth(old, kept, share, bonus)
                while m >= 0:
                    room_w[m] -= step
                    m = parent[m]
    return worth_added, value_added


@njit(
    "UniTuple(float64, 2)(int64[::1], float64[::1], float64[::1], boolean[::1], float64[::1], float64[::1], float64,"
    " float64[::1])",
    cache=True,
)
def earnings(
    mode_start: I64,
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    start_share: F64,
    kept_value: F64,
    bonus: float,
    watts: F64,
) -> tuple[float, float]:
    """Return the worth and the value of all devices at `watts` (D,)."""
    total_worth = 0.0
    total_value = 0.0
    for i in range(watts.size):
        value = value_at(mode_start, mode_w, mode_value, mode_continuous, i, watts[i])
        total_value += value
        total_worth += worth(value, kept_value[i], start_share[i], bonus)
    return total_worth, total_value


@njit("void(int64[::1], int32[::1], float64[::1], float64[::1], float64[::1])", cache=True)
def rooms(parent: I64, home: I32, limit_w: F64, watts: F64, room_w: F64) -> None:
    """Write into `room_w` (N,) what `watts` (D,) leaves of each node's limit."""
    room_w[:] = 0.0
    for i in range(watts.size):
        room_w[home[i]] += watts[i]
    for n in range(parent.size - 1, 0, -1):
        room_w[parent[n]] += room_w[n]
    for n in range(parent.size):
        room_w[n] = limit_w[n] - room_w[n]


@njit(
    "float64(int64[::1], uint64[::1], int64, int64, int64[::1], int64, int64[::1], int64[::1], float64[::1], float64[::1],"
    " float64[::1], float64[::1])",
    cache=True,
)
def unused_worth(
    parent: I64,
    items: U64,
    count: int,
    device_bits: int,
    closed_at: I64,
    end: int,
    reclosed_at: I64,
    cut_device: I64,
    cut_w: F64,
    room_w: F64,
    lost: F64,
    proven: F64,
) -> float:
    """Return how much more than at the end of `top_up` any allocation could be worth.

    The parts that rounding cut off, what a leaf may lack of its optimum, and, where prices fell while the merit order
    went on, what the rest of a fixed leaf would be worth by that difference. `room_w` (N,) is that rest, as after
    `top_up`.
    """
    total = 0.0
    for n in range(parent.size):
        if cut_device[n] >= 0:
            total += cut_w[n] * price_at(items, count, device_bits, reclosed_at[n])
        if n > 0 and reclosed_at[n] < reclosed_at[parent[n]] and reclosed_at[n] == closed_at[n]:
            then = price_at(items, count, device_bits, min(closed_at[parent[n]], end))
            now = price_at(items, count, device_bits, reclosed_at[parent[n]])
            total += lost[n] - proven[n] + max(then - now, 0.0) * max(room_w[n], 0.0)
    return total


@njit("void(int64[::1], float64[::1], float64[::1], int32[::1])", cache=True)
def stand(mode_start: I64, mode_w: F64, watts: F64, at: I32) -> None:
    """Write into `at` (D,) the row at which every device stands."""
    for i in range(watts.size):
        at[i] = row_at(mode_start, mode_w, i, watts[i])
