"""House load: what a node's meter sees beyond its devices, kept free; the loop is closed on the meter.

With the devices below a node drawing between L and H watts, a meter that shows P says that the house load lies between
P - H and P - L. The estimate moves up at once when P - H is above it (the node draws more than was thought), and down
towards P - L when that is below it: never under what has held at some time of the last minutes. So a meter that is wrong
for a while, found out or not, leaves nothing behind once it is right again; see `docs/decisions/house-load-under-doubt.md`.
It also carries the error of the devices' setpoints. It is never negative: that needs generation behind the meter, which
no site declares.

Of devices that were never heard of nothing is known but their nameplate, so what they draw counts as house load, too: `sure_w`
is what of it they cannot explain. Once they are heard of, what they surely draw counts as theirs, and no more as house load:
of both together nothing is freed by that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from controller.core.masks import every, some
from controller.core.site import F64, I64, Bool
from controller.core.trust.node_power import NodePower
from controller.core.trust.node_trust import NodeTrust

#: Time constant of the calm way down.
_CALM_S: Final = 6.0
#: A lower load counts once it has held for so many stretches of this length, so for 165 to 180 s. What was higher for less
#: than a stretch, as a late meter makes it after a cut, keeps nothing up.
_STRETCH_S: Final = 15.0
_STRETCHES: Final = 12
#: So many of the newest stretches are forgotten when a meter is found false: it takes up to 25 s to find that out.
_UNNOTICED: Final = 2
#: Where the devices may draw no more than this beyond their least, as a share of the house load, a meter measures it.
_NARROW: Final = 0.05
#: Share by which fans and pumps may draw more before a meter has shown it and the devices have made room.
HOUSE_DRIFT: Final = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseLoad:
    """What is known of the house load of each node (N,).

    `watts`: the estimate. `declared_w`: by the site file. `least_w` (stretches, N): the least that was possible in each of the
    last stretches, the newest first, ``-inf`` before the first; that began at `since_s`. `shown_w`, taken at `shown_s`: what a
    sample has shown that measures it, ``inf`` where none has. `sure_w`: what of the estimate is no device's that was never heard of.
    """

    watts: F64
    sure_w: F64
    declared_w: F64
    least_w: F64
    since_s: float
    shown_w: F64
    shown_s: F64


def declared_house(house_w: F64) -> HouseLoad:
    """Return what a controller takes for the house load (N,) that has seen nothing yet: less counts as soon as it is proven."""
    unknown_w = np.full((_STRETCHES, house_w.size), -np.inf)
    return HouseLoad(
        watts=house_w.copy(),
        sure_w=house_w.copy(),
        declared_w=house_w,
        least_w=unknown_w,
        since_s=-math.inf,
        shown_w=np.full(house_w.size, np.inf),
        shown_s=np.full(house_w.size, -np.inf),
    )


def remembered_house(declared_w: F64, watts: F64) -> HouseLoad:
    """Return the house load (N,) that was known before a restart, as if it had held in every stretch: less counts late, as ever."""
    known_w = watts.copy()
    return replace(declared_house(declared_w), watts=known_w, sure_w=known_w, least_w=np.tile(watts, (_STRETCHES, 1)))


def declared_otherwise(house: HouseLoad, declared_w: F64, metered: I64) -> HouseLoad:
    """Return the house load under what a site file declares now (N,); `metered`: nodes that have a meter.

    Where no meter shows it, it is as declared. Elsewhere the larger of both counts, until it has been shown for as long as ever
    that it is less.
    """
    other = declared_w != house.declared_w
    if not some(other):
        return house
    shown = np.zeros(declared_w.size, dtype=np.bool_)
    shown[metered] = True
    watts = np.where(other, np.where(shown, np.maximum(house.watts, declared_w), declared_w), house.watts)
    sure_w = np.where(other, watts, house.sure_w)
    return replace(
        house, watts=watts, sure_w=sure_w, declared_w=declared_w, least_w=np.where(other, watts, house.least_w)
    )


def without_heard(house: HouseLoad, heard_w: F64) -> HouseLoad:
    """Return the house load (N,) once devices are heard of for the first time; `heard_w` (N,): what those below surely draw.

    What counts as theirs from now on is house load no more, nor has it been, as far as nothing else explained it.
    """
    theirs_w = np.minimum(house.watts - house.sure_w, heard_w)
    least_w = np.maximum(house.least_w - theirs_w, np.minimum(house.least_w, house.sure_w))
    return replace(house, watts=house.watts - theirs_w, least_w=least_w)


def sure_of(house: HouseLoad, power: NodePower, most_w: F64) -> HouseLoad:
    """Return the house load with what of it is sure; `most_w` (N,): what the devices below may draw, heard of or not."""
    shown_w = np.where(power.known, power.watts - most_w, 0.0)
    return replace(house, sure_w=np.minimum(np.maximum(house.sure_w, shown_w), house.watts))


def estimate_house(
    house: HouseLoad, power: NodePower, trust: NodeTrust, least_w: F64, most_w: F64, now_s: float, elapsed_s: float
) -> HouseLoad:
    """Return the house load with what the meters show now; `least_w`, `most_w` (N,): what the devices below may draw."""
    low = np.where(power.known, power.watts - most_w, 0.0)
    high = np.where(power.known & trust.proven, np.maximum(power.watts - least_w, 0.0), np.inf)
    house = _forgetting(house, trust.false)
    calm = 1.0 - math.exp(-elapsed_s / _CALM_S)
    falls_w = np.minimum(high - house.watts, 0.0) * calm
    fallen_w = house.watts + (np.where(trust.still, 0.0, falls_w) if some(trust.still) else falls_w)
    possible_w = np.minimum(house.watts, high)
    # Where something was learnt before, no two samples alone count.
    if not every(np.isfinite(house.least_w[1])):
        measured_w, house = _measured(house, high, trust.still | (most_w - least_w > _NARROW * house.watts), power)
        fallen_w = np.minimum(fallen_w, measured_w)
    watts = np.maximum(np.maximum(fallen_w, np.maximum.reduce(house.least_w)), low)
    return _remembered(house, watts, possible_w, trust.still, now_s)


def _measured(house: HouseLoad, high: F64, vague: Bool, power: NodePower) -> tuple[F64, HouseLoad]:
    """Return the watts (N,) that two samples one after the other have shown, ``inf`` where they have not, or something was learnt before.

    Devices that are all known to the watt, as when all are off, leave a start little time for that: soon they rise.
    """
    vague = vague | np.isfinite(house.least_w[1]) | np.isinf(high)
    if every(vague):
        return np.full_like(high, np.inf), house
    another = power.taken_s > house.shown_s
    shown_w = np.where(vague, np.inf, np.where(another, high, house.shown_w))
    shown_s = np.where(vague, -np.inf, np.where(another, power.taken_s, house.shown_s))
    measured_w = np.where(another & ~vague, np.maximum(high, house.shown_w), np.inf)
    return measured_w, replace(house, shown_w=shown_w, shown_s=shown_s)


def _forgetting(house: HouseLoad, false: Bool) -> HouseLoad:
    """Return the house load as it was before the meters of the `false` nodes were wrong."""
    if not some(false):
        return house
    before_w = house.least_w[_UNNOTICED:].max(axis=0)
    before_w = np.where(np.isinf(before_w), house.declared_w, before_w)
    return replace(
        house,
        watts=np.where(false, before_w, house.watts),
        sure_w=np.where(false, before_w, house.sure_w),
        least_w=np.where(false, before_w, house.least_w),
    )


def _remembered(house: HouseLoad, watts: F64, possible_w: F64, still: Bool, now_s: float) -> HouseLoad:
    begins = now_s - house.since_s >= _STRETCH_S
    if begins:
        least_w = np.concatenate([possible_w[np.newaxis], house.least_w[:-1]])
    else:
        least_w = house.least_w.copy()
        least_w[0] = np.minimum(least_w[0], possible_w)
    if some(still):
        least_w = np.where(still, house.least_w, least_w)
    return HouseLoad(
        watts=watts,
        sure_w=house.sure_w,
        declared_w=house.declared_w,
        least_w=least_w,
        since_s=now_s if begins else house.since_s,
        shown_w=house.shown_w,
        shown_s=house.shown_s,
    )
