"""The surplus S from the surplus reading x and the site's power P at the same instant.

``direct`` S = x; ``export`` S = x + P; ``headroom`` S = rating - (x - P). The two readings may be apart by up to
`skew_s`, so S is only known to lie between x + min P and x + max P over that time around x. The estimate moves only
when that interval leaves it no choice: that is what keeps a site from chasing its own change.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.site import Rules, SurplusModel
from controller.core.snapshot import SurplusReading

#: A rise counts after this many samples in a row, a fall after two: one spike moves nothing.
_RAISE_SAMPLES = 3
_LOWER_SAMPLES = 2
_KEPT_S = 10.0

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
    if rules.surplus_model is SurplusModel.DIRECT:
        return _window([value for _, value in readings], [value for _, value in readings])
    lows: list[float] = []
    highs: list[float] = []
    for taken_s, value in readings:
        near = _powers_near(powers, taken_s, rules.skew_s)
        if near:
            x = value if rules.surplus_model is SurplusModel.EXPORT else rules.surplus_rating_w - value
            lows.append(x + min(near))
            highs.append(x + max(near))
    return _window(lows, highs)


def _powers_near(powers: Series, at_s: float, skew_s: float) -> list[float]:
    # Empty until P is known on both sides: a half window would take the site's own change for surplus.
    if not powers or powers[-1][0] < at_s + skew_s:
        return []
    inside = [value for taken_s, value in powers if abs(taken_s - at_s) <= skew_s]
    before = [value for taken_s, value in powers if taken_s < at_s - skew_s][-1:]
    after = [value for taken_s, value in powers if taken_s > at_s + skew_s][:1]
    return before + inside + after


def _window(lows: list[float], highs: list[float]) -> tuple[float, float] | None:
    if not lows:
        return None
    low = min(lows[-_RAISE_SAMPLES:])
    high = max(highs[-_LOWER_SAMPLES:])
    return low, max(low, high)
