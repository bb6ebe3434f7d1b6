"""The one monotonic clock: CLOCK_BOOTTIME, which goes on through suspend and ignores steps of the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable

#: A source of CLOCK_BOOTTIME seconds; injected wherever time decides something.
Clock = Callable[[], float]


def boottime_s() -> float:
    """Return CLOCK_BOOTTIME in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def raw_s() -> float:
    """Return CLOCK_MONOTONIC_RAW in seconds: what the hardware counts, disciplined by nobody, and standing still in suspend."""
    return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
