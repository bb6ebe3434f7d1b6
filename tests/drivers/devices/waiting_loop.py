"""A loop of virtual time that stands still while a thread of a driver is at work, so that calls which block can be played, too.

A call that has not come back after a while of real time hangs: from then on time goes on without it.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from simulators.devices.timeless import TimelessLoop, _Selector

T = TypeVar("T")

#: So long of real time is waited for a thread that works.
HANGS_S = 3.0
#: It may come back at any moment, which wakes nobody.
_SLICE_S = 0.002


class _WaitingForThread(_Selector):
    def __init__(self, under_way: Callable[[], object | None]) -> None:
        super().__init__()
        self._under_way = under_way
        self._hung: object | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        until_s = time.monotonic() + HANGS_S
        while timeout != 0 and (work := self._under_way()) is not None and work is not self._hung:
            ready = selectors.DefaultSelector.select(self, _SLICE_S)
            if ready:
                return ready
            if time.monotonic() > until_s:
                self._hung = work
        return super().select(timeout)


class WaitingLoop(TimelessLoop):
    def __init__(self, under_way: Callable[[], object | None]) -> None:
        self._waits = _WaitingForThread(under_way)
        asyncio.SelectorEventLoop.__init__(self, self._waits)
        self._clock_resolution = 1e-6


def run_waiting(scene: Coroutine[Any, Any, T], under_way: Callable[[], object | None]) -> T:
    """Return what `scene` returns. `under_way`: what the thread works at now, None for nothing."""
    with asyncio.Runner(loop_factory=lambda: WaitingLoop(under_way)) as runner:
        return runner.run(scene)
