"""From the linear program to whole modes: what rounding down leaves unused is filled by the cheapest changes.

First every closed leaf node (PDU) by itself, exactly; what it still wastes no allocation could use, which lowers the
bound. Then the merit order goes on where the fixed leaves left room above (`top_up`), and what that leaves of the upper
nodes is filled by changes of devices that only they hold back.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from controller.core.kernels.greedy import OPEN, density_of
from controller.core.kernels.hull import CLIPPED, EPS_W, I32, ROWS, U8, U64, row_at, value_at, worth, worth_at
from controller.core.kernels.search import cheapest, offer
from controller.core.site import F64, I64, Bool

#: Places around the closing of a node in the merit order at which devices to change are looked for.
WIDEST = 16384


@njit("float64(uint64[::1], int64, int64, int64)", cache=True)
def price_at(items: U64, count: int, device_bits: int, position: int) -> float:
    """Return the price of a watt below a node that was closed at `position`; 0 for an open one."""
    return density_of(items[position], device_bits) if position < count else 0.0


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
    "int64(int32[::1], int64[::1], int32[::1], float64[::1], int64, float64, float64, int64[::1], float64[::1], float64[::1],"
    " boolean[::1], float64[::1], float64[::1], float64, float64[::1], float64[::1], float64[::1], float64[:, ::1], int64[::1])",
    cache=True,
)
def offer_changes(
    devices: I32,
    parent: I64,
    home: I32,
    room_w: F64,
    top: int,
    price: float,
    most_loss: float,
    mode_start: I64,
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    start_share: F64,
    kept_value: F64,
    bonus: float,
    base_w: F64,
    upper_w: F64,
    watts: F64,
    changes: F64,
    change_device: I64,
) -> int:
    """List the other modes of `devices` that lose less than `most_loss` at `price`; return how many there are.

    They fit into the room of every node up to `top`; a `top` below the devices' nodes allows them all.
    """
    count = 0
    for k in range(devices.size):
        i = int(devices[k])
        end = mode_start[i + 1]
        base = base_w[i]
        upper = upper_w[i]
        here = watts[i]
        most_w = here + _room_between(parent, room_w, home[i], top)
        share = start_share[i]
        kept = kept_value[i]
        best = worth_at(mode_start, mode_w, mode_value, mode_continuous, i, here, kept, share, bonus) - price * here
        for row in range(mode_start[i], end):
            to_w = mode_w[row]
            if row + 1 < end and mode_w[row + 1] <= base + EPS_W:
                continue
            gain = worth(mode_value[row], kept, share, bonus)
            if to_w < base:
                to_w = base
                gain = worth_at(mode_start, mode_w, mode_value, mode_continuous, i, base, kept, share, bonus)
            last = to_w > upper + EPS_W
            if last and to_w > base:
                if not mode_continuous[row] or upper <= max(mode_w[row - 1], base) + EPS_W:
                    break
                to_w = upper
                gain = worth_at(mode_start, mode_w, mode_value, mode_continuous, i, upper, kept, share, bonus)
            loss = best - gain + price * to_w
            if loss < most_loss and to_w <= most_w and abs(to_w - here) > EPS_W:
                count = offer(to_w - here, max(loss, 0.0), i, to_w, count, changes, change_device)
            if last:
                break
    return count


@njit(
    "int64(int64[::1], int64[::1], int64[::1], int32[::1], int32[::1], int64[::1], float64[::1], float64[::1], boolean[::1],"
    " float64[::1], float64[::1], float64, float64[::1], float64[::1], uint64[::1], int64, int64, int64[::1], float64[::1], int64[::1],"
    " float64[::1], float64[::1], int32[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], int64[::1],"
    " float64[:, :, :, ::1], uint64[:, :, ::1])",
    cache=True,
)
def fill_leaves(
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
    closed_at: I64,
    node_price: F64,
    cut_device: I64,
    cut_w: F64,
    watts: F64,
    at: I32,
    price_above: F64,
    rest_w: F64,
    unproven: F64,
    changes: F64,
    change_device: I64,
    lists: F64,
    masks: U64,
) -> int:
    """Fill what is left of every leaf node that its own limit closes; return how many were filled.

    `watts`, `at` (D,) are changed in place. A filled leaf is fixed: `price_above` (N,), negative before, takes the price
    of a watt above it as of `node_price` (N,), `rest_w` what rounding left of its limit, and `unproven` by how much its
    filling may be worse than the best. `changes` (3, CHANGES), `change_device`, `lists`, `masks`: workspace.
    """
    change, change_loss, change_to_w = changes[0], changes[1], changes[2]
    filled = 0
    for n in range(1, parent.size):
        if size[n] > 1 or price_above[n] >= 0.0 or closed_at[n] >= closed_at[parent[n]]:
            continue
        price = price_at(items, count, device_bits, closed_at[n])
        if price <= node_price[parent[n]]:
            continue
        filled += 1
        price_above[n] = node_price[parent[n]]
        rest_w[n] = 0.0
        unproven[n] = 0.0
        if cut_device[n] < 0:
            continue
        rest_w[n] = cut_w[n]
        own_price = price - price_above[n]
        devices = member[member_start[n] : member_start[n + 1]]
        whole = True
        for i in devices:
            for row in range(mode_start[i] + 1, mode_start[i + 1]):
                whole &= not mode_continuous[row]
        # Few changes that lose little are mostly enough; all of them are looked at where that proves nothing.
        for share in (1.0 / 32.0, 1.0):
            most_loss = share * own_price * rest_w[n]
            changed = offer_changes(
                devices, parent, home, cut_w, parent.size, price, most_loss, mode_start, mode_w, mode_value,
                mode_continuous, start_share, kept_value, bonus, base_w, upper_w, watts, changes, change_device,
            )  # fmt: skip
            lost, proven, chosen = cheapest(
                rest_w[n], own_price, changed, change, change_loss, change_device, 0.0, lists, masks
            )
            if changed == change.size:
                most_loss = change_loss[changed - 1]
            unproven[n] = lost - (min(proven, most_loss) if whole else 0.0)
            if lost <= most_loss:
                break
        for k in range(changed):
            if chosen >> np.uint64(k) & np.uint64(1):
                i = change_device[k]
                watts[i] = change_to_w[k]
                at[i] = row_at(mode_start, mode_w, i, watts[i])
    return filled


@njit(
    "void(int64[::1], int64[::1], int64[::1], int32[::1], float64[::1], boolean[::1], float64[::1], uint8[::1], uint64[::1],"
    " int64, int64, int64[::1], float64[::1], float64[::1], float64[::1], int32[::1], int64[::1], int64[::1], float64[::1])",
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
    price_above: F64,
    room_w: F64,
    watts: F64,
    at: I32,
    reclosed_at: I64,
    cut_device: I64,
    cut_w: F64,
) -> None:
    """Let the merit order go on below the nodes that were closed for their sake of what fixed leaves left unused.

    As `admit`, with the site as one node of the tree. `closed_at` (N,) says where each node was closed, `reclosed_at`
    (N,) takes where it is closed now; the leaves that have a `price_above` are fixed.
    """
    mask = (np.uint64(1) << np.uint64(device_bits)) - np.uint64(1)
    begin = count
    live = 0
    cut_device[:] = -1
    for n in range(parent.size):
        reclosed_at[n] = closed_at[n] if price_above[n] >= 0.0 else OPEN
        if reclosed_at[n] == OPEN and closed_at[n] < count:
            begin = min(begin, closed_at[n])
            live += member_start[n] < member_start[n + 1]
    for p in range(begin, count):
        if live == 0:
            break
        i = int(items[p] & mask)
        leaf = home[i]
        if reclosed_at[leaf] != OPEN or p < closed_at[leaf]:
            continue
        row = at[i]
        rows = climb[row] & ROWS
        to_w = upper_w[i] if climb[row] & CLIPPED else mode_w[row + rows]
        step = to_w - watts[i]
        least = np.inf
        stop = 0
        n = int(leaf)
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
                    live -= member_start[m] < member_start[m + 1] and closed_at[m] < count
            if rows == 1 and mode_continuous[row + 1]:
                watts[i] += step
            else:
                cut_device[stop] = i
                cut_w[stop] = step
        n = int(leaf)
        while n >= 0:
            room_w[n] -= step
            n = parent[n]


@njit("boolean(int64[::1], int64, int64, int64[::1], float64[::1])", cache=True)
def _held_by(parent: I64, leaf: int, closing: int, reclosed_at: I64, price_above: F64) -> bool:
    """Return whether the devices of `leaf`, or the best filling of a fixed one, hang on the node closed at `closing`."""
    return bool(reclosed_at[parent[leaf] if price_above[leaf] >= 0.0 else leaf] == closing)


@njit(
    "UniTuple(float64, 2)(int64[::1], int64[::1], int64[::1], int32[::1], int32[::1], int64[::1], float64[::1], float64[::1],"
    " boolean[::1], float64[::1], float64[::1], float64, float64[::1], float64[::1], uint64[::1], int64, int64, int64[::1],"
    " float64[::1], int64[::1], float64[::1], float64[::1], float64[:, ::1], int64[::1], int32[::1], float64[:, :, :, ::1],"
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
    price_above: F64,
    cut_device: I64,
    room_w: F64,
    watts: F64,
    changes: F64,
    change_device: I64,
    near: I32,
    lists: F64,
    masks: U64,
) -> tuple[float, float]:
    """Fill what is left of the nodes that `top_up` closed; return how much worth and value that adds.

    Only devices that such a node alone holds back are changed, and those of the fixed leaves right below it. `room_w` (N,), `watts` (D,) are changed in place.
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
        seen = 0
        if last - first <= near.size:
            for i in member[first:last]:
                if _held_by(parent, home[i], closing, reclosed_at, price_above):
                    near[seen] = i
                    seen += 1
        else:
            for k in range(WIDEST):
                p = closing + (k + 1) // 2 * (1 if k % 2 else -1)
                if p < 0 or p >= count:
                    continue
                i = np.int32(items[p] & mask)
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
        changed = offer_changes(
            near[:seen], parent, home, room_w, n + 1, price, own_price * rest_w, mode_start, mode_w, mode_value,
            mode_continuous, start_share, kept_value, bonus, base_w, upper_w, watts, changes, change_device,
        )  # fmt: skip
        chosen = cheapest(
            rest_w, own_price, changed, change, change_loss, change_device, 2e-3 * own_price * rest_w, lists, masks
        )[2]
        for turn in range(2):
            for k in range(changed):
                if not chosen >> np.uint64(k) & np.uint64(1):
                    continue
                step = change[k]
                i = change_device[k]
                m = int(home[i])
                # Lower first; two raises may meet in a node between, then the second has to wait.
                if (step > 0.0) != (turn == 1) or step > _room_between(parent, room_w, m, 0):
                    continue
                share, kept = start_share[i], kept_value[i]
                value_added -= value_at(mode_start, mode_w, mode_value, mode_continuous, i, watts[i])
                worth_added -= worth_at(
                    mode_start, mode_w, mode_value, mode_continuous, i, watts[i], kept, share, bonus
                )
                watts[i] = change_to_w[k]
                value_added += value_at(mode_start, mode_w, mode_value, mode_continuous, i, watts[i])
                worth_added += worth_at(
                    mode_start, mode_w, mode_value, mode_continuous, i, watts[i], kept, share, bonus
                )
                while m >= 0:
                    room_w[m] -= step
                    m = parent[m]
    return worth_added, value_added


@njit(
    "UniTuple(float64, 2)(float64[::1], float64[::1], boolean[::1], float64[::1], float64[::1], float64, int32[::1],"
    " float64[::1])",
    cache=True,
)
def earnings(
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    start_share: F64,
    kept_value: F64,
    bonus: float,
    at: I32,
    watts: F64,
) -> tuple[float, float]:
    """Return the worth and the value of all devices at `watts` (D,), where they stand `at` their rows."""
    total_worth = 0.0
    total_value = 0.0
    for i in range(watts.size):
        row = at[i]
        value = mode_value[row]
        gain = worth(value, kept_value[i], start_share[i], bonus)
        more = watts[i] - mode_w[row]
        if more > EPS_W and row + 1 < mode_w.size and mode_continuous[row + 1]:
            share = more / (mode_w[row + 1] - mode_w[row])
            gain += share * (worth(mode_value[row + 1], kept_value[i], start_share[i], bonus) - gain)
            value += share * (mode_value[row + 1] - value)
        total_value += value
        total_worth += gain
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
    "UniTuple(float64, 2)(int64[::1], uint64[::1], int64, int64, int64[::1], int64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[::1], float64[::1])",
    cache=True,
)
def unused_worth(
    parent: I64,
    items: U64,
    count: int,
    device_bits: int,
    reclosed_at: I64,
    cut_device: I64,
    cut_w: F64,
    room_w: F64,
    price_above: F64,
    rest_w: F64,
    unproven: F64,
) -> tuple[float, float]:
    """Return how much more than at the end of `top_up` any allocation could be worth, in two terms.

    The parts that rounding cut off, and what the fixed leaves could be worth more at the prices that hold now: a leaf was
    filled best for another price above it. At any price its best filling leaves between none and `rest_w` of its
    limit; `room_w` (N,) is what this one leaves.
    """
    parts = 0.0
    fixed = 0.0
    for n in range(parent.size):
        if cut_device[n] >= 0:
            parts += cut_w[n] * price_at(items, count, device_bits, reclosed_at[n])
        if price_above[n] >= 0.0:
            now = price_at(items, count, device_bits, reclosed_at[parent[n]])
            fixed += unproven[n] + max(
                (price_above[n] - now) * room_w[n], (now - price_above[n]) * (rest_w[n] - room_w[n]), 0.0
            )
    return parts, fixed


@njit("void(int64[::1], float64[::1], float64[::1], int32[::1])", cache=True)
def stand(mode_start: I64, mode_w: F64, watts: F64, at: I32) -> None:
    """Write into `at` (D,) the row at which every device stands."""
    for i in range(watts.size):
        at[i] = row_at(mode_start, mode_w, i, watts[i])


@njit("void(uint64[::1], int64, int64, int64[::1], float64[::1])", cache=True)
def prices(items: U64, count: int, device_bits: int, closed_at: I64, node_price: F64) -> None:
    """Write into `node_price` (N,) the price of a watt below each node."""
    for n in range(closed_at.size):
        node_price[n] = price_at(items, count, device_bits, closed_at[n])


@njit(
    "float64(int64[::1], int64[::1], int32[::1], int64[::1], float64[::1], float64[::1], boolean[::1],"
    " float64[::1], float64[::1], float64, float64[::1], float64[::1], uint8[::1], float64[::1], float64[::1], float64[::1],"
    " float64[::1], float64[::1])",
    cache=True,
)
def dual_bound(
    parent: I64,
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
    climb: U8,
    watts: F64,
    limit_w: F64,
    node_price: F64,
    price_above: F64,
    unproven: F64,
) -> float:
    """Return the Lagrangian bound at `node_price` (N,), which falls on the way up: no allocation is worth more.

    A watt of a limit is paid for; what a device or a fixed leaf, as it is filled at these prices in `watts`, earns beyond
    that is added.
    """
    total = 0.0
    for n in range(parent.size):
        above = node_price[parent[n]] if n > 0 else 0.0
        fixed = price_above[n] >= 0.0
        price = above if fixed else node_price[n]
        if price > above:
            total += (price - above) * limit_w[n]
        if fixed:
            total += unproven[n]
        for i in member[member_start[n] : member_start[n + 1]]:
            to_w = watts[i] if fixed else base_w[i]
            kept, share = kept_value[i], start_share[i]
            gain = worth_at(mode_start, mode_w, mode_value, mode_continuous, i, to_w, kept, share, bonus) - price * to_w
            row = row_at(mode_start, mode_w, i, base_w[i])
            while not fixed and climb[row] & ROWS:
                to_w = upper_w[i] if climb[row] & CLIPPED else mode_w[row + (climb[row] & ROWS)]
                more = (
                    worth_at(mode_start, mode_w, mode_value, mode_continuous, i, to_w, kept, share, bonus)
                    - price * to_w
                )
                if more < gain:
                    break
                gain = more
                row += climb[row] & ROWS
            total += gain
    return total
