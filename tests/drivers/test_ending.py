"""Tasks end when they are cancelled, whatever becomes of the cancellation in them."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from drivers.ending import end, until_cancelled
from tests.losing import lose_a_cancellation
from tests.waiting import DEADLINE_S


async def stubborn(ended: list[str]) -> None:
    """Lose two cancellations, and go on for ever."""
    try:
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await asyncio.Event().wait()
    finally:
        ended.append("tidied up")


def test_a_cancellation_that_is_lost_is_said_again() -> None:
    ended: list[str] = []

    async def scenario() -> None:
        tasks = [asyncio.create_task(stubborn(ended)) for _ in range(2)]
        await asyncio.wait_for(end(tasks), DEADLINE_S)
        assert all(task.cancelled() for task in tasks)

    asyncio.run(scenario())
    assert ended == 2 * ["tidied up"]


def test_work_that_a_cancellation_meets_at_its_end_is_cancelled_all_the_same() -> None:
    async def work(cancel) -> str:
        await lose_a_cancellation(cancel)
        return "done"

    async def scenario() -> None:
        task = asyncio.create_task(until_cancelled(work(lambda: task.cancel())))  # noqa: PLW0108  it is not there yet
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


def test_what_goes_wrong_at_the_end_is_raised() -> None:
    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("no room for the capture")

    async def scenario() -> None:
        task = asyncio.create_task(until_cancelled(work()))
        asyncio.get_running_loop().call_later(0.01, task.cancel)
        with pytest.raises(OSError, match="no room"):
            await task

    asyncio.run(scenario())


def test_work_that_ends_by_itself_returns() -> None:
    async def work() -> int:
        return 7

    assert asyncio.run(until_cancelled(work())) == 7
