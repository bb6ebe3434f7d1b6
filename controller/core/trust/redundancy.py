"""Meters that stand in for each other: what leads a node when one of its meters falls silent.

While all meters of a node speak, the larger load counts. When one falls silent, the others are as good as those of a node
that never had more, once steps of the fleet have proven one of them; what they showed less than the largest, averaged
while all agreed, is added. Where all that the fleet may draw is too little for such a step, none is asked for: they lead as
at the start of a site, and the first steps up prove or refute them. If they disagreed beyond their class within the hour before, nobody here can tell which of
them was right: a person has to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from controller.core.fleet.bounds import FleetBelow
from controller.core.masks import every, some
from controller.core.reasons import Code, Reason
from controller.core.site import F64, LONGEST_TICK_S, Bool, Site
from controller.core.trust.columns import MeterColumns, usable
from controller.core.trust.node_trust import silent
from controller.core.trust.step_test import StepTests, known_within, proving_step_w

#: A difference is averaged over this time: that the clocks of two meters differ evens out over the site's ups and downs.
_AVERAGED_S: Final = 300.0
#: A step is good for this long.
_PROVEN_S: Final = 900.0
#: Meters that were apart within this time before one fell silent need a person.
_APART_S: Final = 3600.0
#: A meter that is gone for no longer than this needs no deliberate step.
_PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Redundancy:
    """What is remembered of meters that share a node.

    Meters (K,): `under_w`: what each shows less than the largest of its node, averaged over `_AVERAGED_S`; NaN where they
    never agreed. Nodes (N,): `apart_s`: when its meters last disagreed beyond their class. `agree`: all of them speak, and do
    not now. `missing`: some of several are silent, and nothing speaks against the others. `alone`: these lead it. `begun_s`: when a deliberate step was begun for that, ``-inf`` if
    none was; `step_to_w`: the most that the devices below may draw for it, ``inf`` without. `at_s`: of the last tick.
    """

    at_s: float
    under_w: F64
    apart_s: F64
    agree: Bool
    missing: Bool
    alone: Bool
    begun_s: F64
    step_to_w: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIns:
    """What is to be said of meters that stand in for others; `replaced`: the silent ones that others stand in for."""

    warnings: tuple[Reason, ...] = ()
    doubts: tuple[Reason, ...] = ()
    replaced: frozenset[str] = frozenset()


def no_redundancy(meters: int, nodes: int) -> Redundancy:
    """Return what is known before the first sample."""
    return Redundancy(
        at_s=math.inf,
        under_w=np.full(meters, np.nan),
        apart_s=np.full(nodes, -np.inf),
        agree=np.zeros(nodes, dtype=np.bool_),
        missing=np.zeros(nodes, dtype=np.bool_),
        alone=np.zeros(nodes, dtype=np.bool_),
        begun_s=np.full(nodes, -np.inf),
        step_to_w=np.full(nodes, np.inf),
    )


def compare(
    old: Redundancy, site: Site, meters: MeterColumns, disagreeing: Iterable[Reason], now_s: float
) -> Redundancy:
    """Return the record with how the meters of each node differ now; `disagreeing`: what says that they contradict each other."""
    node = site.meters.node
    if node.size < 2:
        return old
    several = np.bincount(node, minlength=old.missing.size) > 1
    if not some(several):
        return old
    fresh = usable(site, meters, now_s)
    contradicted = _named(site, disagreeing)
    whole = several & (np.bincount(node[~fresh], minlength=several.size) == 0)
    agreeing = (whole & ~contradicted)[node]
    top_w = np.full(several.size, -np.inf)
    np.maximum.at(top_w, node, meters.power_w)
    gap_w = top_w[node] - meters.power_w
    share = 1.0 - math.exp(-min(max(now_s - old.at_s, 0.0), LONGEST_TICK_S) / _AVERAGED_S)
    mean_w = np.where(np.isnan(old.under_w), gap_w, old.under_w + share * (gap_w - old.under_w))
    under_w = np.where(agreeing, mean_w, old.under_w)
    beyond, apart = np.zeros_like(several), np.zeros_like(several)
    beyond[node[agreeing & (under_w > _class_w(site))]] = True
    apart[node[gap_w > _class_w(site)]] = True
    return replace(
        old,
        at_s=now_s,
        under_w=under_w,
        apart_s=np.where(beyond | contradicted, now_s, old.apart_s),
        agree=whole & ~contradicted & ~beyond & ~apart,
    )


def _named(site: Site, reasons: Iterable[Reason]) -> Bool:
    subjects = {reason.subject for reason in reasons if reason.code is Code.METERS_DISAGREE}
    return np.array([name in subjects for name in site.tree.ids], dtype=np.bool_)


def _class_w(site: Site) -> F64:
    """Return by how much each meter (K,) may differ from another of its node of the same class."""
    return 2.0 * site.meters.class_w


def with_difference(record: Redundancy, site: Site, meters: MeterColumns, now_s: float) -> MeterColumns:
    """Return the meters as they count: while one of a node does not, the others show what it showed more."""
    node, fresh = site.meters.node, usable(site, meters, now_s)
    if every(fresh):
        return meters
    lacking = np.zeros_like(record.missing)
    lacking[node[~fresh]] = True
    added_w = np.where(lacking[node], np.where(np.isnan(record.under_w), 0.0, record.under_w), 0.0)
    return replace(meters, power_w=meters.power_w + added_w) if some(added_w) else meters


def stand_in(
    old: Redundancy,
    site: Site,
    meters: MeterColumns,
    against: Mapping[str, tuple[Reason, ...]],
    steps: StepTests,
    fleet: FleetBelow,
    now_s: float,
    confirmed: Bool | None = None,
) -> tuple[Redundancy, StandIns]:
    """Return the record after this tick and what is to be said; `against`: by meter, what speaks against it now.

    `confirmed` (K,): meters that a person says are right, None where there are none; each still has to follow a step.
    """
    if not some(old.missing) and not any(against.values()):
        return old, StandIns()
    gone, missing = _missing(old, site, meters, against, now_s)
    if not some(missing):
        return replace(old, missing=missing, alone=missing, step_to_w=np.full(missing.size, np.inf)), StandIns()
    node = site.meters.node
    gone_s = np.full(missing.size, np.inf)
    np.minimum.at(gone_s, node[gone], meters.taken_s[gone])
    stepped = np.zeros_like(missing)
    stepped[node[~gone & steps.unquestioned & (now_s - steps.agreed_s <= _PROVEN_S)]] = True
    apart = missing & (old.apart_s > gone_s - _APART_S)
    if confirmed is not None:
        apart[node[confirmed & ~gone]] = False
    proven = old.alone | stepped | (fleet.most_w < _needed_w(site))
    unproven = missing & ~apart & ~proven
    # The first tick of a silence is a doubt, whatever was proven before.
    new = replace(old, missing=missing, alone=missing & ~apart & proven & old.missing)
    stepping = _stepping(new, site, fleet, unproven, now_s - gone_s > _PATIENCE_S, now_s)
    return stepping, _said(new, site, gone, apart, unproven)


def _missing(
    old: Redundancy, site: Site, meters: MeterColumns, against: Mapping[str, tuple[Reason, ...]], now_s: float
) -> tuple[Bool, Bool]:
    """Return which meters (K,) are silent that others may stand in for, and the nodes (N,) of these."""
    ids, node = site.meters.ids, site.meters.node
    gone = np.array([silent(against[name]) for name in ids], dtype=np.bool_)
    good = np.array([not against[name] for name in ids], dtype=np.bool_) & usable(site, meters, now_s)
    missing, left, wrong = (np.zeros_like(old.missing) for _ in range(3))
    missing[node[gone]], left[node[good]] = True, True
    wrong[node[(~gone & ~good) | np.isnan(old.under_w)]] = True  # those that never agreed are no pair
    missing &= left & ~wrong
    return gone & missing[node], missing


def _stepping(
    new: Redundancy, site: Site, fleet: FleetBelow, unproven: Bool, long_gone: Bool, now_s: float
) -> Redundancy:
    """Return the record with the deliberate steps: one down in a quarter of an hour, as small as may prove a meter."""
    vague = np.zeros_like(unproven)
    vague[site.meters.node[~known_within(site, fleet)]] = True
    begins = unproven & long_gone & ~vague & (now_s - new.begun_s > _PROVEN_S)
    step_to_w = np.where(begins, fleet.least_w - _needed_w(site), np.where(unproven, new.step_to_w, np.inf))
    return replace(new, begun_s=np.where(begins, now_s, new.begun_s), step_to_w=step_to_w)


def _needed_w(site: Site) -> F64:
    """Return the smallest step of the devices below each node (N,) that proves any of its meters."""
    needed_w = np.zeros(len(site.tree.ids))
    np.maximum.at(needed_w, site.meters.node, proving_step_w(site))
    return needed_w


def _said(record: Redundancy, site: Site, gone: Bool, apart: Bool, unproven: Bool) -> StandIns:
    ids, node = site.meters.ids, site.meters.node
    warnings, doubts = [], []
    for n in np.flatnonzero(record.missing):
        here = node == n
        k, other = np.flatnonzero(here & ~gone)[0], ids[np.flatnonzero(here & gone)[0]]
        if apart[n]:
            doubts.append(Reason(Code.METER_UNCONFIRMED, ids[k], {"other": other}))
        elif unproven[n]:
            figures = {"other": other, "step_w": float(proving_step_w(site)[k])}
            doubts.append(Reason(Code.METER_UNPROVEN, ids[k], figures))
        elif record.alone[n]:
            figures = {"other": other, "added_w": float(record.under_w[k])}
            warnings.append(Reason(Code.METER_ALONE, ids[k], figures))
    replaced = frozenset(ids[k] for k in np.flatnonzero(gone & record.alone[node]))
    return StandIns(warnings=tuple(warnings), doubts=tuple(doubts), replaced=replaced)
