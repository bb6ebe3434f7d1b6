"""What an allocator has answered of late: a site at rest asks the same in every tick, and often twice in one, at other limits alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from controller.core.allocation.allocator import Allocator, Allotment
from controller.core.kernels.stock import alike
from controller.core.site import F64

#: So many answers are remembered: a tick asks no more than three times.
_REMEMBERED: Final = 3


class Question(NamedTuple):
    """What is asked of an allocator, see `Allocator.solve`; nobody changes the columns any more."""

    limit_w: F64
    base_w: F64
    upper_w: F64
    held_w: F64
    stuck_w: F64

    def alike(self, other: Question) -> bool:
        """Return whether both ask the same."""
        return _alike(self.limit_w, other.limit_w) and self.alike_but_for_limits(other)

    def alike_but_for_limits(self, other: Question) -> bool:
        """Return whether both ask the same, though at other limits."""
        return all(map(_alike, self[1:], other[1:]))


def _alike(one: F64, other: F64) -> bool:
    return one is other or bool(alike(one, other))


class Answers:
    """The answers of one allocator, which others may ask too."""

    def __init__(self, allocator: Allocator) -> None:
        self._allocator = allocator
        self._given: tuple[tuple[Question, Allotment], ...] = ()
        self._ordered: tuple[Question, int] | None = None

    def to(self, question: Question, values: Callable[[], F64]) -> Allotment:
        """Return the answer to a question: to the bit that of `Allocator.solve`, whose watts nobody overwrites here.

        `values`: make the values of the modes (M,), which follow from what the devices run on, `held_w`, alone.
        """
        for asked, answer in self._given:
            if asked.alike(question):
                return answer
        found = self._at_other_limits(question)
        if found is None:
            found = self._allocator.solve(**question._asdict(), mode_value=values())
            self._ordered = question, self._allocator.orders
        answer = replace(found, watts=found.watts.copy())
        self._given = ((question, answer), *self._given[: _REMEMBERED - 1])
        return answer

    def _at_other_limits(self, question: Question) -> Allotment | None:
        """Return the answer where only limits are others than in what was solved last."""
        if self._ordered is None or self._ordered[1] != self._allocator.orders:
            return None
        if not self._ordered[0].alike_but_for_limits(question):
            return None
        return self._allocator.at_other_limits(question.limit_w)
