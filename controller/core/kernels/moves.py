"""Changes of single devices from one mode to another: what they lose at a price, and making them."""

from __future__ import annotations

import numpy as np

from controller.core.kernels import kernel
from controller.core.kernels.hull import EPS_W, I32, U64, density_of, value_at, worth, worth_at
from controller.core.kernels.search import cheapest, offer
from controller.core.site import F64, I64, Bool

#: Of more devices only the changes are tried first that lose no more than this share of what the rest is worth; where a
#: set that loses less may have others, more of them are tried.
FEW = 8
FIRST_SHARE = 1.0 / 8.0
WIDER = 8.0
#: For the sake of rounding: a single change that loses as much as the best set so far is still offered.
SURELY = 1.0 + 1e-9


@kernel("float64(uint64[::1], int64, int64, int64)")
def price_at(items: U64, count: int, low_bits: int, position: int) -> float:
    """Return the price of a watt below a node that was closed at `position`; 0 for an open one."""
    return density_of(items[position], low_bits) if position < count else 0.0


@kernel("float64(int64[::1], float64[::1], int64, int64)")
def room_between(parent: I64, room_w: F64, leaf: int, top: int) -> float:
    """Return the least room from `leaf` up to `top`, `top` included."""
    least = np.inf
    n = leaf
    while n >= top:
        least = min(least, room_w[n])
        n = parent[n]
    return least


@kernel(
    "int64(int32[::1], int64[::1], int32[::1], float64[::1], int64, float64, float64, int64[::1], float64[::1], float64[::1],"
    " boolean[::1], float64[::1], float64[::1], float64, float64[::1], float64[::1], float64[::1], float64[:, ::1], int64[::1])",
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
    for i in devices:
        end = mode_start[i + 1]
        base = base_w[i]
        upper = upper_w[i]
        here = watts[i]
        share = start_share[i]
        kept = kept_value[i]
        row = mode_start[i]
        if base <= mode_w[row] and mode_w[end - 1] <= upper:
            # Most devices are free, and at a mode: nothing but their modes is to be looked at.
            at = row
            for k in range(row + 1, end):
                at += mode_w[k] <= here
            best = worth(mode_value[at], kept, share, bonus) - price * here
            if here > mode_w[at]:
                best = worth_at(mode_start, mode_w, mode_value, mode_continuous, i, here, kept, share, bonus)
                best -= price * here
            for k in range(row, end):
                to_w = mode_w[k]
                loss = best - worth(mode_value[k], kept, share, bonus) + price * to_w
                if loss >= most_loss or abs(to_w - here) <= EPS_W:
                    continue
                if to_w < here or to_w - here <= room_between(parent, room_w, home[i], top):
                    count = offer(to_w - here, max(loss, 0.0), int(i), to_w, count, changes, change_device)
            continue
        best = worth_at(mode_start, mode_w, mode_value, mode_continuous, i, here, kept, share, bonus) - price * here
        while row + 1 < end and mode_w[row + 1] <= base + EPS_W:
            row += 1
        last = False
        while row < end and not last:
            to_w = mode_w[row]
            if to_w <= base:
                to_w = base
                gain = worth_at(mode_start, mode_w, mode_value, mode_continuous, i, base, kept, share, bonus)
            elif to_w > upper + EPS_W:
                if not mode_continuous[row] or upper <= max(mode_w[row - 1], base) + EPS_W:
                    break
                last = True
                to_w = upper
                gain = worth_at(mode_start, mode_w, mode_value, mode_continuous, i, upper, kept, share, bonus)
            else:
                gain = worth(mode_value[row], kept, share, bonus)
            row += 1
            loss = best - gain + price * to_w
            if loss >= most_loss or abs(to_w - here) <= EPS_W:
                continue
            if to_w < here or to_w - here <= room_between(parent, room_w, home[i], top):
                count = offer(to_w - here, max(loss, 0.0), int(i), to_w, count, changes, change_device)
    return count


@kernel(
    "Tuple((float64, float64, int64, uint64))(int32[::1], int64[::1], int32[::1], float64[::1], int64, float64, float64, float64,"
    " float64, int64[::1], float64[::1], float64[::1], boolean[::1], float64[::1], float64[::1], float64, float64[::1],"
    " float64[::1], float64[::1], float64[:, ::1], int64[::1], int64[:, ::1], float64[:, :, :, ::1], uint64[:, :, ::1])",
)
def cheapest_changes(
    devices: I32,
    parent: I64,
    home: I32,
    room_w: F64,
    top: int,
    price: float,
    own_price: float,
    rest_w: float,
    slack: float,
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
    groups: I64,
    lists: F64,
    masks: U64,
) -> tuple[float, float, int, np.uint64]:
    """Offer changes of `devices`; return what the cheapest set loses, a proven least loss, how many there are, the set.

    As `offer_changes` and `cheapest`, with no more changes than it takes to prove the set. `price` and `own_price` are of a
    watt below the node, and of its own limit, of which `rest_w` is unused.
    """
    change, change_loss = changes[0], changes[1]
    share = 1.0 if devices.size <= FEW else FIRST_SHARE
    lost = own_price * rest_w
    least = 0.0
    while True:
        most_loss = min(share * own_price * rest_w, SURELY * lost)
        changed = offer_changes(
            devices, parent, home, room_w, top, price, most_loss, mode_start, mode_w, mode_value, mode_continuous,
            start_share, kept_value, bonus, base_w, upper_w, watts, changes, change_device,
        )  # fmt: skip
        lost, proven, chosen = cheapest(
            rest_w, own_price, changed, change, change_loss, change_device, slack, least, groups, lists, masks
        )
        full = changed == change.size
        if full:
            most_loss = change_loss[changed - 1]
        if full or lost <= most_loss + slack or share >= 1.0:
            return lost, min(proven, most_loss), changed, chosen
        least = most_loss
        share *= WIDER


@kernel(
    "UniTuple(float64, 2)(int64, float64, int64[::1], int32[::1], int64[::1], float64[::1], float64[::1], boolean[::1],"
    " float64[::1], float64[::1], float64, float64[::1], float64[::1])",
)
def change_to(
    device: int,
    to_w: float,
    parent: I64,
    home: I32,
    mode_start: I64,
    mode_w: F64,
    mode_value: F64,
    mode_continuous: Bool,
    start_share: F64,
    kept_value: F64,
    bonus: float,
    watts: F64,
    room_w: F64,
) -> tuple[float, float]:
    """Set `device` to `to_w` in `watts` (D,) and `room_w` (N,); return how much worth and value that adds."""
    share, kept, here = start_share[device], kept_value[device], watts[device]
    worth_added = worth_at(mode_start, mode_w, mode_value, mode_continuous, device, to_w, kept, share, bonus)
    worth_added -= worth_at(mode_start, mode_w, mode_value, mode_continuous, device, here, kept, share, bonus)
    value_added = value_at(mode_start, mode_w, mode_value, mode_continuous, device, to_w)
    value_added -= value_at(mode_start, mode_w, mode_value, mode_continuous, device, here)
    watts[device] = to_w
    n = int(home[device])
    while n >= 0:
        room_w[n] -= to_w - here
        n = parent[n]
    return worth_added, value_added
