"""What a node may carry in amperes or volt-amperes, as a limit in W that follows its meter.

A meter shows watts P and amperes I, of the phase that carries most, in one sample. What flows now is taken as it is shown; each
watt beyond it, at the worst that is declared: of a node that may carry M the limit is ``P + (M - I) * least_w``. So no volts, no
power factor and no share of the house load have to be extrapolated, and where I comes to M the limit is P, whatever they are.
Above M it is ``P * M / I``. Nothing is learnt that a doubt could leave behind: without a meter that may be believed the limit is
``M * least_w``.

- The highest phase counts, and never less than the mean with the imbalance that is declared: which phase a device hangs on
  nobody knows here, and the next one that is switched on may be on the highest.
- Amperes that could not carry the watts at the volts that are shown count as those that could.
- What the meter may err, its class, is kept free.
- The limit falls at once. It rises only by a proven meter that nothing speaks against, and stays a little under what that shows, so that
  volts that waver move no device.
- While the control starts nothing is raised, and what runs was inside the limit: until its meter has spoken that is the limit.
- A meter that falls silent takes the limit down to the declared worst between the ages of `Rules.suspect_s` and `Rules.bad_s`; one
  that is found false, at once.

Amperes are those that the meter shows, so harmonics count as far as it measures true RMS. What they heat beyond that, the neutral
conductor, and a transformer's losses are not covered: declare a smaller limit for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from controller.core.limits.envelope import Limit
from controller.core.reasons import Code, Reason
from controller.core.site import F64, Carrying, Site
from controller.core.trust.columns import usable
from controller.core.trust.judge import Judgement, Trust
from controller.core.trust.meter_trust import Shown
from controller.core.trust.plausibility import agrees_in_scale

#: Share of the declared worst by which the limit stays under what the meter shows once it has had to fall.
_STILL: Final = 0.01
#: From this share of what the node may carry on, its meter tells whether the declared worst is the worst: by more than this share.
_TELLING: Final = 0.5
_WORSE: Final = 0.01
#: Volts below this share of the lowest are those of the other side of a transformer, and so may be the amperes.
_OTHER_SIDE: Final = 0.5
#: Volts to neutral and amperes of each phase.
_PHASES: Final = tuple((f"voltage_l{k}_n_v", f"current_l{k}_a") for k in (1, 2, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedNow:
    """What a node carries now, and what that lets it draw.

    `limit_w`: what counts now. `shown`: A of the highest phase, or VA, by its meters; None while none counts. `least_w`: watts that
    one A, or VA, carries now, by the same. `taken_s`: of that sample, ``-inf`` before the first; `from_w`: the limit as of it.
    """

    limit_w: float
    shown: float | None = None
    least_w: float | None = None
    taken_s: float = -math.inf
    from_w: float = 0.0


@dataclass(frozen=True, slots=True)
class _Flow:
    """Of one sample: W, the A or VA that count, what they allow in W; `sure`: the volts vouch for the scale of the amperes."""

    power_w: float
    carried: float
    limit_w: float
    taken_s: float
    sure: bool


def phase_quantities(phases: int) -> tuple[str, ...]:
    """Return what a meter has to show beside its power, in the same sample: volts to neutral and amperes of each phase."""
    return tuple(name for pair in _PHASES[:phases] for name in pair)


def nothing_carried(site: Site) -> tuple[CarriedNow, ...]:
    """Return what a controller knows that has just started: the declared worst counts."""
    return tuple(CarriedNow(limit_w=each.worst_w) for each in site.carries)


def worst_limits(site: Site) -> list[Limit]:
    """Return the limits that count while no meter does."""
    return [_limit(site, each, each.worst_w) for each in site.carries]


def carrying_limits(site: Site, carried: Sequence[CarriedNow]) -> list[Limit]:
    """Return the limits that count now."""
    return [_limit(site, each, now.limit_w) for each, now in zip(site.carries, carried, strict=True)]


def ceiling_w(site: Site, carried: Sequence[CarriedNow], standing_w: F64) -> F64:
    """Return what the nodes (N,) ever may: the limits that never change, and the watts that what they may carry is now, ``inf`` while no meter shows that.

    Of one that carries nothing now those are the declared worst.
    """
    if not site.carries:
        return standing_w
    ever_w = standing_w.copy()
    for each, now in zip(site.carries, carried, strict=True):
        least_w = each.least_w if now.shown == 0.0 else now.least_w
        ever_w[each.node] = math.inf if least_w is None else min(ever_w[each.node], least_w * each.most)
    return ever_w


def _limit(site: Site, carrying: Carrying, limit_w: float) -> Limit:
    kind = "kva" if carrying.apparent else "amperes"
    return Limit(node=carrying.node, limit_w=limit_w, name=f"{kind}:{site.tree.ids[carrying.node]}")


def follow_carried(
    carried: Sequence[CarriedNow], site: Site, trust: Trust, judgement: Judgement, now_s: float, runs_w: F64 | None
) -> tuple[CarriedNow, ...]:
    """Return what the nodes carry by all that may be believed now; `runs_w` (N,): what runs below them while the control starts, None later."""
    if not site.carries:
        return ()
    counting, nodes = usable(site, judgement.meters, now_s).tolist(), judgement.nodes
    proven, still, false = nodes.proven.tolist(), nodes.still.tolist(), nodes.false.tolist()
    class_w = (site.meters.accuracy * site.meters.rating_w).tolist()
    found = []
    for carrying, before in zip(site.carries, carried, strict=True):
        n = carrying.node
        mine = [] if false[n] else [k for k in carrying.meters if counting[k]]
        seen = [_flow(carrying, trust.sources[site.meters.ids[k]].shown, class_w[k]) for k in mine]
        flows = [flow for flow in seen if flow is not None]
        if flows:
            at_most_w = (
                math.inf
                if runs_w is not None
                else before.limit_w
                if proven[n]
                else min(before.limit_w, carrying.worst_w)
            )
            found.append(_followed(carrying, at_most_w, flows, may_rise=proven[n] and not still[n]))
        elif runs_w is not None and math.isinf(before.taken_s):
            found.append(replace(before, limit_w=max(carrying.worst_w, float(runs_w[n]))))
        else:
            age_s = math.inf if false[n] else now_s - before.taken_s
            found.append(_unseen(carrying, before, site, age_s))
    return tuple(found)


def _followed(carrying: Carrying, at_most_w: float, flows: Sequence[_Flow], *, may_rise: bool) -> CarriedNow:
    """Return the limit by what flows: of several meters the one that allows least; above `at_most_w` only where it may rise."""
    least = min(flows, key=lambda flow: flow.limit_w)
    limit_w = min(at_most_w, least.limit_w)
    if may_rise and all(flow.sure for flow in flows):
        limit_w = max(limit_w, least.limit_w - _STILL * carrying.worst_w)
    return CarriedNow(
        limit_w=limit_w,
        shown=least.carried,
        least_w=least.power_w / least.carried if least.carried > 0.0 else None,
        taken_s=min(flow.taken_s for flow in flows),
        from_w=limit_w,
    )


def _unseen(carrying: Carrying, before: CarriedNow, site: Site, age_s: float) -> CarriedNow:
    """Return the limit without a meter that counts, the newest of `age_s`: on its way to the declared worst, or there."""
    suspect_s, bad_s = site.rules.suspect_s, site.rules.bad_s
    share = 1.0 if age_s >= bad_s else max((age_s - suspect_s) / (bad_s - suspect_s), 0.0)
    sunk_w = before.from_w + share * (carrying.worst_w - before.from_w)
    return replace(before, limit_w=min(before.limit_w, sunk_w), shown=None, least_w=None)


def _flow(carrying: Carrying, shown: Mapping[str, Shown], class_w: float) -> _Flow | None:
    """Return what one meter shows; None where its newest sample of power is without volts and amperes of each phase."""
    power = shown.get("active_power_w")
    if power is None:
        return None
    phases = _phases(carrying, shown, power.taken_s)
    if phases is None:
        return None
    power_w, carried_va = power.value, sum(volts * amperes for volts, amperes in phases)
    carried = _apparent(carrying, phases, power_w) if carrying.apparent else _amperes(carrying, phases, power_w)
    return _Flow(
        power_w=power_w,
        carried=carried,
        limit_w=max(_allowed_w(carrying, power_w, carried) - class_w, 0.0),
        taken_s=power.taken_s,
        sure=agrees_in_scale(carried_va, power_w),
    )


def _phases(carrying: Carrying, shown: Mapping[str, Shown], taken_s: float) -> list[tuple[float, float]] | None:
    """Return volts to neutral and amperes of each phase in the sample that was taken then; None where they are not this node's."""
    found = []
    for volts_name, amperes_name in _PHASES[: carrying.phases]:
        volts, amperes = shown.get(volts_name), shown.get(amperes_name)
        if volts is None or amperes is None or volts.value <= _OTHER_SIDE * carrying.least_v:
            return None
        if volts.taken_s != taken_s or amperes.taken_s != taken_s:
            return None
        found.append((volts.value, abs(amperes.value)))
    return found


def _amperes(carrying: Carrying, phases: Sequence[tuple[float, float]], power_w: float) -> float:
    """Return the amperes of the highest phase, as they count."""
    mean = sum(amperes for _, amperes in phases) / len(phases)
    least = abs(power_w) / sum(volts for volts, _ in phases)
    return max(*(amperes for _, amperes in phases), (1.0 + carrying.imbalance) * max(mean, least))


def _apparent(carrying: Carrying, phases: Sequence[tuple[float, float]], power_w: float) -> float:
    """Return the volt-amperes as they count: as if all phases carried what the highest does."""
    each = [volts * amperes for volts, amperes in phases]
    return max(len(each) * max(each), (1.0 + carrying.imbalance) * max(sum(each), abs(power_w)))


def _allowed_w(carrying: Carrying, power_w: float, carried: float) -> float:
    left = carrying.most - carried
    allowed_w = power_w + left * carrying.least_w
    return allowed_w if left >= 0.0 else min(allowed_w, power_w * carrying.most / carried)


def worse_than_declared(site: Site, carried: Sequence[CarriedNow]) -> tuple[Reason, ...]:
    """Return the nodes that carry fewer watts for their amperes than is declared as the worst: without their meter they carry too much."""
    return tuple(
        Reason(
            Code.CARRIES_WORSE,
            site.tree.ids[each.node],
            {"unit": each.unit, "shown_w": now.least_w, "declared_w": each.least_w},
        )
        for each, now in zip(site.carries, carried, strict=True)
        if now.shown is not None and now.least_w is not None
        if now.shown > _TELLING * each.most and now.least_w < (1.0 - _WORSE) * each.least_w
    )
