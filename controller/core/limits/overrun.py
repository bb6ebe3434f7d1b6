"""Reality against the envelope: how long a trusted meter has shown more than its node may draw, whatever was decided.

What a node may draw is the larger of its envelope and its floor. Of that the house load counts only as far as it is declared:
what devices draw against their word looks like house load. Power follows a new envelope within the settle time, so
what counts is the largest of that long. The tolerance is 1 % of it, or the meter's class.

What a node was allowed before the start nobody knows any more, but that it was no more than its ceiling: its rating, the contract, and
what it carries in A or VA. One that the first look finds above that is told at once, for who knows how long it has been.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from controller.core.floor import declared_floor_w
from controller.core.limits.envelope import Envelope, standing_limits
from controller.core.masks import some
from controller.core.modes import Doubts
from controller.core.reasons import Code, Reason
from controller.core.site import F64, Bool, Site
from controller.core.trust.node_power import NodePower

#: Share of its limit by which a node may be above it.
TOLERANCE: Final = 0.01
#: When each part of a time began, and the most that the nodes (N,) were allowed in it, the oldest first.
Recent: TypeAlias = tuple[tuple[float, F64], ...]
#: In so many parts the settle time is remembered.
_PARTS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrun:
    """What is remembered of the nodes (N,) from tick to tick.

    `above_s`: since when the meter has shown more than the node may draw, ``inf`` while it does not. `allowed_w`: what it may
    draw as of the last tick. `unreachable`: it cannot be brought so low now. `recent`: parts of the last settle time, when
    each began and the most that the nodes were allowed in it, the oldest first. `class_w`: what a meter of the node may err.
    `ceiling_w`: the most that the node was ever allowed, ``inf`` while that is not known. `undated`: each look since the start has found it
    above that, or there was none.
    """

    above_s: F64
    allowed_w: F64
    unreachable: Bool
    recent: Recent
    class_w: F64
    ceiling_w: F64
    undated: Bool


def no_overrun(site: Site) -> Overrun:
    """Return what a controller remembers that has just started."""
    count = len(site.tree.ids)
    class_w = np.zeros(count)
    np.maximum.at(class_w, site.meters.node, site.meters.class_w)
    ceiling_w = np.maximum(standing_limits(site).limit_w, declared_floor_w(site))
    ceiling_w[[each.node for each in site.carries]] = np.inf
    return Overrun(
        above_s=np.full(count, np.inf),
        allowed_w=ceiling_w,
        unreachable=np.zeros(count, dtype=np.bool_),
        recent=(),
        class_w=class_w,
        ceiling_w=ceiling_w,
        undated=np.isin(np.arange(count), site.meters.node),
    )


def tolerance_w(overrun: Overrun, node: int, limit_w: float) -> float:
    """Return by how many watts a node may be above a limit and still keep it."""
    return max(TOLERANCE * limit_w, float(overrun.class_w[node]))


def _with_tolerance(overrun: Overrun, allowed_w: F64) -> F64:
    """Return what nodes (N,) may draw, which is never below zero, with `tolerance_w`."""
    return allowed_w + np.maximum(TOLERANCE * allowed_w, overrun.class_w)


def look(overrun: Overrun, power: NodePower, now_s: float) -> Overrun:
    """Return the overrun after the meters were read; a node that is not seen is neither found above nor inside."""
    above = power.watts > _with_tolerance(overrun, overrun.allowed_w)
    since_s = np.where(above, np.minimum(overrun.above_s, now_s), np.inf)
    undated = overrun.undated
    if some(undated):
        beyond = power.watts > _with_tolerance(overrun, overrun.ceiling_w)
        undated = np.where(power.known & np.isfinite(overrun.ceiling_w), undated & beyond, undated)
    return replace(overrun, above_s=np.where(power.known, since_s, overrun.above_s), undated=undated)


def unshown(overrun: Overrun, power: NodePower) -> Bool:
    """Return the nodes (N,) that cannot be brought inside their envelope, and that no trusted meter shows inside it."""
    return np.asarray(overrun.unreachable & ~(power.known & np.isinf(overrun.above_s)), dtype=np.bool_)


def over_envelope(overrun: Overrun, site: Site, power: NodePower, now_s: float) -> Doubts:
    """Return the nodes that have drawn more than they may for longer than the settle time, or since nobody knows when: a doubt, whatever was decided."""
    undated = overrun.undated & power.known & np.isfinite(overrun.ceiling_w)
    lasting = power.known & (now_s - overrun.above_s > span_s(site))
    if not (some(lasting) or some(undated)):
        return Doubts()
    most_w = np.max([watts for _, watts in overrun.recent], axis=0) if some(lasting) else overrun.ceiling_w
    nodes = np.flatnonzero(undated | (lasting & (power.watts > _with_tolerance(overrun, most_w)))).tolist()
    return Doubts(doubts=tuple(_reason(overrun, site, power, n, now_s) for n in nodes))


def _reason(overrun: Overrun, site: Site, power: NodePower, n: int, now_s: float) -> Reason:
    over_w, since_s = float(power.watts[n] - overrun.allowed_w[n]), max(now_s - float(overrun.above_s[n]), 0.0)
    return Reason(Code.OVER_ENVELOPE, site.tree.ids[n], {"over_w": over_w, "since_s": since_s})


def allow(overrun: Overrun, site: Site, bounds: Envelope, floor_w: F64, ceiling_w: F64, now_s: float) -> Overrun:
    """Return the overrun with what the nodes may draw from now on; `floor_w` (N,): with everything off; `ceiling_w` (N,): what they ever may."""
    allowed_w = np.maximum(bounds.limit_w, floor_w)
    recent = remember_most(overrun.recent, allowed_w, now_s, span_s(site))
    return Overrun(
        above_s=overrun.above_s,
        allowed_w=allowed_w,
        unreachable=bounds.infeasible,
        recent=recent,
        class_w=overrun.class_w,
        ceiling_w=np.maximum(ceiling_w, floor_w),
        undated=overrun.undated,
    )


def remember_most(recent: Recent, allowed_w: F64, now_s: float, for_s: float) -> Recent:
    """Return the parts of the last `for_s` with what the nodes (N,) may draw now."""
    if recent and now_s - recent[-1][0] < for_s / _PARTS:
        recent = (*recent[:-1], (recent[-1][0], np.maximum(recent[-1][1], allowed_w)))
    else:
        recent = (*recent, (now_s, allowed_w))
    # A part ends where the next begins.
    while len(recent) > 1 and recent[1][0] < now_s - for_s:
        recent = recent[1:]
    return recent


def span_s(site: Site) -> float:
    """Return for how long a node may be above: its devices settle, and the meter shows it with the skew of its clock."""
    return site.rules.settle_s + site.rules.skew_s
