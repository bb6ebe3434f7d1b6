"""The merit order goes on where the fixed leaves left room."""

from __future__ import annotations

from controller.core.kernels import kernel
from controller.core.kernels.greedy import OPEN, edge_of, tightest
from controller.core.kernels.hull import EPS_W, I32, ROWS, U8, U64, device_of
from controller.core.kernels.moves import change_to
from controller.core.site import F64, I64, Bool


@kernel(
    "UniTuple(float64, 2)(int64[::1], int64[::1], int64[::1], int32[::1], int64[::1], float64[::1], float64[::1],"
    " boolean[::1], float64[::1], float64[::1], float64, float64[::1], float64[::1], uint8[::1], uint64[::1], int64, int64,"
    " int64, int64[::1], float64[::1], float64[::1], float64[::1], int64[::1], int64[::1], float64[::1])",
)
def top_up(
    parent: I64,
    size: I64,
    member_start: I64,
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
    closed_at: I64,
    price_above: F64,
    room_w: F64,
    watts: F64,
    reclosed_at: I64,
    cut_device: I64,
    cut_w: F64,
) -> tuple[float, float]:
    """Let the merit order go on below the nodes that were closed for their sake of what fixed leaves left unused.

    As `admit`, with the site as one node of the tree. `closed_at` (N,) says where each node was closed, `reclosed_at`
    (N,) takes where it is closed now; the leaves that have a `price_above` are fixed. Return worth and value added.
    """
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
        i = device_of(items[p], low_bits, rank_bits)
        leaf = int(home[i])
        if reclosed_at[leaf] != OPEN or p < closed_at[leaf]:
            continue
        row, _, to_w = edge_of(items[p], rank_bits, i, mode_start, mode_w, base_w, upper_w, climb)
        step = to_w - watts[i]
        stop, least = tightest(parent, room_w, leaf, 0)
        if step > least + EPS_W:
            step = max(least, 0.0)
            for m in range(stop, stop + size[stop]):
                if reclosed_at[m] == OPEN:
                    reclosed_at[m] = p
                    live -= member_start[m] < member_start[m + 1] and closed_at[m] < count
            if climb[row] & ROWS == 1 and mode_continuous[row + 1]:
                to_w = watts[i] + step
            else:
                cut_device[stop] = i
                cut_w[stop] = step
                n = leaf
                while n >= 0:
                    room_w[n] -= step
                    n = parent[n]
                continue
        more_worth, more_value = change_to(
            i, to_w, parent, home, mode_start, mode_w, mode_value, mode_continuous, start_share, kept_value, bonus,
            watts, room_w,
        )  # fmt: skip
        worth_added += more_worth
        value_added += more_value
    # The parts are not taken: they only kept the order from going on.
    for n in range(parent.size):
        if cut_device[n] >= 0:
            m = int(home[cut_device[n]])
            while m >= 0:
                room_w[m] += cut_w[n]
                m = parent[m]
    return worth_added, value_added
