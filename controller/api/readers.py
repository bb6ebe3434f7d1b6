"""What takes long to be read or made is so in threads, for one request of each token at once.

So neither a flood of one token nor a disk that is dead keeps the loop from hearing everybody else, or another token waiting.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio import to_thread
from fastapi import Request, Response
from pydantic import BaseModel

from controller.api.turns import end_turn

_T = TypeVar("_T")


class Readers:
    """Those who read, by the names of their tokens.

    What they read from the disk may take for ever, and is waited for by nobody else. What is made of it is made one after the
    other for all: more threads that work would only take the interpreter from the tick and from the loop.
    """

    def __init__(self) -> None:
        self._reading = defaultdict[str, anyio.CapacityLimiter](lambda: anyio.CapacityLimiter(1))
        self._asking = defaultdict[str, anyio.CapacityLimiter](lambda: anyio.CapacityLimiter(1))
        self._making = anyio.CapacityLimiter(1)

    async def read(self, name: str, work: Callable[[], _T]) -> _T:
        """Return what is read from the disk, once what this token has read before is there."""
        return await to_thread.run_sync(work, limiter=self._reading[name])

    async def read_within(self, within_s: float, name: str, work: Callable[[], _T]) -> _T:
        """Do the same; TimeoutError where it takes longer. A thread that a dead disk holds ends when the disk answers, and is the only one of its token."""
        reading = asyncio.create_task(self.read(name, work))
        # Whoever waits for it may be gone by then.
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.shield(reading)
        finally:
            reading.cancel()

    async def answer(self, request: Request, name: str, make: Callable[[], BaseModel]) -> Response:
        """Return an answer that is made in a thread, to its last byte."""
        end_turn(request.scope)
        return await self._made(name, make)

    async def answer_from_disk(
        self, request: Request, name: str, read: Callable[[], _T], make: Callable[[_T], BaseModel]
    ) -> Response:
        """Return the same of what is read from the disk first."""
        end_turn(request.scope)
        found = await self.read(name, read)
        return await self._made(name, lambda: make(found))

    async def _made(self, name: str, make: Callable[[], BaseModel]) -> Response:
        async with self._asking[name]:
            body = await to_thread.run_sync(lambda: make().model_dump_json(), limiter=self._making)
        return Response(body, media_type="application/json")
