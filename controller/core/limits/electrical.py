"""What is remembered of what nodes carry, and of what is billed of the site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from controller.core.limits.carrying import CarriedNow, follow_carried, nothing_carried
from controller.core.limits.demand import NO_DEMAND_USE, DemandUse, follow_demand
from controller.core.limits.house_load import HOUSE_DRIFT
from controller.core.site import F64, Site
from controller.core.snapshot import Snapshot
from controller.core.trust.judge import Judgement, Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Electrical:
    """`carried`: of each of `Site.carries`. `demand`: what the window that is billed has had."""

    carried: tuple[CarriedNow, ...]
    demand: DemandUse


class Trusted(NamedTuple):
    """What is remembered of the sources, what may be believed of it now, and whether the control still starts and raises nothing."""

    trust: Trust
    judgement: Judgement
    starting: bool


def first_electrical(site: Site, demand: DemandUse = NO_DEMAND_USE) -> Electrical:
    """Return what a controller knows that has just started; `demand`: what was written down of it."""
    return Electrical(carried=nothing_carried(site), demand=demand)


def follow_electrical(
    before: Electrical,
    site: Site,
    snapshot: Snapshot,
    trusted: Trusted,
    house_w: F64,
    committed_w: F64,
) -> Electrical:
    """Return what is known after this tick.

    `house_w` (N,): as it is known; `committed_w` (N,): the most that devices may be drawing. Where nobody sees the site, both are taken to have
    been drawn, and of the house no less than is declared.
    """
    trust, judgement, starting = trusted
    runs_w = committed_w + house_w * (1.0 + HOUSE_DRIFT) if starting else None
    most_house_w = max(float(house_w[0]), float(site.tree.house_w[0])) * (1.0 + HOUSE_DRIFT)
    most_w = min(float(committed_w[0]) + most_house_w, site.rules.contract_w)
    return Electrical(
        carried=follow_carried(before.carried, site, trust, judgement, snapshot.now_s, runs_w),
        demand=follow_demand(before.demand, site, snapshot, judgement.power, trust, judgement.meters, most_w),
    )
