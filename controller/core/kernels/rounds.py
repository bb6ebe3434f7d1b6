"""Whole modes from the solution of the linear program, in rounds, and the proof of how good they are.

Each round fills the closed leaves at other prices, lets the merit order go on, and fills what the upper nodes leave.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np

from controller.core.kernels import inlined, kernel
from controller.core.kernels.bound import dual_bound, prices, unused_worth
from controller.core.kernels.columns import (
    OPEN,
    Branches,
    ChangeSets,
    Choices,
    Closings,
    Draft,
    FixedLeaves,
    MeritOrder,
)
from controller.core.kernels.crossing import BareBranches, BareSolution, named, order_of
from controller.core.kernels.greedy import program_rest
from controller.core.kernels.leaves import fill_leaves
from controller.core.kernels.nodes import fill_nodes
from controller.core.kernels.stock import copy, earnings, rooms
from controller.core.kernels.topup import top_up
from controller.core.site import F64, I64

#: A certified gap up to this share is good. Else the prices that leaves are filled at are improved, in another round.
GOOD_GAP = 1e-5
#: A gap up to this share is fair: another round is worth its time only if the last one left no more than this of the gap.
FAIR_GAP = 5e-4
GOOD_ROUND = 0.5
#: What an upper node wastes is not worth a longer search below this share of what it wasted before.
LEAST_WASTE = 1e-2


class Rounds(NamedTuple):
    """Workspace: the `watts` (D,) of a round and the room that they leave (N,), the `best_w` (D,) of all rounds.

    Per node (N,): the prices of the linear program, of this round and of the next; where the linear program closed it,
    where it is closed now and with which edge cut, and where it was; the columns of `FixedLeaves`. There are `most` rounds
    at most.
    """

    watts: F64
    room_w: F64
    best_w: F64
    program_price: F64
    node_price: F64
    next_price: F64
    program_closed_at: I64
    closed_at: I64
    reclosed_at: I64
    cut_device: I64
    cut_w: F64
    price_above: F64
    rest_w: F64
    unproven: F64
    most: int


BareRounds = Annotated[tuple[Any, ...], Rounds]
BareSets = Annotated[tuple[Any, ...], ChangeSets]


@inlined
def _round(
    branches: Branches,
    choices: Choices,
    order: MeritOrder,
    closings: Closings,
    level: Draft,
    rounds: Rounds,
    sets: ChangeSets,
    earned: tuple[float, float],
) -> tuple[float, float, float]:
    """Fill the tree, its leaves at the `node_price` of the rounds, in `watts`; return worth, value and bound.

    `level` is what is whole at the end of the order, `earned` its worth and value. The next prices are worked out too.
    """
    draft = Draft(rounds.watts, rounds.room_w)
    fixed = FixedLeaves(rounds.price_above, rounds.rest_w, rounds.unproven)
    now = Closings(rounds.closed_at, rounds.cut_device, rounds.cut_w)
    last = Closings(rounds.reclosed_at, rounds.cut_device, rounds.cut_w)
    worth, value = earned
    copy(level.watts, draft.watts)
    copy(level.room_w, draft.room_w)
    fixed.price_above[:] = -1.0
    first = Closings(rounds.program_closed_at, closings.cut_device, closings.cut_w)
    _, more_worth, more_value = fill_leaves(branches, choices, order, first, rounds.node_price, draft, fixed, sets)
    worth, value = worth + more_worth, value + more_value
    more_worth, more_value = top_up(branches, choices, order, first.closed_at, fixed, draft, now)
    worth, value = worth + more_worth, value + more_value
    while True:
        filled, more_worth, more_value = fill_leaves(
            branches, choices, order, now, rounds.node_price, draft, fixed, sets
        )
        worth, value = worth + more_worth, value + more_value
        if filled == 0:
            break
        now, last = last, now
        more_worth, more_value = top_up(branches, choices, order, last.closed_at, fixed, draft, now)
        worth, value = worth + more_worth, value + more_value
    parts, lost = unused_worth(branches.parent, order, now, fixed, draft.room_w)
    bound = worth + parts + lost
    good = GOOD_GAP * abs(bound)
    if lost > 0.1 * good:
        bound = min(bound, dual_bound(branches, choices, order, fixed, rounds.node_price, draft.watts))
    if bound - worth > good:
        enough = max(LEAST_WASTE, min(0.5 * good / parts, 1.0)) if parts > 0.0 else LEAST_WASTE
        more_worth, more_value = fill_nodes(branches, choices, order, now, fixed, draft, enough, sets)
        worth, value = worth + more_worth, value + more_value
    prices(order, now.closed_at, rounds.next_price)
    return worth, value, bound


@kernel
def refine(
    solution: BareSolution, branches: BareBranches, rounds: BareRounds, sets: BareSets
) -> tuple[float, float, float, float]:
    """Write the best whole modes that are found into the `best_w` of the rounds.

    Return what they are worth and what they earn, what no allocation is worth more than, and the worth of the linear
    program. `level` holds the watts that are whole at the end of the order; the room that these leave is worked out.
    """
    choices, edges, closings, level = named(solution)
    branches, rounds, sets, order = Branches(*branches), Rounds(*rounds), ChangeSets(*sets), order_of(edges)
    rooms(branches, 0, level.watts, level.room_w)
    earned = earnings(choices, level.watts)
    divisible = earned[0] + program_rest(order, closings)
    end = order.end if order.end < order.length else OPEN
    for n in range(branches.parent.size):
        rounds.program_closed_at[n] = min(closings.closed_at[n], end)
    prices(order, rounds.program_closed_at, rounds.node_price)
    copy(rounds.node_price, rounds.program_price)
    bound, worth, value, gap = divisible, -np.inf, 0.0, np.inf
    for _ in range(rounds.most):
        new_worth, new_value, new_bound = _round(branches, choices, order, closings, level, rounds, sets, earned)
        bound = min(bound, new_bound)
        if new_worth > worth:
            worth, value = new_worth, new_value
            copy(rounds.watts, rounds.best_w)
        last_gap, gap = gap, bound - worth
        if gap <= GOOD_GAP * abs(bound) or GOOD_ROUND * last_gap < gap <= FAIR_GAP * abs(bound):
            break
        # Leaves filled at too high a price leave room above, at too low a one they leave none: go between.
        moved = False
        for n in range(rounds.node_price.size):
            between = 0.5 * (rounds.node_price[n] + rounds.next_price[n])
            moved |= between != rounds.node_price[n]
            rounds.node_price[n] = between
        # At the same prices a round finds the same.
        if not moved:
            break
    return worth, value, bound, divisible
