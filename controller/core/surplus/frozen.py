"""Whether the surplus reading stands still though the site moves.

Where the surplus is worked out from the reading x and the site's power P (``export``, ``headroom``), x must move against
P: a site that draws 80 kW more exports 80 kW less. An x that repeats itself to the bit while P has gone elsewhere and
stayed there is no measurement any more, however fresh its stamps are. It is old from its last change on, until it moves.
A ``direct`` surplus owes the site no answer and cannot be judged so.

How finely a source counts, by its digits or by the change from which on it sends one, shows in the smallest of its steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from controller.core.site import Rules, SurplusModel
from controller.core.snapshot import SurplusReading

#: P must have gone by this many of the source's steps, which are taken to be between these shares of the contract (the
#: larger one before any was seen), and besides by this share of itself, which may be noise.
_STEPS: Final = 2.0
_STEP_SHARES: Final = (0.01, 0.05)
_NOISE: Final = 0.02
#: For how long it must have been there: longer than the slowest sources take to refresh, besides the two clocks.
_LASTING_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """What is known of how x answers to P.

    `value_w`: the newest x, which it has shown since `since_s`. `low_w`, `high_w`: between these was P when x took that
    value, as far as is known. `away_s`: since when P has been well beyond them, ``inf`` while it is not. `step_w`: the smallest change of x.
    `doubt`: in words, why x is taken for frozen; empty while it is not.
    """

    value_w: float | None = None
    since_s: float = float("-inf")
    low_w: float = float("inf")
    high_w: float = float("-inf")
    away_s: float = float("inf")
    step_w: float = float("inf")
    doubt: str = ""


def watch(still: Still, rules: Rules, reading: SurplusReading | None, powers: tuple[tuple[float, float], ...]) -> Still:
    """Return the record after this tick; `powers`: recent (taken_s, watts) of P, in order."""
    if reading is None or rules.surplus_model is SurplusModel.DIRECT:
        return still
    if reading.value_w != still.value_w:
        step_w = float("inf") if still.value_w is None else abs(reading.value_w - still.value_w)
        still = Still(value_w=reading.value_w, since_s=reading.taken_s, step_w=min(still.step_w, step_w))
    if not powers or powers[-1][0] < still.since_s - rules.skew_s:
        return still
    at_s, power_w = powers[-1]
    if at_s <= still.since_s + rules.skew_s or still.low_w > still.high_w:
        around_w = [watts for then_s, watts in powers if then_s >= still.since_s - rules.skew_s]
        return replace(still, low_w=min(around_w), high_w=max(around_w))
    lasting_s = max(_LASTING_S, rules.surplus_suspect_s) + 2.0 * rules.skew_s
    if reading.taken_s - still.since_s > lasting_s:
        still = _narrowed(still, [watts for _, watts in powers])
    from_w = min(max(power_w, still.low_w), still.high_w)
    away_s = min(still.away_s, at_s) if abs(power_w - from_w) > _well_more_w(still, rules, power_w) else float("inf")
    if still.doubt or reading.taken_s - away_s <= lasting_s:
        return replace(still, away_s=away_s)
    doubt = (
        f"the surplus reading stands still at {_kw(reading.value_w)} kW while the site went from {_kw(from_w)} to "
        f"{_kw(power_w)} kW: is its source frozen?"
    )
    return replace(still, away_s=away_s, doubt=doubt)


def _narrowed(still: Still, recent_w: list[float]) -> Still:
    """Return the record once x has had the time to answer the recent P, too: it belongs to what both leave of P."""
    low_w = min(max(still.low_w, min(recent_w)), still.high_w)
    return replace(still, low_w=low_w, high_w=max(min(still.high_w, max(recent_w)), low_w))


def _well_more_w(still: Still, rules: Rules, power_w: float) -> float:
    """Return by how much P may go away from where it was without any answer of x."""
    least, most = _STEP_SHARES
    step_w = min(max(still.step_w, least * rules.contract_w), most * rules.contract_w)
    return _STEPS * step_w + _NOISE * abs(power_w)


def _kw(watts: float) -> str:
    return f"{watts / 1e3:.0f}"
