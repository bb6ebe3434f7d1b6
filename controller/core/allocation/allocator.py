"""The allocator: which device draws how much, so that the site earns the most inside every limit, and the proof of it.

Every answer comes with an upper bound on what any allocation could be worth, so its gap is known in every tick. A solution
whose gap is not good yet is improved in rounds. All memory is taken when the allocator is made. Kernels get their columns as
one unpacked tuple: mypy does not follow more than one unpacking in a call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.core.kernels.bound import dual_bound, prices, unused_worth
from controller.core.kernels.exact import MERGED, STATES, best_modes
from controller.core.kernels.greedy import AHEAD, OPEN, admit, cut, fill_site, program_rest, release
from controller.core.kernels.hull import ROWS, U8, U64, hulls
from controller.core.kernels.leaves import fill_leaves
from controller.core.kernels.nodes import fill_nodes
from controller.core.kernels.search import CHANGES, SETS
from controller.core.kernels.sorting import DIGIT, PASSES, replace_items, sort_items
from controller.core.kernels.stock import earnings, rooms, usable
from controller.core.kernels.topup import top_up
from controller.core.site import F64, I64, Bool, Devices, Tree

#: What runs already is worth this share more, so that near-equal devices do not swap.
HELD_BONUS: Final = 0.05
#: Seconds over which a start has to pay: a device that needs `up_s` to start earns that much less of it.
START_HORIZON_S: Final = 300.0
#: A certified gap up to this share is good. Else the prices that leaves are filled at are improved, in so many rounds.
GOOD_GAP: Final = 1e-5
ROUNDS: Final = 6
#: A gap up to this share is fair: another round is worth its time only if the last one left no more than this of the gap.
FAIR_GAP: Final = 5e-4
GOOD_ROUND: Final = 0.5
#: What an upper node wastes is not worth a longer search below this share of what it wasted before.
LEAST_WASTE: Final = 1e-2
#: Sites of no more devices have the time to try all modes that could be the best, in windows of these shares of what is
#: lost against the linear program.
SMALL: Final = 128
WINDOWS: Final = (1 / 32, 1 / 8, 1 / 2, 1.0)


#: Mode table (start, watts, value, continuous), then per device share of a start and value of what runs, then the bonus.
_Modes = tuple[I64, F64, F64, Bool, F64, F64, float]
#: Mode table (start, watts, continuous), per device base and upper watts, per row what its edge leads to, then the order:
#: items, how many, and what their bits are.
_Edges = tuple[I64, F64, Bool, F64, F64, U8, U64, int, int, int]


class BadSite(ValueError):
    """The tree or the devices cannot be right; the message names the node or the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotment:
    """Watts of each device (D,), overwritten by the next call, and what they are worth per hour.

    `value_per_h` is what they earn. `worth_per_h` counts the bonus of what runs already and the cost of starts too: it is
    what is maximised. No allocation is worth more than `bound_per_h`; `program_per_h` is the bound with every mode
    divisible, the optimum of the linear program. `released`: devices whose lower limit did not fit and was given up.
    """

    watts: F64
    value_per_h: float
    worth_per_h: float
    bound_per_h: float
    program_per_h: float
    released: int


class Allocator:
    """The allocator of one site, made by `make_allocator`."""

    def __init__(self, tree: Tree, devices: Devices, rounds: int) -> None:
        self._rounds = rounds
        nodes, count, rows = len(tree.ids), len(devices.ids), devices.mode_w.size
        self._node_ids, self._devices, self._mode_value = tree.ids, devices, devices.mode_value
        self._preorder = _preorder(tree.parent)
        self._place = np.empty(nodes, dtype=np.int64)
        self._place[self._preorder] = np.arange(nodes)
        self._parent = np.append(-1, self._place[tree.parent[self._preorder[1:]]]).astype(np.int64)
        self._size = _sizes(self._parent)
        self._home = self._place[devices.node].astype(np.int32)
        self._member = np.argsort(self._home, kind="stable").astype(np.int32)
        self._member_start = np.searchsorted(self._home[self._member], np.arange(nodes + 1)).astype(np.int64)
        self._start_share = start_share(devices)
        self._divisible = np.zeros(nodes, dtype=np.bool_)
        self._divisible[self._home[_owners(devices)[devices.mode_continuous]]] = True
        self._rank_bits = int(np.diff(devices.mode_start).max(initial=1)).bit_length()
        self._low_bits = max(20, count.bit_length()) + self._rank_bits

        # The order is sorted by way of a second list; its sums are known only when that is done.
        self._lists_of_items = np.zeros((2, rows - count), dtype=np.uint64)
        self._keep_order(in_spare=False)
        self._from_w = np.zeros(rows - count)
        self._climb = np.zeros(rows, dtype=np.uint8)
        self._kept_value, self._base_w, self._upper_w = np.zeros(count), np.zeros(count), np.zeros(count)
        self._level_w, self._try_w, self._watts = np.zeros(count), np.zeros(count), np.zeros(count)
        self._limit_w, self._room_w, self._level_room_w, self._cut_w, self._recut_w = np.zeros((5, nodes))
        self._price_above, self._rest_w, self._unproven = np.zeros((3, nodes))
        self._first_price, self._node_price, self._next_price = np.zeros((3, nodes))
        self._now_at, self._next_at, self._cut_device, self._recut_device = np.zeros((4, nodes), dtype=np.int64)
        # Where each node was closed, and behind them all where the order ends.
        self._positions = np.zeros(nodes + 1, dtype=np.int64)
        self._closed_at = self._positions[:-1]
        self._tally = np.zeros((PASSES, 1 << DIGIT), dtype=np.int32)
        self._ahead_w, self._ahead = np.zeros((2, AHEAD)), np.zeros((4, AHEAD), dtype=np.int64)
        self._corner, self._corners = np.zeros(ROWS + 1, dtype=np.int64), np.zeros((2, ROWS + 1))
        self._new_items = np.zeros(ROWS + 1, dtype=np.uint64)
        self._changes, self._change_device = np.zeros((3, CHANGES)), np.zeros(CHANGES, dtype=np.int64)
        self._groups = np.zeros((3, CHANGES), dtype=np.int64)
        self._near = np.zeros(2 * CHANGES, dtype=np.int32)
        self._lists, self._masks = np.zeros((2, 3, 2, SETS + 1)), np.zeros((2, 3, SETS + 1), dtype=np.uint64)
        if count <= SMALL:
            self._states = (
                np.zeros((2, nodes), dtype=np.int64), np.zeros((2, STATES)), np.zeros((2, STATES), dtype=np.int32),
                np.zeros((2, MERGED)), np.zeros((2, MERGED), dtype=np.int32), np.zeros((2, MERGED), dtype=np.uint64),
            )  # fmt: skip
        self._count = self._end = self._released = 0
        self._site_room_w = 0.0

    def solve(
        self,
        *,
        limit_w: F64,
        base_w: F64,
        upper_w: F64,
        held_w: F64,
        stuck_w: F64 | None = None,
        mode_value: F64 | None = None,
    ) -> Allotment:
        """Decide with all data new.

        `limit_w` (N,): watts that the devices below each node may draw. `base_w`, `upper_w` (D,): between these each device
        is kept (minimum times, protection); a base above the upper limit stays. Where bases do not fit, the least valuable devices are
        released to `stuck_w` (D,; off where None). `held_w` (D,): what they run at now. `mode_value` (M,): from now on.
        """
        self._check(limit_w, base_w, upper_w, held_w)
        if mode_value is not None:
            self._mode_value = mode_value
        np.take(limit_w, self._preorder, out=self._limit_w)
        self._base_w[:] = base_w
        self._upper_w[:] = upper_w
        self._rooms(0, self._base_w, self._room_w)
        self._released = 0
        if np.min(self._room_w) < 0.0:
            least_w = self._devices.off_w if stuck_w is None else stuck_w
            self._released = release(self._parent, self._home, self._by_value(), least_w, self._base_w, self._room_w)
        self._count = self._hulls(held_w, 0, self._base_w.size, self._items)
        self._keep_order(
            in_spare=sort_items(self._items, self._spare, self._count, self._low_bits, self._tally) != self._swapped
        )
        self._level_w[:] = self._base_w
        self._site_room_w = float(self._room_w[0])
        self._end = self._count
        self._admit(0)
        self._cut()
        return self.refined()

    def site_limit(self, limit_w: float) -> F64:
        """Return the watts (D,) at another limit of the site: best whole modes but for the leaves' rests (`refined`)."""
        self._site_room_w += limit_w - self._limit_w[0]
        self._limit_w[0] = limit_w
        self._cut()
        return self._quick()

    def node_limit(self, node: int, limit_w: float) -> F64:
        """Return the watts (D,) at another limit of one node, as `site_limit`; only its branch of the tree is decided."""
        if node == 0:
            return self.site_limit(limit_w)
        place = int(self._place[node])
        self._limit_w[place] = limit_w
        self._readmit(place)
        return self._quick()

    def device(self, device: int, *, base_w: float, upper_w: float, held_w: float) -> F64:
        """Return the watts (D,) with other limits of one device, as `node_limit`. A base that does not fit is kept."""
        self._site_room_w += float(self._base_w[device]) - base_w
        self._base_w[device], self._upper_w[device] = base_w, upper_w
        held = self._try_w
        held[device] = held_w
        count = self._hulls(held, device, device + 1, self._new_items)
        self._positions[-1] = self._end
        self._count = replace_items(
            self._items, self._from_w, self._sum_w, self._count, self._low_bits, self._rank_bits, device,
            self._new_items, count, self._positions,
        )  # fmt: skip
        self._end = int(self._positions[-1])
        self._readmit(int(self._home[device]))
        return self._quick()

    def refined(self) -> Allotment:
        """Return the best whole modes for the limits as they are, with the bound."""
        order = self._order()
        self._rooms(0, self._level_w, self._level_room_w)
        level = self._earnings(self._level_w)
        program = level[0] + program_rest(
            *(*order, self._sum_w, self._closed_at, self._cut_device, self._cut_w, self._end, self._site_room_w)
        )
        self._close()
        prices(*(*order, self._now_at, self._node_price))
        self._first_price[:] = self._node_price
        bound, worth, value, gap = program, -np.inf, 0.0, np.inf
        for _ in range(self._rounds):
            new_worth, new_value, new_bound = self._round(*level)
            bound = min(bound, new_bound)
            if new_worth > worth:
                worth, value = new_worth, new_value
                self._watts[:] = self._try_w
            last_gap, gap = gap, bound - worth
            if gap <= GOOD_GAP * abs(bound) or GOOD_ROUND * last_gap < gap <= FAIR_GAP * abs(bound):
                break
            # Leaves filled at too high a price leave room above, at too low a one they leave none: go between.
            prices(*(*order, self._now_at, self._next_price))
            self._node_price += self._next_price
            self._node_price *= 0.5
        if bound - worth > GOOD_GAP * abs(bound) and self._base_w.size <= SMALL:
            worth, value, bound = self._try_all(program, worth, value, bound)
        return Allotment(
            watts=self._watts,
            value_per_h=value,
            worth_per_h=worth,
            bound_per_h=max(bound, worth),
            program_per_h=program,
            released=self._released,
        )

    def _try_all(self, program: float, worth: float, value: float, bound: float) -> tuple[float, float, float]:
        """Return worth, value and bound of the best modes of a small site, in `_watts`; as given if none are better."""
        most_loss = program - worth
        for share in WINDOWS:
            loss = best_modes(*(
                self._parent, self._member_start, self._member, *self._modes(), self._base_w, self._upper_w,
                self._limit_w, self._first_price, share * most_loss, most_loss, self._try_w, *self._states, self._tally,
            ))  # fmt: skip
            if loss < 0.0:
                break
            if loss < np.inf:
                new_worth, new_value = self._earnings(self._try_w)
                if new_worth > worth:
                    worth, value = new_worth, new_value
                    self._watts[:] = self._try_w
                whole = not self._divisible.any()
                return worth, value, min(bound, worth) if whole else bound
        return worth, value, bound

    def _round(self, worth: float, value: float) -> tuple[float, float, float]:
        """Fill the tree, its leaves at the prices `_node_price`, in `_try_w`; return worth, value and bound.

        `worth`, `value`: of what is whole at the end of the order, `_level_w`.
        """
        parent, watts, room_w, members = self._parent, self._try_w, self._room_w, (self._size, self._member_start)
        modes, limits, order, work = self._modes(), (self._base_w, self._upper_w), self._order(), self._work()
        ranked = (*order, self._rank_bits)
        watts[:] = self._level_w
        room_w[:] = self._level_room_w
        self._close()
        self._price_above[:] = -1.0
        cuts = (self._cut_device, self._cut_w)
        first = True
        while True:
            filled, more_worth, more_value = fill_leaves(*(
                parent, *members, self._member, self._home, self._divisible, *modes, *limits, *order, self._now_at,
                self._node_price, *cuts, watts, room_w, self._price_above, self._rest_w, self._unproven, *work,
            ))  # fmt: skip
            worth, value = worth + more_worth, value + more_value
            if filled == 0 and not first:
                break
            first = False
            cuts = (self._recut_device, self._recut_w)
            more_worth, more_value = top_up(*(
                parent, *members, self._home, *modes, *limits, self._climb, *ranked, self._now_at, self._price_above,
                room_w, watts, self._next_at, *cuts))  # fmt: skip
            worth, value = worth + more_worth, value + more_value
            self._now_at, self._next_at = self._next_at, self._now_at
        parts, lost = unused_worth(
            *(parent, *order, self._now_at, *cuts, room_w, self._price_above, self._rest_w, self._unproven)
        )
        bound = worth + parts + lost
        good = GOOD_GAP * abs(bound)
        if lost > 0.1 * good:
            dual = dual_bound(*(
                parent, self._member_start, self._member, *modes, *limits, self._climb, watts, self._limit_w,
                self._node_price, self._price_above, self._unproven))  # fmt: skip
            bound = min(bound, dual)
        if bound - worth > good:
            enough = max(LEAST_WASTE, min(0.5 * good / parts, 1.0)) if parts > 0.0 else LEAST_WASTE
            more_worth, more_value = fill_nodes(*(
                parent, *members, self._member, self._home, *modes, *limits, self._climb, *ranked, self._now_at, self._price_above,
                cuts[0], room_w, watts, *work[:2], self._near, enough, *work[2:]))  # fmt: skip
            worth, value = worth + more_worth, value + more_value
        return worth, value, bound

    def _modes(self) -> _Modes:
        devices = self._devices
        return (
            devices.mode_start, devices.mode_w, self._mode_value, devices.mode_continuous, self._start_share,
            self._kept_value, HELD_BONUS,
        )  # fmt: skip

    def _order(self) -> tuple[U64, int, int]:
        return (self._items, self._count, self._low_bits)

    def _edges(self) -> _Edges:
        devices = self._devices
        return (
            devices.mode_start, devices.mode_w, devices.mode_continuous, self._base_w, self._upper_w, self._climb,
            *self._order(), self._rank_bits,
        )  # fmt: skip

    def _keep_order(self, *, in_spare: bool) -> None:
        """Let the items be in the first list or in the spare one; the other one holds their sums."""
        self._swapped = in_spare
        self._items, self._spare = self._lists_of_items[::-1] if in_spare else self._lists_of_items
        self._sum_w = self._spare.view(np.float64)

    def _work(self) -> tuple[F64, I64, I64, F64, U64]:
        return (self._changes, self._change_device, self._groups, self._lists, self._masks)

    def _earnings(self, watts: F64) -> tuple[float, float]:
        """Return worth and value of `watts`."""
        worth, value = earnings(*(*self._modes(), watts))
        return float(worth), float(value)

    def _hulls(self, held_w: F64, first: int, last: int, items: U64) -> int:
        devices = self._devices
        count = hulls(
            devices.mode_start, devices.mode_w, self._mode_value, devices.mode_continuous, self._start_share,
            self._base_w, self._upper_w, held_w, HELD_BONUS, first, last, self._kept_value, self._climb, items,
            self._low_bits, self._rank_bits, self._corner, self._corners,
        )  # fmt: skip
        return int(count)

    def _rooms(self, branch: int, watts: F64, room_w: F64) -> None:
        """Write into `room_w` what `watts` leaves of the limits of the node `branch` and of all below it."""
        last = branch + int(self._size[branch])
        rooms(self._parent, self._member_start, self._member, branch, last, self._limit_w, watts, room_w)

    def _admit(self, branch: int) -> None:
        """Admit all items below `branch`, whose devices are at their bases, and which has the room that these leave."""
        below = slice(branch, branch + int(self._size[branch]))
        self._closed_at[below] = OPEN
        self._cut_device[below] = -1
        admit(*(
            self._parent, self._size, branch, self._home, *self._edges(), self._room_w, self._end, self._level_w,
            self._from_w, self._sum_w, self._closed_at, self._cut_device, self._cut_w, self._ahead_w, self._ahead,
        ))  # fmt: skip

    def _branch(self, place: int) -> int:
        """Return the node right below the site that `place` belongs to; the site itself for the site."""
        while place > 0 and self._parent[place] > 0:
            place = int(self._parent[place])
        return place

    def _readmit(self, place: int) -> None:
        """Admit the branch of the tree that `place` belongs to once more; the others stay as admitted."""
        branch = self._branch(place)
        below = self._member[self._member_start[branch] : self._member_start[branch + self._size[branch]]]
        self._level_w[below] = self._base_w[below]
        self._rooms(branch, self._base_w, self._room_w)
        self._admit(branch)
        self._cut()

    def _cut(self) -> None:
        start, watts, _, *edges = self._edges()
        self._end = cut(*(start, watts, *edges, self._from_w, self._sum_w, self._level_w, self._end, self._site_room_w))

    def _quick(self) -> F64:
        self._watts[:] = self._level_w
        fill_site(*(
            *self._edges(), self._from_w, self._sum_w, self._closed_at, self._cut_device, self._cut_w, self._end,
            self._site_room_w, self._watts))  # fmt: skip
        return self._watts

    def _close(self) -> None:
        """Write into `_now_at` where the nodes are closed, the site's own limit included."""
        end = self._end if self._end < self._count else OPEN
        np.minimum(self._closed_at, end, out=self._now_at)

    def _by_value(self) -> I64:
        """Return the devices (D,), the one with the most value per watt first."""
        devices = self._devices
        first = devices.mode_start[:-1]
        step_w = devices.mode_w - np.repeat(devices.mode_w[first], np.diff(devices.mode_start))
        gain = self._mode_value - np.repeat(self._mode_value[first], np.diff(devices.mode_start))
        density = np.divide(gain, step_w, out=np.full_like(gain, -np.inf), where=step_w > 0.0)
        return np.argsort(-np.maximum.reduceat(density, first), kind="stable")

    def _check(self, limit_w: F64, *device_w: F64) -> None:
        if limit_w.shape != self._limit_w.shape or any(column.shape != self._base_w.shape for column in device_w):
            raise BadSite("the limits are not one a node, or the watts not one a device")
        if np.isnan(limit_w.sum()) and np.isnan(limit_w).any():
            raise BadSite(f"the limit of node {self._node_ids[int(np.flatnonzero(np.isnan(limit_w))[0])]} is no number")
        for column in device_w:
            if not usable(column):
                bad = np.flatnonzero(~np.isfinite(column) | (column < 0.0))[0]
                raise BadSite(f"device {self._devices.ids[bad]} is given {column[bad]} W")


def start_share(devices: Devices) -> F64:
    """Return the share (D,) of what a device earns that the time of a start leaves of it."""
    share: F64 = np.clip(1.0 - devices.up_s / START_HORIZON_S, 0.0, 1.0)
    return share


def make_allocator(tree: Tree, devices: Devices, *, rounds: int = ROUNDS) -> Allocator:
    """Return the allocator of a site; raise BadSite, which names what is wrong, where the site cannot be right.

    `rounds`: how often at most the answer is improved; each costs as much as a solve, or several where nodes are small.
    """
    _check_tree(tree)
    _check_devices(tree, devices)
    return Allocator(tree, devices, rounds)


def _check_tree(tree: Tree) -> None:
    _check_unique("node", tree.ids)
    if not tree.ids or tree.parent.shape != (len(tree.ids),) or tree.limit_w.shape != tree.parent.shape:
        raise BadSite("the tree needs one parent and one limit a node, and a node at least")
    for n, name in enumerate(tree.ids):
        parent = int(tree.parent[n])
        if n == 0 and parent != -1:
            raise BadSite(f"node {name}: the first node is the site and has no parent")
        if n > 0 and not 0 <= parent < n:
            raise BadSite(f"node {name}: its parent does not stand before it (a cycle, or a wrong order)")
        if not tree.limit_w[n] >= 0.0:
            raise BadSite(f"node {name}: its limit is {tree.limit_w[n]} W")


def _check_devices(tree: Tree, devices: Devices) -> None:
    _check_unique("device", devices.ids)
    count, rows = len(devices.ids), devices.mode_w.size
    start = devices.mode_start
    if start.shape != (count + 1,) or start[0] != 0 or start[-1] != rows or devices.node.shape != (count,):
        raise BadSite("the devices need a node each, and modes from the first row to the last")
    first = np.zeros(rows, dtype=np.bool_)
    modes = np.diff(start)
    owner = _owners(devices)
    _blame(devices, modes < 1, "has no modes")
    _blame(devices, modes > ROWS, f"has more than {ROWS} modes")
    _blame(devices, (devices.node < 0) | (devices.node >= len(tree.ids)), "is at no node of the tree")
    first[start[:-1]] = True
    rises = np.append(True, np.diff(devices.mode_w) > 0.0) | first
    _blame(devices, ~(np.isfinite(devices.mode_w) & (devices.mode_w >= 0.0)), "has watts below 0 or no number", owner)
    _blame(devices, ~np.isfinite(devices.mode_value), "has a value that is no number", owner)
    _blame(devices, ~rises, "has modes that do not ascend in watts", owner)
    _blame(devices, first & devices.mode_continuous, "is continuous below its first mode", owner)
    _blame(devices, ~np.isfinite(devices.up_s), "has a start time that is no number")


def _owners(devices: Devices) -> I64:
    """Return the device of each mode row (M,)."""
    return np.repeat(np.arange(len(devices.ids)), np.diff(devices.mode_start))


def _check_unique(what: str, ids: tuple[str, ...]) -> None:
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        twice = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise BadSite(f"{what} {twice} is there twice")


def _blame(devices: Devices, bad: Bool, why: str, owner: I64 | None = None) -> None:
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        raise BadSite(f"device {devices.ids[k if owner is None else owner[k]]} {why}")


def _preorder(parent: I64) -> I64:
    below: list[list[int]] = [[] for _ in parent]
    for n in range(1, len(parent)):
        below[parent[n]].append(n)
    order, waiting = [], [0]
    while waiting:
        n = waiting.pop()
        order.append(n)
        waiting.extend(reversed(below[n]))
    return np.array(order, dtype=np.int64)


def _sizes(parent: I64) -> I64:
    size = np.ones(len(parent), dtype=np.int64)
    for n in range(len(parent) - 1, 0, -1):
        size[parent[n]] += size[n]
    return size
