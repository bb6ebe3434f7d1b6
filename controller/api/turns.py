"""Whose request is worked on: a few of one token at once, the next ones in turn, so that no flood of one keeps others waiting."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Scope

#: Requests of one token that are worked on at once.
EACH: Final = 4
#: One that has taken so long waits for something else than for the processor, and keeps the next ones waiting no longer.
LONG_S: Final = 0.25


class Turns:
    """The turns of all tokens, by their names; for the thread of the loop."""

    def __init__(self) -> None:
        self._of: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(EACH))

    async def take(self, name: str, work: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        """Do some work when its turn comes. It is given what ends its turn, for when it is about to wait for something."""
        semaphore, held = self._of[name], True
        await semaphore.acquire()

        def end() -> None:
            nonlocal held
            if held:
                held = False
                semaphore.release()

        long = asyncio.get_running_loop().call_later(LONG_S, end)
        try:
            await work(end)
        finally:
            long.cancel()
            end()


def end_turn(scope: Scope) -> None:
    """End the turn of a request that is about to wait; one that has none, or none any more, is as it was."""
    end: Callable[[], None] | None = scope.get("state", {}).get("end_turn")
    if end is not None:
        end()
