"""The surplus S from the surplus reading x and the site's power P at the same instant.

``direct`` S = x; ``export`` S = x + P; ``headroom`` S = rating - (x - P). The clocks of the two readings may be apart by
up to `skew_s`, by how much is not known. So each shift of P that is possible gives a course of S, and those that make S
move more than need be are dropped: they mistake the site's own change for one of the surplus. S is taken to lie between
the lowest and the highest of what is left, and the estimate moves only when that leaves it no choice, which is what keeps
a site from chasing its own change. While x repeats itself to the bit, S does not rise above x plus the P that x was taken
at: x has not answered the site's rise yet, and may be frozen (`frozen`). P is the largest that a meter of the site shows; where
another one contradicts it, S counts as by the smallest. Where the two ends are no further apart than the
noise of two meters, the estimate sinks calmly from the upper end to the middle; it never rises by that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np

from controller.core.modes import Doubts
from controller.core.reasons import Code, Reason
from controller.core.site import F64, SURPLUS, Rules, SurplusModel
from controller.core.surplus.frozen import FrozenSurplus, SurplusReading, watch
from controller.core.trust.meter_trust import MeterTrust

#: A rise counts after this many samples in a row, a fall after two: one spike moves nothing.
_RAISE_SAMPLES = 3
_LOWER_SAMPLES = 2
_KEPT_S = 10.0
#: Shifts between the two clocks that are looked at.
_SHIFTS = 9
#: What two meters may add in noise, as a share of what they show, and the time constant of the way down to its middle.
_NOISE = 0.02
_CALM_S = 10.0
#: A shift is likely when its surplus moves more than the steadiest by at most this share of what the worst one does.
_LIKELY = 0.1

Series = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SurplusState:
    """`estimate_w`: S, None before the first. `readings`, `powers`: recent (taken_s, watts) of x and P, in order.

    `heard_s`: when the newest reading was taken, ``-inf`` without any; for a frozen source, when it last moved. `now_s`: of
    the tick. `frozen`: how x answers to P. `answered_w`: P when x took its value, for each shift of the clocks.
    """

    estimate_w: float | None = None
    readings: Series = ()
    powers: Series = ()
    heard_s: float = float("-inf")
    now_s: float = float("inf")
    frozen: FrozenSurplus = field(default_factory=FrozenSurplus)
    answered_w: tuple[float, ...] = ()
    apart_w: float = 0.0

    @property
    def surplus_w(self) -> float | None:
        """S as it counts, None before the first: where the site's meters contradict each other, the smaller one."""
        return None if self.estimate_w is None else self.estimate_w - self.apart_w


class Seen(NamedTuple):
    """Recent readings and powers, since when x has stood, and P when it took its value, for each shift of the clocks."""

    readings: Series
    powers: Series
    since_s: float
    answered_w: tuple[float, ...]


def surplus_reading(source: MeterTrust) -> SurplusReading | None:
    """Return the newest reading of the surplus source, None before the first."""
    return None if np.isinf(source.taken_s) else SurplusReading(value_w=source.value_w, taken_s=source.believed_s)


def surplus_doubts(state: SurplusState, rules: Rules, now_s: float) -> Doubts:
    """Return what is in doubt about the surplus."""
    age_s, frozen = now_s - state.heard_s, state.frozen.doubt
    if np.isinf(age_s):
        return Doubts(doubts=(Reason(Code.SURPLUS_NEVER_READ, SURPLUS),))
    doubts = (frozen,) if frozen else ()
    if age_s > rules.surplus_stale_s:
        return Doubts(doubts=(*doubts, Reason(Code.SURPLUS_STALE, SURPLUS)))
    silent = age_s > rules.surplus_suspect_s and not frozen
    return Doubts(doubts=(Reason(Code.SURPLUS_SILENT, SURPLUS),) if silent else doubts)


def estimate_surplus(
    state: SurplusState,
    rules: Rules,
    reading: SurplusReading | None,
    site_power: tuple[float, float] | None,
    now_s: float,
    apart_w: float = 0.0,
) -> SurplusState:
    """Return the state with this tick's reading and `site_power` (taken_s, watts) taken in.

    A reading older than `surplus_stale_s` makes the estimate zero: never the last value. `apart_w`: how much less than
    `site_power` another meter of the site shows that contradicts it, 0 where none does.
    """
    readings = _append(state.readings, (reading.taken_s, reading.value_w) if reading else None)
    powers = _append(state.powers, site_power)
    frozen = watch(state.frozen, rules, reading, powers)
    heard_s = reading.taken_s if reading else state.heard_s
    heard_s = min(heard_s, frozen.since_s) if frozen.doubt else heard_s
    answered_w = _answered(state, rules, frozen, powers)
    seen = Seen(readings=readings, powers=powers, since_s=frozen.since_s, answered_w=answered_w)
    stale = now_s - heard_s > rules.surplus_stale_s
    return SurplusState(
        estimate_w=(0.0 if readings else None) if stale else _estimate_w(state, rules, seen, now_s),
        readings=readings,
        powers=powers,
        heard_s=heard_s,
        now_s=now_s,
        frozen=frozen,
        answered_w=answered_w,
        apart_w=0.0 if rules.surplus_model is SurplusModel.DIRECT else apart_w,
    )


def _estimate_w(state: SurplusState, rules: Rules, seen: Seen, now_s: float) -> float | None:
    """Return S by what is `seen` now; it moves no further than it must."""
    bounds = _bounds(rules, seen)
    if bounds is None:
        return state.estimate_w
    low, high = bounds
    estimate_w = low if state.estimate_w is None else min(max(state.estimate_w, low), high)
    return estimate_w - _sinks(rules, state, estimate_w, bounds, now_s)


def _answered(state: SurplusState, rules: Rules, frozen: FrozenSurplus, powers: Series) -> tuple[float, ...]:
    """Return P when x took its value, for each shift; it is known once P is, all around that time."""
    until_s = frozen.since_s + rules.skew_s
    known = state.answered_w and frozen.since_s == state.frozen.since_s and state.powers[-1][0] >= until_s
    if known or not powers:
        return state.answered_w
    at_s, power_w = np.array(powers).T
    return tuple(np.interp(frozen.since_s + _shifts_s(rules), at_s, power_w).tolist())


def _shifts_s(rules: Rules) -> F64:
    return _shifts(rules.skew_s)


@cache
def _shifts(skew_s: float) -> F64:
    shifts_s = np.linspace(-skew_s, skew_s, _SHIFTS)
    shifts_s.setflags(write=False)
    return shifts_s


def _sinks(rules: Rules, state: SurplusState, estimate_w: float, bounds: tuple[float, float], now_s: float) -> float:
    """Return by how much the estimate sinks in this tick, towards the middle of what noise leaves open."""
    if rules.surplus_model is SurplusModel.DIRECT or not state.readings or not state.powers:
        return 0.0
    low, high = bounds
    shown_w = abs(state.readings[-1][1]) + abs(state.powers[-1][1])
    if high - low > _NOISE * shown_w:
        return 0.0
    calm = 1.0 - math.exp(-max(now_s - state.now_s, 0.0) / _CALM_S)
    return max(estimate_w - (low + high) / 2.0, 0.0) * calm


def _append(series: Series, item: tuple[float, float] | None) -> Series:
    if item is None or (series and item[0] <= series[-1][0]):
        return series
    first = 0
    while first < len(series) and item[0] - series[first][0] > _KEPT_S:
        first += 1
    return (*series[first:], item)


def _bounds(rules: Rules, seen: Seen) -> tuple[float, float] | None:
    if not seen.readings:
        return None
    if rules.surplus_model is SurplusModel.DIRECT:
        recent_w = [value for _, value in seen.readings[-_RAISE_SAMPLES:]]
        low = min(recent_w)
        return low, max(low, *recent_w[-_LOWER_SAMPLES:])
    if not seen.powers:
        return None
    courses = _likely(_courses(rules, seen), rules.skew_s)
    return _window([surplus_w for _, surplus_w in courses])


def _courses(rules: Rules, seen: Seen) -> list[tuple[F64, F64]]:
    """Return (seconds before the newest power, surplus) of every reading, for each shift that is possible."""
    taken_s, value_w = np.array(seen.readings).T
    at_s, power_w = np.array(seen.powers).T
    x = value_w if rules.surplus_model is SurplusModel.EXPORT else rules.surplus_rating_w - value_w
    most_w = np.where(taken_s >= seen.since_s, x, np.inf)
    shifted_s = taken_s + _shifts_s(rules)[:, np.newaxis]
    answered_w = np.array(seen.answered_w)[:, np.newaxis]
    course_w = np.minimum(x + np.interp(shifted_s, at_s, power_w), most_w + answered_w)
    # The readings are in order, so those of a time at which P is known stand together.
    first = np.count_nonzero(shifted_s < at_s[0], axis=1).tolist()
    end = np.count_nonzero(shifted_s <= at_s[-1], axis=1).tolist()
    age_s = at_s[-1] - taken_s
    spans = zip(course_w, map(slice, first, end), strict=True)
    return [(age_s[span], surplus_w[span]) for surplus_w, span in spans if span.start < span.stop]


def _likely(courses: list[tuple[F64, F64]], skew_s: float) -> list[tuple[F64, F64]]:
    """Return the courses that move least over what all of them cover; those that move hardly more are kept too."""
    if len(courses) < _SHIFTS:
        return []
    oldest_s = min(age_s[0] for age_s, _ in courses)
    moves = [_movement(surplus_w[(age_s >= skew_s) & (age_s <= oldest_s)]) for age_s, surplus_w in courses]
    least, most = min(moves), max(moves)
    return [course for course, move in zip(courses, moves, strict=True) if move <= least + _LIKELY * (most - least)]


def _movement(surplus_w: F64) -> float:
    return float(np.abs(surplus_w[1:] - surplus_w[:-1]).sum())


def _window(courses: list[F64]) -> tuple[float, float] | None:
    if not courses:
        return None
    low = min(float(surplus_w[-_RAISE_SAMPLES:].min()) for surplus_w in courses)
    high = max(float(surplus_w[-_LOWER_SAMPLES:].max()) for surplus_w in courses)
    return low, max(low, high)
