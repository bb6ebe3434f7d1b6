"""Whether the wall clock may end an order: the kernel calls it synchronised, and nobody has stepped it.

Leases, timeouts and ramps never look at it; they use CLOCK_BOOTTIME.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from controller.core.reasons import Code, Reason
from drivers.clock import Clock, boottime_s

#: adjtimex(2): the answer when the clock is not synchronised, and the status bit that says so.
TIME_ERROR: Final = 5
STA_UNSYNC: Final = 0x40


class _Timex(ctypes.Structure):
    """``struct timex`` of linux/timex.h."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_s", ctypes.c_long),
        ("time_us", ctypes.c_long),
        ("rest", ctypes.c_char * 128),
    )


_libc = ctypes.CDLL(None, use_errno=True)


def kernel_synchronised() -> bool:
    """Return whether the kernel holds the wall clock for synchronised, by adjtimex(2); OSError where it will not say."""
    timex = _Timex()
    state = _libc.adjtimex(ctypes.byref(timex))
    if state < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return state != TIME_ERROR and not timex.status & STA_UNSYNC


@dataclass(frozen=True, slots=True, kw_only=True)
class Utc:
    """The wall clock at one look: Unix seconds, whether they may relax anything, and why not (None if they may)."""

    utc_s: float
    trusted: bool
    doubt: Reason | None


class UtcJudge:
    """Looks at the wall clock and remembers how it ran; for one thread.

    A step of more than `step_s` against CLOCK_BOOTTIME from one look to the next is doubted for `doubt_s`, long
    enough for people to see the alarm. The first look has nothing to compare with and trusts the kernel.
    """

    def __init__(
        self,
        site: str,
        *,
        utc: Callable[[], float] = time.time,
        clock: Clock = boottime_s,
        synchronised: Callable[[], bool] = kernel_synchronised,
        step_s: float = 1.0,
        doubt_s: float = 900.0,
    ) -> None:
        """All clocks in seconds; `site`: the id of its root node, which a doubt is about."""
        self._site = site
        self._utc = utc
        self._clock = clock
        self._synchronised = synchronised
        self._step_s = step_s
        self._doubt_s = doubt_s
        self._offset_s: float | None = None
        self._stepped_at_s: float | None = None
        self._step_seen_s = 0.0

    def look(self) -> Utc:
        """Return the wall clock and whether it is to be trusted now."""
        now_s, utc_s = self._clock(), self._utc()
        self._watch_for_steps(now_s, utc_s - now_s)
        doubt = self._doubt(now_s)
        return Utc(utc_s=utc_s, trusted=not doubt, doubt=doubt)

    def _watch_for_steps(self, now_s: float, offset_s: float) -> None:
        step_s = 0.0 if self._offset_s is None else offset_s - self._offset_s
        self._offset_s = offset_s
        if abs(step_s) > self._step_s:
            self._stepped_at_s, self._step_seen_s = now_s, step_s

    def _doubt(self, now_s: float) -> Reason | None:
        if self._stepped_at_s is not None and now_s - self._stepped_at_s < self._doubt_s:
            return Reason(Code.CLOCK_STEPPED, self._site, {"step_s": self._step_seen_s})
        try:
            synchronised = self._synchronised()
        except OSError as error:
            return Reason(Code.CLOCK_UNKNOWN, self._site, {"error": str(error)})
        return None if synchronised else Reason(Code.CLOCK_UNSYNCHRONISED, self._site)
