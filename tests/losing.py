"""A cancellation that asyncio.wait_for loses, as it does before Python 3.12 where the cancellation meets its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.waiting import DEADLINE_S


async def lose_a_cancellation(cancel: Callable[[], object]) -> None:
    """Wait for an answer; `cancel`, which cancels the task that waits here, is called in the turn that brings it."""
    loop = asyncio.get_running_loop()
    answer = loop.create_future()

    def both() -> None:
        answer.set_result(None)
        cancel()

    loop.call_soon(both)
    await asyncio.wait_for(answer, DEADLINE_S)
