"""How the site's power went in the last while, and what today has brought; kept from tick to tick, lost with the process."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final

from controller.core.decision import Decision

#: A point a second, for so many seconds.
POINTS: Final = 900
POINT_S: Final = 1.0
#: What lies between two ticks that are further apart has been seen by nobody.
GAP_S: Final = 10.0

#: From a time of the wall clock to the day that it is at the site.
DayOf = Callable[[float], date]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePoint:
    """One moment: `utc_s`, and watts, None where unknown; `envelope_w` is None where there is no limit, too."""

    utc_s: float
    site_w: float | None
    envelope_w: float | None
    surplus_w: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """What the day of the site has brought since `since_utc_s`: its begin, or the start of the daemon.

    `energy_wh`: by the trusted meters of the site's power; `value`: of what was allotted, in currency; `unseen_s`: of this
    time no energy is known, so that it is left out.
    """

    since_utc_s: float
    energy_wh: float
    value: float
    unseen_s: float


def local_day(utc_s: float) -> date:
    """Return the day in this machine's time zone."""
    return datetime.fromtimestamp(utc_s, UTC).astimezone().date()


class PowerCourse:
    """Written by the tick's thread alone, read by any; its lock is held for microseconds."""

    def __init__(self, day_of: DayOf = local_day) -> None:
        self._day_of = day_of
        self._lock = threading.Lock()
        self._points: deque[CoursePoint] = deque(maxlen=POINTS)
        self._noted_s = -math.inf
        self._before: Decision | None = None
        self._day: date | None = None
        self._today: Today | None = None

    def observe(self, decision: Decision, utc_s: float) -> None:
        """Take a tick in."""
        day, before = self._day_of(utc_s), self._before
        today = self._today
        if today is None or day != self._day:
            today = Today(since_utc_s=utc_s, energy_wh=0.0, value=0.0, unseen_s=0.0)
            before = None
        if before is not None:
            today = _further(today, before, decision.at_s - before.at_s)
        with self._lock:
            self._day, self._today, self._before = day, today, decision
            if decision.at_s - self._noted_s >= POINT_S - 1e-3:
                self._noted_s = decision.at_s
                # Where the wall clock was set back, what it labelled before is no past of now.
                while self._points and self._points[-1].utc_s >= utc_s:
                    self._points.pop()
                self._points.append(_point(decision, utc_s))

    def points(self) -> tuple[CoursePoint, ...]:
        """Return the last quarter of an hour, the oldest first."""
        with self._lock:
            return tuple(self._points)

    def today(self) -> Today | None:
        """Return what today has brought, None before the first tick."""
        with self._lock:
            return self._today


def _further(today: Today, before: Decision, for_s: float) -> Today:
    if for_s > GAP_S or before.site_w is None:
        return replace(today, unseen_s=today.unseen_s + for_s)
    hours = for_s / 3600.0
    value = today.value + before.value_per_h * hours
    return replace(today, energy_wh=today.energy_wh + before.site_w * hours, value=value)


def _point(decision: Decision, utc_s: float) -> CoursePoint:
    envelope_w = float(decision.envelope_w[0])
    return CoursePoint(
        utc_s=utc_s,
        site_w=decision.site_w,
        envelope_w=envelope_w if math.isfinite(envelope_w) else None,
        surplus_w=decision.surplus_w,
    )
