"""All trust in the meters, asked once a tick: by the daemon, a replay, `check --live` and `meter watch` alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from controller.core.fleet.bounds import FleetBelow
from controller.core.fleet.power_cut import PowerCut
from controller.core.masks import some
from controller.core.modes import Doubts
from controller.core.reasons import Code, Reason
from controller.core.site import F64, SURPLUS, Site
from controller.core.snapshot import ConfirmedMeter, SourceLoss, SourceSample
from controller.core.trust.columns import PLAUSIBLE, MeterColumns, meter_columns, plausible, usable
from controller.core.trust.confirmed import Confirmations, look_at, remembered
from controller.core.trust.cross_check import contradictions, lasting
from controller.core.trust.meter_trust import MeterTrust, hear, lose, unheard
from controller.core.trust.node_power import NodePower, node_power
from controller.core.trust.node_trust import NodeTrust, false_meters, node_trust, silent
from controller.core.trust.redundancy import (
    Redundancy,
    StandIns,
    compare,
    no_redundancy,
    stand_in,
    with_difference,
)
from controller.core.trust.step_test import (
    StepTests,
    after_steps,
    defied,
    no_step_tests,
    proven_nodes,
    run_step_tests,
    without_lies,
    without_switched,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What is remembered of the sources from tick to tick.

    `sources`: by name, the meters and the surplus. `steps`: what the fleet's steps have said of the meters (K,).
    `redundancy`: how meters of one node have differed.
    `contradicted_s`: by node, since when readings of it have contradicted each other, or the devices below it.
    """

    sources: Mapping[str, MeterTrust]
    steps: StepTests
    redundancy: Redundancy
    contradicted_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What may be believed now: the meters' columns, the nodes' power, how far that may be learnt from, the doubts.

    `step_to_w` (N,): the most that the devices below may draw, so that they make a step that proves a meter; else ``inf``.

    `reasons`: by source, all that is to be said of it, whether or not it holds the site. `unconfirmed`: ids of people's words for
    meters that are over.
    """

    meters: MeterColumns
    power: NodePower
    nodes: NodeTrust
    step_to_w: F64
    doubts: Doubts
    reasons: Mapping[str, tuple[Reason, ...]]
    unconfirmed: tuple[str, ...] = ()


def no_trust(site: Site, confirmed: Iterable[ConfirmedMeter] = (), now_s: float = 0.0) -> Trust:
    """Return the trust of a controller that has heard nothing yet; `confirmed`: what people said before, at a start `now_s`."""
    names = (*site.meters.ids, SURPLUS)
    first = no_redundancy(len(site.meters.ids), len(site.tree.ids))
    return Trust(
        sources={name: unheard(name, site.rules.frequency_hz) for name in names},
        steps=no_step_tests(len(site.meters.ids)),
        redundancy=remembered(first, site, confirmed, now_s),
    )


def judge(
    trust: Trust,
    site: Site,
    heard: Iterable[SourceSample | SourceLoss],
    fleet: FleetBelow,
    now_s: float,
    *,
    starting: bool,
    cut: PowerCut | None = None,
    confirmed: Sequence[ConfirmedMeter] = (),
) -> tuple[Trust, Judgement]:
    """Return the trust after all that was `heard` since the last call, and what may be believed now.

    `starting`: nothing is raised yet, so that a contradiction counts before it has lasted. `cut`: what contactors have cut
    off: meters below them may be without power too, and their silence is no doubt. `confirmed`: meters that people say are right.
    """
    sources = _heard(trust.sources, site, heard)
    before = trust.steps if cut is None else without_switched(trust.steps, cut.switching[site.meters.node])
    shown = meter_columns(site, sources)
    meters = after_steps(shown, before)
    power = node_power(site, with_difference(trust.redundancy, site, meters, now_s), now_s)
    found = contradictions(site, meters, power, fleet, now_s)
    contradicted_s, counting = lasting(trust.contradicted_s, found, now_s, starting=starting)
    against = _fed(site, _against(site, sources, meters, before, now_s), cut)
    compared = compare(trust.redundancy, site, meters, counting, now_s)
    words = look_at(confirmed, site, compared, against)
    redundancy, stand_ins = stand_in(compared, site, meters, against, before, fleet, now_s, words.meters)
    doubted = {name: against[name] for name in against if name not in stand_ins.replaced}
    false, said = false_meters(site, doubted, counting), (*chain(*doubted.values()), *stand_ins.doubts)
    steps = run_step_tests(before, site, shown, fleet, now_s, redundancy.begun_s[site.meters.node] == now_s)
    judgement = Judgement(
        meters=meters, power=power,
        nodes=node_trust(site, proven_nodes(site, meters, steps, now_s), doubted, false),
        step_to_w=redundancy.step_to_w,
        doubts=_doubts(site, meters, (*said, *defied(site, steps, now_s), *counting), now_s),
        reasons={name: _all(source, against.get(name, ()), stand_ins, words) for name, source in sources.items()},
        unconfirmed=words.over,
    )  # fmt: skip
    steps = without_lies(steps, false & np.isinf(steps.refuted_s), now_s)
    return Trust(sources=sources, steps=steps, redundancy=redundancy, contradicted_s=contradicted_s), judgement


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
    counting, age_s = usable(site, meters, now_s).tolist(), (now_s - meters.taken_s).tolist()
    refuted = np.isfinite(steps.refuted_s).tolist()
    return {
        name: _of_meter(site, sources[name], age_s[k], is_usable=counting[k], refuted=refuted[k])
        for k, name in enumerate(site.meters.ids)
    }


def _fed(site: Site, against: dict[str, tuple[Reason, ...]], cut: PowerCut | None) -> dict[str, tuple[Reason, ...]]:
    """Return what speaks against the meters, without the silence of those that may be without power."""
    if cut is None or not some(cut.unfed):
        return against
    unfed = dict(zip(site.meters.ids, cut.unfed[site.meters.node].tolist(), strict=True))
    return {name: () if unfed[name] and silent(reasons) else reasons for name, reasons in against.items()}


def _of_meter(site: Site, source: MeterTrust, age_s: float, *, is_usable: bool, refuted: bool) -> tuple[Reason, ...]:
    name, fault = source.source, source.fault
    doubts = (*((Reason(Code.STEPS_NOT_FOLLOWED, name),) if refuted else ()), *source.doubts)
    if doubts or is_usable:
        return doubts
    if age_s > site.rules.suspect_s:
        if fault is not None and fault.code not in {Code.SOURCE_LOST, Code.METER_NEVER_READ}:
            return (fault,)
        return (Reason(Code.METER_NEVER_READ if math.isinf(age_s) else Code.METER_SILENT, name),)
    return (Reason(Code.METER_OVER_RATING, name, {"share": PLAUSIBLE}),)


def _all(
    source: MeterTrust, against: tuple[Reason, ...], stand_ins: StandIns, words: Confirmations
) -> tuple[Reason, ...]:
    """Return each reason once: a source's own come first."""
    own, of_others = source.reasons, (*stand_ins.warnings, *stand_ins.doubts, *words.warnings)
    if not (own or against or of_others):
        return ()
    mine = (reason for reason in of_others if reason.subject == source.source)
    return tuple(dict.fromkeys((*own, *against, *mine)))


def _doubts(site: Site, meters: MeterColumns, doubts: tuple[Reason, ...], now_s: float) -> Doubts:
    lost = () if _root_is_seen(site, meters, now_s) else (Reason(Code.NO_SITE_METER, site.tree.ids[0]),)
    return Doubts(doubts=doubts, lost=lost)


def _root_is_seen(site: Site, meters: MeterColumns, now_s: float) -> bool:
    """Return whether a meter of the site itself may still be believed, be it for its last value."""
    if some(usable(site, meters, now_s) & (site.meters.node == 0)):
        return True
    believed = plausible(site, meters) & (now_s - meters.taken_s <= site.rules.bad_s)
    return some(believed & (site.meters.node == 0))
