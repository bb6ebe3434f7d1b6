"""How the columns of a site cross from Python to the kernels that are called for each question: as bare tuples.

numba takes 0.4 us longer to recognise a named tuple that Python gives it than a plain one. With a dozen of them in a call
that was more than many an answer takes. So they lose their names on the way, and get them back in the kernel, where names
cost nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

import numpy as np

from controller.core.kernels import inlined
from controller.core.kernels.columns import U8, Branches, Choices, Closings, Draft, MeritOrder, U64x2, at
from controller.core.site import F64, I64

#: Where `Edges.place` says how many edges there are, where the order ends, and which of the two lists they are in.
LENGTH: Final = 0
END: Final = 1
LIST: Final = 2
#: Where `Edges.site_w` says what the bases leave of the site's limit, and what they draw in all.
ROOM: Final = 0
BASES: Final = 1


class Edges(NamedTuple):
    """A `MeritOrder` as it is kept from one question to the next; see there.

    `lists` (2, E): the items in one, their sums in the other. `place` (3,): LENGTH, END, LIST. `site_w` (2,): ROOM, BASES.
    """

    lists: U64x2
    climb: U8
    from_w: F64
    place: I64
    site_w: F64
    low_bits: int
    rank_bits: int


class Solution(NamedTuple):
    """The linear program of a site, solved."""

    choices: Choices
    edges: Edges
    closings: Closings
    level: Draft


BareBranches = Annotated[tuple[Any, ...], Branches]
BareSolution = Annotated[tuple[Any, ...], Solution]


def bare(named: tuple[tuple[Any, ...], ...]) -> tuple[tuple[Any, ...], ...]:
    """Return named tuples in a named tuple, all without their names."""
    return tuple(tuple(part) for part in named)


@inlined
def named(solution: BareSolution) -> Solution:
    """Give the columns of a solution their names."""
    choices, edges, closings, level = solution
    return Solution(Choices(*choices), Edges(*edges), Closings(*closings), Draft(*level))


@inlined
def order_of(edges: Edges) -> MeritOrder:
    """Return the merit order that is kept in the `edges`, as it stands now."""
    place, now = edges.place, at(edges.place[LIST])
    items, sum_w = edges.lists[now], edges.lists[at(1) - now].view(np.float64)
    return MeritOrder(
        items,
        edges.climb,
        edges.from_w,
        sum_w,
        place[LENGTH],
        place[END],
        edges.site_w[ROOM],
        edges.low_bits,
        edges.rank_bits,
    )
