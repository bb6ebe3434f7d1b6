"""Keeps every meter driver running: one that ends, however it does, is started anew and ends no other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Final

from drivers.clock import boottime_s
from drivers.ending import end
from drivers.readings import Loss, Publish

_log = logging.getLogger(__name__)

#: A driver that has ended rests for so long, then twice as long each time, and at most for so long.
PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
#: One that has run for so long has recovered.
STEADY_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Driver:
    """What reads some sources for ever. `sources`: their names, `run`: does it until it is cancelled.

    `reads`: all that it goes by; two drivers for which that is equal do the same.
    """

    sources: tuple[str, ...]
    run: Callable[[], Coroutine[None, None, None]]
    reads: object = None

    def does_as(self, other: Driver) -> bool:
        """Return whether this one does what the other does, as far as can be said."""
        return self is other or (self.reads is not None and self.reads == other.reads)

    @property
    def name(self) -> str:
        """Return what it reads, in one line."""
        return ", ".join(self.sources)


class Sources:
    """Runs drivers. Of one that ends, each source is told as lost, and it is started anew."""

    def __init__(self, made: Collection[Driver], publish: Publish, *, pause_s: float = PAUSE_S) -> None:
        self._wanted, self._publish, self._pause_s = tuple(made), publish, pause_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()

    def take_over(self, made: Collection[Driver]) -> None:
        """Run these from now on; those that do what they did run on. May be called from any thread."""
        self._wanted = tuple(made)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._changed.set)

    async def run(self) -> None:
        """Run until cancelled."""
        self._loop = asyncio.get_running_loop()
        tasks: dict[Driver, asyncio.Task[None]] = {}
        try:
            while True:
                self._changed.clear()
                await self._change(tasks, self._wanted)
                await self._until_changed(tasks.values())
        finally:
            await end(tasks.values())

    async def _change(self, tasks: dict[Driver, asyncio.Task[None]], wanted: Collection[Driver]) -> None:
        """End what is not wanted any more, and then start what is not there: the two may need the same port."""
        gone = [driver for driver in tasks if not any(driver.does_as(one) for one in wanted)]
        await end([tasks[driver] for driver in gone])
        for driver in gone:
            del tasks[driver]
        missing = [one for one in wanted if not any(driver.does_as(one) for driver in tasks)]
        for driver in missing:
            work = _kept_running(driver, self._publish, self._pause_s)
            tasks[driver] = asyncio.create_task(work, name=f"driver-{driver.name}")

    async def _until_changed(self, tasks: Collection[asyncio.Task[None]]) -> None:
        changed = asyncio.create_task(self._changed.wait(), name="drivers-changed")
        try:
            # Not gather: when cancelled, that waits for the tasks itself.
            done, _ = await asyncio.wait({*tasks, changed}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            changed.cancel()


async def run_drivers(made: Collection[Driver], publish: Publish, *, pause_s: float = PAUSE_S) -> None:
    """Run all drivers until cancelled."""
    await Sources(made, publish, pause_s=pause_s).run()


async def _kept_running(driver: Driver, publish: Publish, first_pause_s: float) -> None:
    pause_s = first_pause_s
    while True:
        begun_s = boottime_s()
        error = await _end_of(driver)
        if boottime_s() - begun_s >= STEADY_S:
            pause_s = first_pause_s
        _note(driver, error, publish, first=pause_s == first_pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(2.0 * pause_s, LONGEST_PAUSE_S)


async def _end_of(driver: Driver) -> BaseException | None:
    """Run a driver and return what ended it; raises only where this task is cancelled, or a person presses Ctrl-C."""
    error: BaseException | None = None
    try:
        await driver.run()
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as ended:  # noqa: BLE001  a library may raise a cancellation, or an exit, that nobody asked for
        error = ended
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error
    return error


def _note(driver: Driver, error: BaseException | None, publish: Publish, *, first: bool) -> None:
    why = "it returned" if error is None else f"{type(error).__name__}: {error}".removesuffix(": ")
    for source in driver.sources:
        publish(Loss(meter=source, reason=f"its driver has ended ({why}) and is started anew", at_s=boottime_s()))
    level = logging.ERROR if first else logging.DEBUG
    extra = {"event": "driver_ended", "sources": list(driver.sources)}
    _log.log(level, "driver of %s has ended and is started anew: %s", driver.name, why, exc_info=error, extra=extra)
