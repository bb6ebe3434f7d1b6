"""When a tick is due: every period, and at once where something has come in that cannot wait for that."""

from __future__ import annotations

import math
import threading
import time
from typing import Final

from drivers.clock import Clock, boottime_s

#: A tick that is woken begins no sooner after the one before than the ticks of any site may follow one another.
SOONEST_S: Final = 0.1


class Alarm:
    """Tells the tick's thread when to begin; `wake` and `stop` may be called from any thread, and return at once.

    Ticks of the period stay where they are, however often others are woken between them, and the others never take more
    than half of a processor: a flood of what wakes them costs nobody else the machine. `work`: seconds that the calling thread has worked.
    """

    def __init__(self, period_s: float, clock: Clock = boottime_s, work: Clock = time.thread_time) -> None:
        self._period_s, self._clock, self._work = period_s, clock, work
        self._changed = threading.Condition()
        self._stopping = False
        self._due_s = self._begun_s = clock()
        self._woken_s, self._soonest_s, self._worked_s = math.inf, -math.inf, 0.0

    def wake(self) -> None:
        """Have a tick begin as soon as one may."""
        with self._changed:
            self._woken_s = min(self._woken_s, self._clock())
            self._changed.notify()

    def stop(self) -> None:
        """Have no more ticks begin."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def wait(self) -> float | None:
        """Wait until a tick is to begin, and return for when; None after `stop`. What wakes from then on is for the next one."""
        with self._changed:
            while not self._stopping:
                due_s = min(self._due_s, max(self._woken_s, self._soonest_s))
                self._begun_s = self._clock()
                if self._begun_s >= due_s:
                    self._woken_s, self._worked_s = math.inf, self._work()
                    return due_s
                self._changed.wait(due_s - self._begun_s)
        return None

    def done(self) -> None:
        """Note that the tick has been carried out; those of the period that were due meanwhile are left out."""
        now_s = self._clock()
        self._soonest_s = max(self._begun_s + SOONEST_S, now_s + (self._work() - self._worked_s))
        if self._begun_s >= self._due_s:
            self._due_s += (1 + int((now_s - self._due_s) // self._period_s)) * self._period_s
