"""The linear program of a site: what is asked of it, one kernel a question."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from controller.core.kernels import inlined, kernel
from controller.core.kernels.columns import U64, Branches, Choices, Closings, Draft, I32x2, MeritOrder, at
from controller.core.kernels.crossing import (
    BASES,
    END,
    LENGTH,
    LIST,
    ROOM,
    BareBranches,
    BareSolution,
    Edges,
    named,
    order_of,
)
from controller.core.kernels.greedy import Ahead, admit, branch_of, cut, quick, release
from controller.core.kernels.hull import Corners, hulls
from controller.core.kernels.sorting import replace_items, sort_items
from controller.core.kernels.stock import base_rooms, copy, least_of, relax
from controller.core.site import F64, I64


class Sorting(NamedTuple):
    """Workspace: the `tally` of a sort (PASSES, 1 << DIGIT), and the items of one device (ROWS + 1,)."""

    tally: I32x2
    new_items: U64


class Desk(NamedTuple):
    """The workspaces."""

    ahead: Ahead
    corners: Corners
    sorting: Sorting


BareDesk = Annotated[tuple[Any, ...], Desk]


@inlined
def _admit_all(
    choices: Choices, edges: Edges, closings: Closings, level: Draft, branches: Branches, ahead: Ahead
) -> None:
    """Admit all edges, in their order, from the bases up."""
    edges.place[END] = edges.place[LENGTH]
    edges.site_w[ROOM] = level.room_w[0]
    copy(choices.base_w, level.watts)
    order = order_of(edges)
    admit(branches, 0, choices, order, level, closings, ahead)
    edges.place[END] = cut(choices, order, level.watts)


@kernel
def solve(
    solution: BareSolution,
    branches: BareBranches,
    desk: BareDesk,
    base_w: F64,
    upper_w: F64,
    held_w: F64,
    stuck_w: F64,
    by_value: I64,
) -> int:
    """Solve with all data new, see `Allocator.solve`; return how many bases did not fit and were given up.

    `by_value`: the devices (D,), the most valuable first; with fewer of them nothing is solved where the bases do not fit,
    and -1 returned.
    """
    choices, edges, closings, level = named(solution)
    ahead, corners, sorting = desk
    branches = Branches(*branches)
    copy(base_w, choices.base_w)
    copy(upper_w, choices.upper_w)
    edges.site_w[BASES] = base_rooms(branches, 0, choices.base_w, level.room_w)
    released = 0
    if least_of(level.room_w) < 0.0:
        if by_value.size < base_w.size:
            return -1
        released = release(branches, by_value, stuck_w, choices.base_w, level.room_w)
        edges.site_w[BASES] = base_rooms(branches, 0, choices.base_w, level.room_w)
        relax(branches, 0, level.room_w)
    length = hulls(choices, held_w, 0, held_w.size, order_of(edges), Corners(*corners))
    items, spare = edges.lists[edges.place[LIST]], edges.lists[1 - edges.place[LIST]]
    if sort_items(items, spare, length, edges.low_bits, sorting[0]):
        edges.place[LIST] = 1 - edges.place[LIST]
    edges.place[LENGTH] = length
    _admit_all(choices, edges, closings, level, branches, Ahead(*ahead))
    return released


@kernel
def other_limits(solution: BareSolution, branches: BareBranches, desk: BareDesk) -> bool:
    """Solve with other limits, as they were asked, and all else as in the last `solve`, whose order stands; return whether the bases fit.

    Where they do not, nothing is solved.
    """
    choices, edges, closings, level = named(solution)
    branches = Branches(*branches)
    edges.site_w[BASES] = base_rooms(branches, 0, choices.base_w, level.room_w)
    if least_of(level.room_w) < 0.0:
        return False
    _admit_all(choices, edges, closings, level, branches, Ahead(*desk[0]))
    return True


@inlined
def _limit_site(branches: Branches, limit_w: float, site_w: F64) -> None:
    """Take another limit of the site, which may have had none: what is left of it is worked out anew."""
    branches.asked_w[0] = limit_w
    branches.limit_w[0] = max(limit_w, site_w[BASES])
    site_w[ROOM] = branches.limit_w[0] - site_w[BASES]


@kernel
def site_limit(solution: BareSolution, branches: BareBranches, limit_w: float, watts: F64) -> None:
    """Write into `watts` (D,) what is whole at another limit of the site, and what still fits beside it."""
    choices, edges, closings, level = named(solution)
    _limit_site(Branches(*branches), limit_w, edges.site_w)
    edges.place[END] = quick(choices, order_of(edges), closings, level.watts, watts)


@kernel
def node_limit(solution: BareSolution, branches: BareBranches, desk: BareDesk, node: int, watts: F64) -> None:
    """Decide the branch of one of the site's nodes anew, from the bases of its devices up, as `site_limit`."""
    choices, edges, closings, level = named(solution)
    branches, order = Branches(*branches), order_of(edges)
    member, base_w, branch = branches.member, choices.base_w, branch_of(branches.parent, node)
    for k in range(branches.member_start[at(branch)], branches.member_start[at(branch + branches.size[at(branch)])]):
        level.watts[at(member[at(k)])] = base_w[at(member[at(k)])]
    base_rooms(branches, branch, base_w, level.room_w)
    relax(branches, branch, level.room_w)
    admit(branches, branch, choices, order, level, closings, Ahead(*desk[0]))
    edges.place[END] = quick(choices, order, closings, level.watts, watts)


@kernel
def device_limits(
    solution: BareSolution,
    branches: BareBranches,
    desk: BareDesk,
    device: int,
    base_w: float,
    upper_w: float,
    held_w: float,
) -> None:
    """Take other limits of one device, and its edges into the order; its branch is then to be decided anew."""
    choices, edges, closings, level = named(solution)
    _, corners, sorting = desk
    order, new = order_of(edges), sorting[1]
    edges.site_w[BASES] += base_w - choices.base_w[at(device)]
    branches = Branches(*branches)
    _limit_site(branches, branches.asked_w[0], edges.site_w)
    choices.base_w[at(device)] = base_w
    choices.upper_w[at(device)] = upper_w
    # What the device stands at is worked out with its branch.
    level.watts[at(device)] = held_w
    its_own = MeritOrder(
        new, order.climb, order.from_w, order.sum_w, 0, 0, order.room_w, order.low_bits, order.rank_bits
    )
    found = hulls(choices, level.watts, device, device + 1, its_own, Corners(*corners))
    length, end = replace_items(order, device, new, found, closings.closed_at)
    edges.place[LENGTH] = length
    edges.place[END] = end
