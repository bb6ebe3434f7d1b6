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


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """What reads some sources for ever. `sources`: their names, `run`: does it until it is cancelled."""

    sources: tuple[str, ...]
    run: Callable[[], Coroutine[None, None, None]]

    @property
    def name(self) -> str:
        """Return what it reads, in one line."""
        return ", ".join(self.sources)


async def run_drivers(made: Collection[Driver], publish: Publish, *, pause_s: float = PAUSE_S) -> None:
    """Run all drivers until cancelled. Of one that ends, each source is told as lost, and it is started anew."""
    tasks = [
        asyncio.create_task(_kept_running(driver, publish, pause_s), name=f"driver-{driver.name}") for driver in made
    ]
    try:
        # Not gather: when cancelled, that waits for the tasks itself.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(tasks)


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
