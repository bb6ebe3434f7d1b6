"""A thread for calls that block: they run one after the other, and whoever waits for one gives up after its time.

A call that hangs in a library cannot be ended. It keeps the thread, and all that come after it are given up without having begun.
The thread is a daemon, so that the process can end nevertheless.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from drivers.errors import DriverLoss

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[Callable[[], bool]], Any]
    outcome: Future[Any] = field(default_factory=Future)
    is_wanted: bool = True


class WorkThread:
    """One thread, begun by its first call. `name`: what blocks, for errors."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._open: dict[_Job, None] = {}

    @property
    def under_way(self) -> object | None:
        """The oldest call that has not come back; None where there is none."""
        return next(iter(list(self._open)), None)

    async def run(self, work: Callable[[Callable[[], bool]], T], *, within_s: float) -> T:
        """Return what `work` returns, or raise what it raises; raises DriverLoss where that takes longer.

        `work` is handed a function that says whether somebody still waits for it: it asks before each step that changes anything.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        job = _Job(work)
        self._open[job] = None
        self._jobs.put(job)
        try:
            async with asyncio.timeout(within_s):
                result: T = await asyncio.wrap_future(job.outcome)
                return result
        except TimeoutError as error:
            raise DriverLoss(f"{self._name} does not answer within {within_s:g} s") from error
        finally:
            job.is_wanted = False

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job.is_wanted and job.outcome.set_running_or_notify_cancel():
                self._do(job)
            self._open.pop(job)

    def _do(self, job: _Job) -> None:
        try:
            result = job.work(lambda: job.is_wanted)
        except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
            job.outcome.set_exception(error)
        else:
            job.outcome.set_result(result)
