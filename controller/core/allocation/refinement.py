"""Whole modes for a solved program, and the proof of how good they are: in rounds, and on small sites by trying all."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from controller.core.allocation.program import Program
from controller.core.kernels.columns import ChangeSets
from controller.core.kernels.exact import MERGED, STATES, StateLists, best_modes
from controller.core.kernels.rounds import GOOD_GAP, Rounds, refine
from controller.core.kernels.search import CHANGES, SETS
from controller.core.kernels.stock import earnings
from controller.core.site import F64

#: Sites of no more devices have the time to try all modes that could be the best, in windows of these shares of what is
#: lost against the linear program.
SMALL: Final = 128
WINDOWS: Final = (1 / 32, 1 / 8, 1 / 2, 1.0)


class Certified(NamedTuple):
    """What watts are worth and earn per hour, and what no watts are worth more than; `program`: with all modes divisible."""

    worth: float
    value: float
    bound: float
    program: float


class Refinement:
    """The workspace of one program's refinements; all memory is taken when it is made.

    `watts` (D,): the best whole modes that were found last.
    """

    def __init__(self, program: Program, rounds: int) -> None:
        self._program = program
        nodes, devices = program.branches.parent.size, program.branches.home.size
        self.watts = np.zeros(devices)
        self._rounds = _rounds(nodes, self.watts, rounds)
        sets = ChangeSets(
            changes=np.zeros((3, CHANGES)),
            device=np.zeros(CHANGES, dtype=np.int64),
            groups=np.zeros((3, CHANGES), dtype=np.int64),
            lists=np.zeros((2, 3, 2, SETS + 1)),
            masks=np.zeros((2, 3, SETS + 1), dtype=np.uint64),
            near=np.zeros(2 * CHANGES, dtype=np.int32),
        )
        self._bare_rounds, self._bare_sets = tuple(self._rounds), tuple(sets)
        self._states = _state_lists(program, nodes) if devices <= SMALL else None

    def refine(self) -> Certified:
        """Find the best whole modes for the program as it stands, and certify them."""
        program = self._program
        found = Certified(*refine(program.bare, program.bare_branches, self._bare_rounds, self._bare_sets))
        if self._states is not None and found.bound - found.worth > GOOD_GAP * abs(found.bound):
            found = self._try_all(self._states, found)
        return found._replace(bound=found.worth) if found.worth > found.bound else found

    def _try_all(self, states: StateLists, found: Certified) -> Certified:
        """Return what the best modes of a small site come to; what was `found` if none are better."""
        branches, choices, watts = self._program.branches, self._program.choices, self._rounds.watts
        most_loss, price = found.program - found.worth, self._rounds.program_price
        for share in WINDOWS:
            loss = best_modes(branches, choices, price, share * most_loss, most_loss, watts, states)
            if loss < 0.0:
                break
            if loss < np.inf:
                worth, value = earnings(choices, watts)
                if worth > found.worth:
                    found = found._replace(worth=worth, value=value)
                    self.watts[:] = watts
                if branches.divisible.any():
                    return found
                return found._replace(bound=min(found.bound, found.worth))
        return found


def _rounds(nodes: int, best_w: F64, most: int) -> Rounds:
    room_w, program_price, node_price, next_price, cut_w, price_above, rest_w, unproven = np.zeros((8, nodes))
    program_closed_at, closed_at, reclosed_at, cut_device = np.zeros((4, nodes), dtype=np.int64)
    return Rounds(
        watts=np.zeros(best_w.size),
        room_w=room_w,
        best_w=best_w,
        program_price=program_price,
        node_price=node_price,
        next_price=next_price,
        program_closed_at=program_closed_at,
        closed_at=closed_at,
        reclosed_at=reclosed_at,
        cut_device=cut_device,
        cut_w=cut_w,
        price_above=price_above,
        rest_w=rest_w,
        unproven=unproven,
        most=most,
    )


def _state_lists(program: Program, nodes: int) -> StateLists:
    return StateLists(
        spans=np.zeros((2, nodes), dtype=np.int64),
        states=np.zeros((2, STATES)),
        links=np.zeros((2, STATES), dtype=np.int32),
        merged=np.zeros((2, MERGED)),
        sources=np.zeros((2, MERGED), dtype=np.int32),
        items=np.zeros((2, MERGED), dtype=np.uint64),
        tally=program.tally,
    )
