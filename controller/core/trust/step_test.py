"""The sign test: when the fleet's power steps by a known amount, its meters must move the same way by about that.

What the devices below a meter draw is known within bounds. A step is the distance between the bounds now and those of an
earlier instant. It proves a meter that fits any step within the bounds, and refutes one that fits none: that stood still,
moved much less or more, or went the other way.
The load that is not the fleet may move meanwhile, by no more than what is declared. A meter that agrees with the level of
a large fleet is proven too, so that a controller that starts anew need not wait for a step.

Until it is proven, a meter may tighten and never relax: the declared load that is kept free does not shrink by it. Before
the fleet has moved, volts and amperes or the energy counters of the meter may prove its scale (`witness`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controller.core.fleet.leases import CONTACT_S
from controller.core.site import F64, Bool, Site
from controller.core.snapshot import FleetColumns, MeterColumns
from controller.core.state import Belief, Proofs
from controller.core.trust.node_power import usable

#: A step tells something when it is this many times what the meter's class and the other load may have done; it proves the
#: meter when it is as many times that as the second of these.
_BEYOND, _PROVES = 3.0, 8.0
#: A meter moves by at least and at most these shares of the step: devices err, losses and cooling follow the fleet.
_LEAST, _MOST = 0.75, 1.5
#: Share of the declared other load that may come or go within a step; as much more may come.
_OTHER = 0.25
#: How long a meter has to be wrong: longer than the slowest of them takes to refresh.
_LASTING_S = 15.0
#: An earlier instant is good for this long, for the other load drifts; its bounds are at most this share apart.
_GOOD_S = 120.0
_NARROW = 0.25
#: After this long a refuted meter is on trial again, else a site at rest could never find out that it is right.
_AGAIN_S = 3600.0

_REFUTED = "does not follow the steps of the fleet: are its sign, its scale and its profile right?"


def fleet_bounds(site: Site, belief: Belief, fleet: FleetColumns, now_s: float) -> tuple[F64, F64]:
    """Return the least and the most that each device (D,) may be drawing, but for the error of its setpoint.

    That error is the device's own and hardly changes from one instant to another. A report that it cannot explain widens
    the bounds: the device is dead, or does not obey.
    """
    devices, told_w, low_w, high_w = site.devices, fleet.measured_w, belief.low_w, belief.high_w
    error = devices.tolerance + devices.report_error
    reported = (now_s - fleet.heard_s <= CONTACT_S)[devices.agent]
    least_told_w, most_told_w = told_w * (1.0 - devices.report_error), told_w * (1.0 + devices.report_error)
    least_w = np.where(~devices.steady | (told_w < low_w * (1.0 - error)), np.minimum(low_w, least_told_w), low_w)
    most_w = np.where(devices.steady, high_w, np.clip(most_told_w, low_w, high_w))
    most_w = np.where(told_w > high_w * (1.0 + error), most_told_w, most_w)
    most_w = np.where(belief.known, np.where(reported, most_w, high_w), devices.max_w)
    return np.where(reported, least_w, 0.0), most_w


def prove(proofs: Proofs, site: Site, meters: MeterColumns, fleet_w: tuple[F64, F64], now_s: float) -> Proofs:
    """Return what the fleet says of each meter (K,) after this tick; `fleet_w`: least and most below each node (N,)."""
    node = site.meters.node
    low_w, high_w = fleet_w[0][node], fleet_w[1][node]
    other_w = _OTHER * site.tree.house_w[node]
    slack_w = site.meters.accuracy * site.meters.rating_w + other_w
    fresh = usable(site, meters, now_s)

    most_w, least_w = high_w - proofs.low_w, low_w - proofs.high_w
    rose, fell = least_w > _BEYOND * slack_w, -most_w > _BEYOND * slack_w
    moved_w = np.where(rose, meters.power_w - proofs.power_w, proofs.power_w - meters.power_w)
    least_w, most_w = np.where(rose, least_w, -most_w), np.where(rose, most_w, -least_w)
    stepped = fresh & (rose | fell)
    fits = (moved_w >= _LEAST * least_w - slack_w) & (moved_w <= _MOST * most_w + slack_w + other_w)

    against_s = np.where(stepped & ~fits, np.minimum(proofs.against_s, now_s), np.inf)
    refuted = now_s - against_s >= _LASTING_S
    agrees = stepped & _certainly(moved_w, least_w, most_w, slack_w, other_w)
    level = fresh & _certainly(meters.power_w, low_w, high_w, slack_w, other_w)
    acquitted = agrees | (now_s - proofs.refuted_s > _AGAIN_S)
    refuted_s = np.where(refuted, np.minimum(proofs.refuted_s, now_s), np.where(acquitted, np.inf, proofs.refuted_s))
    proofs = replace(
        proofs, proven=(proofs.proven | agrees | level) & np.isinf(refuted_s), refuted_s=refuted_s, against_s=against_s
    )
    # A step against the meter is kept in sight until it has lasted; else the instant to compare with moves on.
    narrow = high_w - low_w <= _NARROW * high_w + slack_w
    due = agrees | refuted | ((now_s - proofs.since_s > _GOOD_S) & np.isinf(against_s))
    take = fresh & narrow & due
    return replace(
        proofs,
        since_s=np.where(take, now_s, proofs.since_s),
        power_w=np.where(take, meters.power_w, proofs.power_w),
        low_w=np.where(take, low_w, proofs.low_w),
        high_w=np.where(take, high_w, proofs.high_w),
    )


def _certainly(moved_w: F64, least_w: F64, most_w: F64, slack_w: F64, other_w: F64) -> Bool:
    """Return where a step is large enough to prove, and the meter fits whatever the step was within its bounds."""
    fits = (moved_w >= _LEAST * most_w - slack_w) & (moved_w <= _MOST * least_w + slack_w + other_w)
    return np.asarray(fits & (least_w > _PROVES * slack_w), dtype=np.bool_)


def judged(meters: MeterColumns, proofs: Proofs) -> MeterColumns:
    """Return the meters as they count: what the fleet has refuted is in doubt, and its readings are old from then on."""
    refuted = np.isfinite(proofs.refuted_s)
    if not refuted.any():
        return meters
    doubts = tuple(
        "; it ".join(text for text in (_REFUTED if wrong else "", doubt) if text)
        for wrong, doubt in zip(refuted, meters.doubts, strict=True)
    )
    return replace(meters, taken_s=np.minimum(meters.taken_s, proofs.refuted_s), doubts=doubts)


def proven_nodes(site: Site, meters: MeterColumns, proofs: Proofs, now_s: float) -> Bool:
    """Return which nodes (N,) have a usable meter that the fleet, or its own volts, amperes or counters, have proven."""
    proven = np.zeros(len(site.tree.ids), dtype=np.bool_)
    known = (proofs.proven | meters.vouched) & np.isinf(proofs.refuted_s)
    proven[site.meters.node[known & usable(site, meters, now_s)]] = True
    return proven
