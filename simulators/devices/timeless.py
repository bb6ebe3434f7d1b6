"""An event loop whose time passes only when nothing is left to do, so that hours of devices over real sockets take seconds.

All ends of all sockets have to be in the one process and on its loopback, where what is written is there to be read at once:
when nothing can be read, nothing is on its way, and time goes on to the next timer. The same scene takes the same course.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Waits for no time at all, and notes for how long it was asked to."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; where nothing is and a timer was to be waited for, let that time have passed."""
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing is under way, and no timer will end that")
        if not ready and timeout is not None and timeout > 0:
            self.skipped_s += timeout
        return ready


class TimelessLoop(asyncio.SelectorEventLoop):
    """The loop; `time` counts from 0 s."""

    def __init__(self) -> None:
        self._waits = _Selector()
        super().__init__(self._waits)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Return the time that has passed in here, in s."""
        return self._waits.skipped_s

    def run_in_executor(self, _executor: object, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Return what `func` returns, at once: a thread would take a time that nobody sees here."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except OSError as error:
            done.set_exception(error)
        return done


def run(scene: Coroutine[Any, Any, T]) -> T:
    """Return what `scene` returns, run in a loop of its own."""
    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        return runner.run(scene)
