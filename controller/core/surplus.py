"""The surplus S from the surplus reading x and the site's power P at the same instant.

``direct`` S = x; ``export`` S = x + P; ``headroom`` S = rating - (x - P). The clocks of the two readings may be apart by
up to `skew_s`, by how much is not known. So each shift of P that is possible gives a course of S, and those that make S
move more than need be are dropped: they mistake the site's own change for one of the surplus. S is taken to lie between
the lowest and the highest of what is left, and the estimate moves only when that leaves it no choice, which is what keeps
a site from chasing its own change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.core.site import F64, Rules, SurplusModel
from controller.core.snapshot import SurplusReading

#: A rise counts after this many samples in a row, a fall after two: one spike moves nothing.
_RAISE_SAMPLES = 3
_LOWER_SAMPLES = 2
_KEPT_S = 10.0
#: Shifts between the two clocks that are looked at.
_SHIFTS = 9
#: A shift is likely when its surplus moves more than the steadiest by at most this share of what the worst one does.
_LIKELY = 0.1

Series = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SurplusState:
    """`estimate_w`: S, None before the first. `readings`, `powers`: recent (taken_s, watts) of x and P, in order.

    `heard_s`: when the newest reading was taken, ``-inf`` without any.
    """

    estimate_w: float | None = None
    readings: Series = ()
    powers: Series = ()
    heard_s: float = float("-inf")


def estimate_surplus(
    state: SurplusState,
    rules: Rules,
    reading: SurplusReading | None,
    site_power: tuple[float, float] | None,
    now_s: float,
) -> SurplusState:
    """Return the state with this tick's reading and `site_power` (taken_s, watts) taken in.

    A reading older than `surplus_stale_s` makes the estimate zero: never the last value.
    """
    readings = _append(state.readings, (reading.taken_s, reading.value_w) if reading else None)
    powers = _append(state.powers, site_power)
    heard_s = reading.taken_s if reading else state.heard_s
    if now_s - heard_s > rules.surplus_stale_s:
        return SurplusState(estimate_w=0.0 if readings else None, readings=readings, powers=powers, heard_s=heard_s)
    bounds = _bounds(rules, readings, powers)
    estimate_w = state.estimate_w
    if bounds is not None:
        low, high = bounds
        estimate_w = low if estimate_w is None else min(max(estimate_w, low), high)
    return SurplusState(estimate_w=estimate_w, readings=readings, powers=powers, heard_s=heard_s)


def _append(series: Series, item: tuple[float, float] | None) -> Series:
    if item is None or (series and item[0] <= series[-1][0]):
        return series
    return (*(old for old in series if item[0] - old[0] <= _KEPT_S), item)


def _bounds(rules: Rules, readings: Series, powers: Series) -> tuple[float, float] | None:
    if not readings:
        return None
    if rules.surplus_model is SurplusModel.DIRECT:
        return _window([np.array([value for _, value in readings])])
    if not powers:
        return None
    courses = _likely(_courses(rules, np.array(readings), np.array(powers)), rules.skew_s)
    return _window([surplus_w for _, surplus_w in courses])


def _courses(rules: Rules, readings: F64, powers: F64) -> list[tuple[F64, F64]]:
    """Return (seconds before the newest power, surplus) of every reading, for each shift that is possible."""
    taken_s, value_w = readings.T
    at_s, power_w = powers.T
    x = value_w if rules.surplus_model is SurplusModel.EXPORT else rules.surplus_rating_w - value_w
    courses = []
    for shift_s in np.linspace(-rules.skew_s, rules.skew_s, _SHIFTS):
        seen = (taken_s + shift_s >= at_s[0]) & (taken_s + shift_s <= at_s[-1])
        if seen.any():
            aligned_w = x[seen] + np.interp(taken_s[seen] + shift_s, at_s, power_w)
            courses.append((at_s[-1] - taken_s[seen], aligned_w))
    return courses


def _likely(courses: list[tuple[F64, F64]], skew_s: float) -> list[tuple[F64, F64]]:
    """Return the courses that move least over what all of them cover; those that move hardly more are kept too."""
    if len(courses) < _SHIFTS:
        return []
    oldest_s = min(age_s[0] for age_s, _ in courses)
    moves = [_movement(surplus_w[(age_s >= skew_s) & (age_s <= oldest_s)]) for age_s, surplus_w in courses]
    least, most = min(moves), max(moves)
    return [course for course, move in zip(courses, moves, strict=True) if move <= least + _LIKELY * (most - least)]


def _movement(surplus_w: F64) -> float:
    return float(np.abs(np.diff(surplus_w)).sum())


def _window(courses: list[F64]) -> tuple[float, float] | None:
    if not courses:
        return None
    low = min(float(surplus_w[-_RAISE_SAMPLES:].min()) for surplus_w in courses)
    high = max(float(surplus_w[-_LOWER_SAMPLES:].max()) for surplus_w in courses)
    return low, max(low, high)
