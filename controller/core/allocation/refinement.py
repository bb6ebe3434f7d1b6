"""Settings for a solved program, and the proof of how good they are: in rounds, and on small sites by trying all."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from controller.core.allocation.program import Program
from controller.core.kernels.columns import ChangeSets
from controller.core.kernels.exact import BareStates, best_settings
from controller.core.kernels.rounds import GOOD_GAP, Rounds, refine
from controller.core.kernels.search import CHANGES, SETS
from controller.core.kernels.states import StateLists
from controller.core.kernels.stock import earnings
from controller.core.site import F64

#: Sites of no more devices have the time to try all settings that could be the best, in windows of these shares of what is
#: lost against the linear program.
SMALL: Final = 128
WINDOWS: Final = np.array([1 / 32, 1 / 8, 1 / 2, 1.0])
#: Sites of no more devices have it too where the rounds have left more than this share.
MID: Final = 1_000
MID_GAP: Final = 1e-4
#: Room for states; how many buckets of watts a site has; how many where there is no place for the states of these; and how many where
#: whole modes are left unproven, times the square of its devices: as many as these have the time for.
STATES: Final = 1 << 18
BUCKETS: Final = 1 << 10
FEW_BUCKETS: Final = 1 << 8
FINE: Final = 1 << 27
_MOST_BUCKETS: Final = 1 << 18
#: So many pairs of states, and buckets of them, are looked at at most, which bounds the time.
TRIES: Final = 3 << 20
_TRIES_AT: Final = StateLists._fields.index("tries")
#: The linear program is worth what its prices say, but for this share.
_ROUNDING: Final = 1e-9


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
        self._fair_gap = GOOD_GAP if devices <= SMALL else MID_GAP
        self._fine = min(FINE // max(devices, 1) ** 2, _MOST_BUCKETS)
        self._states = tuple(_state_lists(nodes, devices, max(BUCKETS, self._fine) + 2)) if devices <= MID else None

    def refine(self) -> Certified:
        """Find the best whole modes for the program as it stands, and certify them."""
        program = self._program
        found = Certified(*refine(program.bare, program.bare_branches, self._bare_rounds, self._bare_sets))
        if self._states is not None and found.bound - found.worth > self._fair_gap * abs(found.bound):
            found = self._try_all(self._states, found)
        return found._replace(bound=found.worth) if found.worth > found.bound else found

    def prices(self) -> F64:
        """Return what a watt below each node (N,) is worth to the linear program of the last refinement."""
        return self._rounds.program_price.copy()

    def _try_all(self, states: BareStates, found: Certified) -> Certified:
        """Return what the best settings of a small site come to; what was `found` if none are better."""
        most_loss = found.program - found.worth + _ROUNDING * abs(found.program)
        windows = WINDOWS * most_loss, most_loss
        loss, window, better = self._tried(states, found, windows, BUCKETS)
        if loss < 0.0:
            loss, window, better = self._tried(states, found, windows, FEW_BUCKETS)
        if not 0.0 <= loss < np.inf or better.bound <= better.worth:
            return better
        # Sums of whole modes fall into one bucket less often where it is small; of ranges the bound gains little.
        if self._fine <= BUCKETS or self._program.branches.divisible.any():
            return better
        return self._tried(states, better, (np.array([window]), most_loss), self._fine)[-1]

    def _tried(
        self, states: BareStates, found: Certified, windows: tuple[F64, float], buckets: int
    ) -> tuple[float, float, Certified]:
        """Return what the best settings lose and the window that they are in, both as `best_settings`, and what they come to.

        What was `found` where no window has any, or there was no place to try.
        """
        program, watts = self._program, self._rounds.watts
        states[_TRIES_AT][0] = TRIES
        loss, least, worth_lost_of, window = best_settings(
            program.bare_branches, program.bare[0], self._rounds.program_price, *windows, watts, states, buckets
        )
        if not 0.0 <= loss < np.inf:
            return loss, window, found
        worth, value = earnings(program.choices, watts)
        if worth > found.worth:
            found = found._replace(worth=worth, value=value)
            self.watts[:] = watts
        bound = min(found.bound, max(worth_lost_of - least, found.worth))
        return loss, window, found._replace(bound=bound)


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


def _state_lists(nodes: int, devices: int, buckets: int) -> StateLists:
    return StateLists(
        spans=np.zeros((3, nodes), dtype=np.int64),
        states=_taken((4, STATES), np.float64),
        links=_taken((2, STATES), np.int32),
        points=_taken((3, buckets), np.float64),
        sources=_taken((2, buckets), np.int32),
        pieces=_taken((buckets,), np.int32),
        room_w=np.zeros(nodes),
        tries=np.zeros(1, dtype=np.int64),
        leaves=np.zeros((3, nodes), dtype=np.int64),
        left_out=np.zeros(nodes),
        gains=np.zeros(devices),
    )


def _taken(shape: tuple[int, ...], dtype: type[np.generic]) -> Any:
    """Return zeros that have their memory: numpy's own get it page by page, from the first tick that writes there."""
    column = np.empty(shape, dtype)
    column.fill(0)
    return column
