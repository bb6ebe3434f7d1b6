"""The end of tasks by cancellation, which holds whatever the libraries in them make of it.

asyncio.wait_for, which the protocol libraries use, loses a cancellation that meets its end (Python before 3.12).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, Final, TypeVar

_AGAIN_S: Final = 0.2

_T = TypeVar("_T")


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel the tasks, again and again until all have ended."""
    while not all(task.done() for task in tasks):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_AGAIN_S)


async def until_cancelled(work: Coroutine[Any, Any, _T]) -> _T:
    """Return what `work` returns; once cancelled, end it, and be cancelled or raise what went wrong in its end."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        await end([task])
        if not task.cancelled():
            task.result()
        raise
    return task.result()
