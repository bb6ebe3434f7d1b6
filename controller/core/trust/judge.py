"""All trust in the meters, asked once a tick: by the daemon, a replay, `check --live` and `meter watch` alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from controller.core.fleet.bounds import FleetBelow
from controller.core.modes import Doubts
from controller.core.reasons import Code, Reason
from controller.core.site import SURPLUS, Bool, Site
from controller.core.snapshot import SourceLoss, SourceSample
from controller.core.trust.columns import PLAUSIBLE, MeterColumns, meter_columns, plausible
from controller.core.trust.cross_check import contradictions, lasting
from controller.core.trust.meter_trust import MeterTrust, hear, lose, unheard
from controller.core.trust.node_power import NodePower, node_power
from controller.core.trust.step_test import (
    StepTests,
    after_steps,
    defied,
    no_step_tests,
    proven_nodes,
    run_step_tests,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What is remembered of the sources from tick to tick.

    `sources`: by name, the meters and the surplus. `steps`: what the fleet's steps have said of the meters (K,).
    `contradicted_s`: since when readings have contradicted each other, ``inf`` while they do not.
    """

    sources: Mapping[str, MeterTrust]
    steps: StepTests
    contradicted_s: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What may be believed now: the meters' columns, the nodes' power, the nodes (N,) whose meters are proven, the doubts.

    `reasons`: by source, all that is to be said of it, whether or not it holds the site.
    """

    meters: MeterColumns
    power: NodePower
    proven: Bool
    doubts: Doubts
    reasons: Mapping[str, tuple[Reason, ...]]


def no_trust(site: Site) -> Trust:
    """Return the trust of a controller that has heard nothing yet."""
    names = (*site.meters.ids, SURPLUS)
    return Trust(
        sources={name: unheard(name, site.rules.frequency_hz) for name in names},
        steps=no_step_tests(len(site.meters.ids)),
    )


def judge(
    trust: Trust,
    site: Site,
    heard: Iterable[SourceSample | SourceLoss],
    fleet: FleetBelow,
    now_s: float,
    *,
    starting: bool,
) -> tuple[Trust, Judgement]:
    """Return the trust after all that was `heard` since the last call, and what may be believed now.

    `starting`: nothing is raised yet, so that a contradiction counts before it has lasted.
    """
    sources = _heard(trust.sources, site, heard)
    shown = meter_columns(site, sources)
    meters = after_steps(shown, trust.steps)
    power = node_power(site, meters, now_s)
    steps = run_step_tests(trust.steps, site, shown, fleet, now_s)
    found = contradictions(site, meters, power, fleet, now_s)
    contradicted_s, counting = lasting(trust.contradicted_s, found, now_s, starting=starting)
    against = _against(site, sources, meters, trust.steps, now_s)
    lost = () if _root_is_seen(site, meters, now_s) else (Reason(Code.NO_SITE_METER, site.tree.ids[0]),)
    doubts = (*(reason for reasons in against.values() for reason in reasons), *defied(site, steps, now_s))
    judgement = Judgement(
        meters=meters,
        power=power,
        proven=proven_nodes(site, meters, steps, now_s),
        doubts=Doubts(doubts=(*doubts, *counting), lost=lost),
        reasons={name: _all(source, against.get(name, ())) for name, source in sources.items()},
    )
    return Trust(sources=sources, steps=steps, contradicted_s=contradicted_s), judgement


def _heard(
    sources: Mapping[str, MeterTrust], site: Site, heard: Iterable[SourceSample | SourceLoss]
) -> Mapping[str, MeterTrust]:
    items = tuple(heard)
    if not items:
        return sources
    ratings_w = dict(zip(site.meters.ids, site.meters.rating_w.tolist(), strict=True))
    new = dict(sources)
    for item in items:
        old = new[item.source]
        rating_w = ratings_w.get(item.source, float("inf"))
        new[item.source] = lose(old, item) if isinstance(item, SourceLoss) else hear(old, item, rating_w)
    return new


def _against(
    site: Site, sources: Mapping[str, MeterTrust], meters: MeterColumns, steps: StepTests, now_s: float
) -> dict[str, tuple[Reason, ...]]:
    """Return, by meter, what speaks against it now."""
    age_s, sane, refuted = now_s - meters.taken_s, plausible(site, meters), np.isfinite(steps.refuted_s)
    return {
        name: _of_meter(site, sources[name], float(age_s[k]), sane=bool(sane[k]), refuted=bool(refuted[k]))
        for k, name in enumerate(site.meters.ids)
    }


def _of_meter(site: Site, source: MeterTrust, age_s: float, *, sane: bool, refuted: bool) -> tuple[Reason, ...]:
    name, fault = source.source, source.fault
    doubts = (*((Reason(Code.STEPS_NOT_FOLLOWED, name),) if refuted else ()), *source.doubts)
    if doubts:
        return doubts
    if age_s > site.rules.suspect_s:
        if fault is not None and fault.code not in {Code.SOURCE_LOST, Code.METER_NEVER_READ}:
            return (fault,)
        return (Reason(Code.METER_NEVER_READ if np.isinf(age_s) else Code.METER_SILENT, name),)
    return () if sane else (Reason(Code.METER_OVER_RATING, name, {"share": PLAUSIBLE}),)


def _all(source: MeterTrust, against: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Return each reason once: a source's own come first."""
    return tuple(dict.fromkeys((*source.reasons, *against)))


def _root_is_seen(site: Site, meters: MeterColumns, now_s: float) -> bool:
    """Return whether a meter of the site itself may still be believed, be it for its last value."""
    believed = plausible(site, meters) & (now_s - meters.taken_s <= site.rules.bad_s)
    return bool(np.any(believed & (site.meters.node == 0)))
