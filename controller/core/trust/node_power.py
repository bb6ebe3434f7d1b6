"""Which readings may be believed, and what each node draws by them; of two meters of a node the larger load counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.core.modes import Trust
from controller.core.site import F64, Bool, Rules, Site
from controller.core.snapshot import MeterColumns, Snapshot
from controller.core.surplus.estimate import SurplusState

#: A meter that shows more than this multiple of its rating shows nonsense.
PLAUSIBLE = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePower:
    """Power of the nodes (N,) by their fresh meters; `known` where there is one; `taken_s` of the oldest used."""

    watts: F64
    known: Bool
    taken_s: F64


def plausible(site: Site, meters: MeterColumns) -> Bool:
    """Return which meters (K,) show a power that their node can draw, and nothing that cannot be true."""
    believable = np.abs(meters.power_w) <= PLAUSIBLE * site.meters.rating_w
    return np.asarray(believable & meters.sane, dtype=np.bool_)


def usable(site: Site, meters: MeterColumns, now_s: float) -> Bool:
    """Return which meters (K,) are plausible and fresh."""
    return np.asarray(plausible(site, meters) & (now_s - meters.taken_s <= site.rules.suspect_s), dtype=np.bool_)


def node_power(site: Site, meters: MeterColumns, now_s: float) -> NodePower:
    """Return each node's power by its fresh and plausible meters, the largest where there are several."""
    count = len(site.tree.ids)
    watts = np.zeros(count)
    known = np.zeros(count, dtype=np.bool_)
    taken_s = np.full(count, now_s)
    for k in np.flatnonzero(usable(site, meters, now_s)):
        n = site.meters.node[k]
        watts[n] = max(watts[n], meters.power_w[k]) if known[n] else meters.power_w[k]
        taken_s[n] = min(taken_s[n], meters.taken_s[k])
        known[n] = True
    return NodePower(watts=watts, known=known, taken_s=taken_s)


def trust_meters(site: Site, meters: MeterColumns, now_s: float) -> Trust:
    """Return what the meters leave in doubt: any that is late or not believed; lost is a site without any for long."""
    rules = site.rules
    age_s = now_s - meters.taken_s
    sane = plausible(site, meters)
    doubts = [_doubt(site, k, age_s[k], bool(sane[k]), meters) for k in range(len(site.meters.ids))]
    at_root = site.meters.node == 0
    lost = () if np.any(at_root & sane & (age_s <= rules.bad_s)) else ("no trusted meter of the site's power",)
    return Trust(doubts=tuple(text for text in doubts if text), lost=lost)


def _doubt(site: Site, k: int, age_s: float, sane: bool, meters: MeterColumns) -> str:
    name = site.meters.ids[k]
    if meters.doubts[k]:
        return f"meter {name} {meters.doubts[k]}"
    if age_s > site.rules.suspect_s:
        if meters.unusable[k]:
            return f"meter {name} gives no value: {meters.unusable[k]}"
        return f"meter {name} has never been read" if np.isinf(age_s) else f"meter {name} is silent"
    if not sane:
        return f"meter {name} shows more than {PLAUSIBLE:.0%} of its rating: is its profile the right one?"
    return ""


def trust_inputs(site: Site, snapshot: Snapshot, surplus: SurplusState, contradictions: tuple[str, ...]) -> Trust:
    """Return all that is in doubt or lost in this snapshot: meters, surplus, the link to the fleet.

    `contradictions`: those that have lasted.
    """
    rules, now_s = site.rules, snapshot.now_s
    meters = trust_meters(site, snapshot.meters, now_s)
    doubts, lost = [*meters.doubts, *contradictions], list(meters.lost)
    doubts += _surplus_doubts(rules, surplus, now_s)
    if now_s >= snapshot.link_lost_s:
        doubts.append("no link to the broker")
    if now_s - snapshot.link_lost_s > rules.lease_s:
        lost.append("no link to the broker for longer than a lease")
    if snapshot.orders_unsure:
        lost.append(snapshot.orders_unsure)
    return Trust(doubts=tuple(doubts), lost=tuple(lost))


def _surplus_doubts(rules: Rules, surplus: SurplusState, now_s: float) -> list[str]:
    age_s, frozen = now_s - surplus.heard_s, surplus.still.doubt
    if np.isinf(age_s):
        return ["the surplus has never been read"]
    doubts = [frozen] if frozen else []
    if age_s > rules.surplus_stale_s:
        doubts.append("the surplus signal is stale: it counts as zero")
    elif age_s > rules.surplus_suspect_s and not frozen:
        doubts.append("the surplus is silent")
    return doubts
