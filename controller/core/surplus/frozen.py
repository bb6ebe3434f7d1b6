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

from controller.core.reasons import Code, Reason
from controller.core.site import SURPLUS, Rules, SurplusModel

#: P must have gone by this many of the source's steps, which are taken to be between these shares of the contract (the
#: larger one before any was seen), and besides by this share of itself, which may be noise.
_STEPS: Final = 2.0
_STEP_SHARES: Final = (0.01, 0.05)
_NOISE: Final = 0.02
#: For how long it must have been there: longer than the slowest sources take to refresh, besides the two clocks.
_LASTING_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SurplusReading:
    """The newest good value of the surplus source; what it means is the surplus model's business."""

    value_w: float
    taken_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenSurplus:
    """What is known of how x answers to P.

    `value_w`: the newest x, which it has shown since `since_s`. `low_w`, `high_w`: between these was P when x took that
    value, as far as is known. `away_s`: since when P has been well beyond them, ``inf`` while it is not. `step_w`: the smallest change of x.
    `doubt`: why x is taken for frozen, None while it is not.
    """

    value_w: float | None = None
    since_s: float = float("-inf")
    low_w: float = float("inf")
    high_w: float = float("-inf")
    away_s: float = float("inf")
    step_w: float = float("inf")
    doubt: Reason | None = None


def watch(
    frozen: FrozenSurplus, rules: Rules, reading: SurplusReading | None, powers: tuple[tuple[float, float], ...]
) -> FrozenSurplus:
    """Return the record after this tick; `powers`: recent (taken_s, watts) of P, in order."""
    if reading is None or rules.surplus_model is SurplusModel.DIRECT:
        return frozen
    if reading.value_w != frozen.value_w:
        step_w = float("inf") if frozen.value_w is None else abs(reading.value_w - frozen.value_w)
        frozen = FrozenSurplus(value_w=reading.value_w, since_s=reading.taken_s, step_w=min(frozen.step_w, step_w))
    if not powers or powers[-1][0] < frozen.since_s - rules.skew_s:
        return frozen
    at_s, power_w = powers[-1]
    if at_s <= frozen.since_s + rules.skew_s or frozen.low_w > frozen.high_w:
        around_w = [watts for then_s, watts in powers if then_s >= frozen.since_s - rules.skew_s]
        return replace(frozen, low_w=min(around_w), high_w=max(around_w))
    lasting_s = max(_LASTING_S, rules.surplus_suspect_s) + 2.0 * rules.skew_s
    if reading.taken_s - frozen.since_s > lasting_s:
        frozen = _narrowed(frozen, [watts for _, watts in powers])
    from_w = min(max(power_w, frozen.low_w), frozen.high_w)
    away_s = min(frozen.away_s, at_s) if abs(power_w - from_w) > _well_more_w(frozen, rules, power_w) else float("inf")
    if frozen.doubt or reading.taken_s - away_s <= lasting_s:
        return replace(frozen, away_s=away_s)
    figures = {"shown_w": reading.value_w, "from_w": from_w, "to_w": power_w}
    return replace(frozen, away_s=away_s, doubt=Reason(Code.SURPLUS_FROZEN, SURPLUS, figures))


def _narrowed(frozen: FrozenSurplus, recent_w: list[float]) -> FrozenSurplus:
    """Return the record once x has had the time to answer the recent P, too: it belongs to what both leave of P."""
    low_w = min(max(frozen.low_w, min(recent_w)), frozen.high_w)
    return replace(frozen, low_w=low_w, high_w=max(min(frozen.high_w, max(recent_w)), low_w))


def _well_more_w(frozen: FrozenSurplus, rules: Rules, power_w: float) -> float:
    """Return by how much P may go away from where it was without any answer of x."""
    least, most = _STEP_SHARES
    step_w = min(max(frozen.step_w, least * rules.contract_w), most * rules.contract_w)
    return _STEPS * step_w + _NOISE * abs(power_w)
