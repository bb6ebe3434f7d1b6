"""What the meter tests share: a collector that tests wait on, and free ports."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, Self

from drivers.clock import boottime_s
from drivers.readings import Loss, Sample
from tests.waiting import DEADLINE_S

_LOOK_S: Final = 0.01


class Seen(list[Sample | Loss]):
    """Collects what a driver publishes; `until` waits for one that fits."""

    def __call__(self, seen: Sample | Loss) -> None:
        self.append(seen)

    async def until(
        self, fits: Callable[[Sample | Loss], bool], *, after: int = 0, deadline_s: float = DEADLINE_S
    ) -> Sample | Loss:
        """Return the first fitting one from index `after` on; fails after the deadline."""
        async with asyncio.timeout(deadline_s):
            while True:
                for each in self[after:]:
                    if fits(each):
                        return each
                await asyncio.sleep(_LOOK_S)

    async def sample(self, *, after: int = 0) -> Sample:
        """Return the first sample that carries a value."""
        found = await self.until(lambda seen: isinstance(seen, Sample) and bool(seen.values), after=after)
        assert isinstance(found, Sample)
        return found

    async def loss(self, says: str = "", *, after: int = 0) -> Loss:
        """Return the first loss that says this; on a busy machine, one by a time-out may come before it."""
        found = await self.until(lambda seen: isinstance(seen, Loss) and says in seen.reason, after=after)
        assert isinstance(found, Loss)
        return found


async def until(holds: Callable[[], bool], tell: Callable[[], object] = str) -> None:
    """Wait until something holds; fails after the deadline, and `tell` says then how things are."""
    end_s = boottime_s() + DEADLINE_S
    while not holds():
        assert boottime_s() < end_s, tell()
        await asyncio.sleep(_LOOK_S)


class Stalls:
    """Measures beside a test how long the machine, or what shares the event loop, has held up all that runs in it."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._measure())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _measure(self) -> None:
        while True:
            begun_s = boottime_s()
            await asyncio.sleep(_LOOK_S)
            self.longest_s = max(self.longest_s, boottime_s() - begun_s - _LOOK_S)


@asynccontextmanager
async def running(work: Awaitable[None]) -> AsyncIterator[None]:
    """Run `work`, which never returns, beside the block."""
    task = asyncio.ensure_future(work)
    try:
        yield
        assert not task.done(), "the driver ended"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Make a test of a coroutine, which runs in a loop of its own."""

    @functools.wraps(test)
    def run(*arguments: object, **named: object) -> None:
        asyncio.run(_awaited(test(*arguments, **named)))

    return run


async def _awaited(work: Awaitable[None]) -> None:
    await work
