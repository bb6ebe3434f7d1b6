"""One round of questions to one meter, whoever asks: what is refused or stays without an answer is left to the plan."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from drivers.clock import Clock
from drivers.meters.blocks import Block, Plan
from drivers.modbus.answers import Answer, Refusal
from drivers.modbus.line import NoAnswer
from drivers.modbus.requests import ReadRequest


class Asks(Protocol):
    """Whatever a meter can be asked through."""

    async def ask(self, request: ReadRequest, within_s: float, *, since_s: float | None = None) -> Answer:
        """Return the registers, or why there are none; raises NoAnswer and DriverLoss.

        `since_s`: loop time from which `within_s` counts, where that is not now.
        """


class Poll:
    """The answers to the blocks of a plan. `taken_s`: when the meter took its power and frequency; `took_s`: how long they took."""

    def __init__(self, plan: Plan, request: Callable[[Block], ReadRequest], clock: Clock) -> None:
        self._plan, self._request, self._clock = plan, request, clock
        self._answers: dict[Block, Answer] = {}
        self.taken_s = clock()
        self.took_s = 0.0

    @property
    def answers(self) -> dict[Block, Answer]:
        """Of all blocks, also of those that were refused before."""
        return self._plan.refused | self._answers

    async def run(self, asks: Asks, within_s: float) -> None:
        """Ask. `within_s`: for all requests together that bring power and frequency, and for each other request.

        Raises NoAnswer where there is none for the power, DriverLoss where the connection is gone.
        """
        plan, started_s, begun_s = self._plan, self.taken_s, asyncio.get_running_loop().time()
        todo = deque(plan.blocks(started_s))
        while todo:
            block = todo.popleft()
            urgent = plan.urgent(block)
            try:
                request, since_s = self._request(block), begun_s if urgent else None
                answer = await asks.ask(request, within_s, since_s=since_s)
                if isinstance(answer, Refusal) and not answer.for_good:  # only what is refused again is narrowed
                    answer = await asks.ask(request, within_s, since_s=since_s)
            except NoAnswer as silence:
                plan.silence(block, str(silence))
                if plan.needed(block):
                    raise
                # One silence a poll: the next one begins with the others.
                self._answers |= dict.fromkeys([block, *todo], str(silence))
                return
            if isinstance(answer, Refusal):
                if parts := plan.narrow(block, answer):
                    todo.extendleft(reversed(parts))
                    continue
                if plan.needed(block) and not answer.for_good:  # not even its power alone: it refuses everything
                    self._answers |= dict.fromkeys([block, *todo], answer)
                    return
            elif not isinstance(answer, str):
                plan.answered(block)
            self._answers[block] = answer
            if urgent:
                self.took_s = self._clock() - started_s
                self.taken_s = started_s + self.took_s / 2
