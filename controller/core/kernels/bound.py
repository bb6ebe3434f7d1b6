"""What no allocation can be worth more than: from what was left unused, and from the prices of the limits."""

from __future__ import annotations

from controller.core.kernels import kernel
from controller.core.kernels.hull import CLIPPED, I32, ROWS, U8, U64, row_at, worth, worth_at
from controller.core.kernels.moves import price_at
from controller.core.site import F64, I64, Bool


@kernel(
    "UniTuple(float64, 2)(int64[::1], uint64[::1], int64, int64, int64[::1], int64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[::1], float64[::1])",
)
def unused_worth(
    parent: I64,
    items: U64,
    count: int,
    low_bits: int,
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
            parts += cut_w[n] * price_at(items, count, low_bits, reclosed_at[n])
        if price_above[n] >= 0.0:
            now = price_at(items, count, low_bits, reclosed_at[parent[n]])
            fixed += unproven[n] + max(
                (price_above[n] - now) * room_w[n], (now - price_above[n]) * (rest_w[n] - room_w[n]), 0.0
            )
    return parts, fixed


@kernel("void(uint64[::1], int64, int64, int64[::1], float64[::1])")
def prices(items: U64, count: int, low_bits: int, closed_at: I64, node_price: F64) -> None:
    """Write into `node_price` (N,) the price of a watt below each node."""
    for n in range(closed_at.size):
        node_price[n] = price_at(items, count, low_bits, closed_at[n])


@kernel(
    "float64(int64[::1], int64[::1], int32[::1], int64[::1], float64[::1], float64[::1], boolean[::1],"
    " float64[::1], float64[::1], float64, float64[::1], float64[::1], uint8[::1], float64[::1], float64[::1], float64[::1],"
    " float64[::1], float64[::1])",
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
            kept, share = kept_value[i], start_share[i]
            if fixed:
                total -= price * watts[i]
                total += worth_at(mode_start, mode_w, mode_value, mode_continuous, i, watts[i], kept, share, bonus)
                continue
            row = row_at(mode_start, mode_w, i, base_w[i])
            leads = int(climb[row])
            gain = worth_at(mode_start, mode_w, mode_value, mode_continuous, i, base_w[i], kept, share, bonus)
            gain -= price * base_w[i]
            while leads & ROWS:
                row += leads & ROWS
                if leads & CLIPPED:
                    to_w = upper_w[i]
                    more = worth_at(mode_start, mode_w, mode_value, mode_continuous, i, to_w, kept, share, bonus)
                else:
                    to_w = mode_w[row]
                    more = worth(mode_value[row], kept, share, bonus)
                if more - price * to_w < gain:
                    break
                gain = more - price * to_w
                leads = 0 if leads & CLIPPED else int(climb[row])
            total += gain
    return total
