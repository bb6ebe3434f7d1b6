"""The first half of a tick: what may be believed, and the mode that follows from it. Needs nothing but numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from controller.core.fleet.bounds import SumBelow, fleet_below
from controller.core.fleet.leases import Leases, link_doubts, observe, unheard_w
from controller.core.fleet.power_cut import PowerCut, no_news, without_power
from controller.core.fleet.trouble import Trouble, find_trouble, told_of
from controller.core.fleet.trouble import stuck_w as stuck_of
from controller.core.limits.contactors import Trips
from controller.core.limits.electrical import Trusted
from controller.core.limits.locked import Locked, hold_locked
from controller.core.limits.overrun import Overrun, look, over_envelope, unshown
from controller.core.limits.trip import next_trips, seen_nodes
from controller.core.limits.tripped import power_cut, told_of_trips
from controller.core.masks import every
from controller.core.modes import Doubts, Mode, ModeState, next_mode
from controller.core.reasons import Code, Reason
from controller.core.site import F64, SURPLUS, Rules, Site
from controller.core.snapshot import Snapshot
from controller.core.state import State
from controller.core.surplus.estimate import SurplusState, estimate_surplus, surplus_doubts, surplus_reading
from controller.core.trust.judge import Judgement, Trust, judge
from controller.core.trust.node_power import NodePower, least_trusted_w
from controller.core.trust.node_trust import NodeTrust


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensed:
    """What a snapshot says, once it has been judged.

    `cut`: what contactors have cut off, None while nothing is. `locked`: what people work on, None where nothing is. `reasons`: by source, all that is to be said of it.
    `warnings`: what is to be said of the fleet and of the nodes.
    """

    leases: Leases
    trouble: Trouble
    overrun: Overrun
    trips: Trips
    cut: PowerCut | None
    locked: Locked | None
    trust: Trust
    judgement: Judgement
    surplus: SurplusState
    mode: ModeState
    reasons: Mapping[str, tuple[Reason, ...]]
    warnings: tuple[Reason, ...]

    @property
    def trusted(self) -> Trusted:
        """What is remembered of the sources, and what may be believed of it now."""
        return Trusted(self.trust, self.judgement, starting=self.mode.mode is Mode.INIT)


def sense(site: Site, state: State, snapshot: Snapshot, below: SumBelow) -> Sensed:
    """Judge the samples, then the surplus, then the mode; `below` sums device watts (D,) to nodes (N,)."""
    now_s, root, rules = snapshot.now_s, site.tree.ids[0], site.rules
    cut = power_cut(state.trips, site, now_s)
    leases = without_power(observe(state.leases, site.devices, snapshot), site.devices, cut)
    fleet = fleet_below(site, leases, snapshot.fleet, now_s, below, cut)
    starting = state.mode.mode is Mode.INIT
    trust, judgement = judge(
        state.trust, site, snapshot.heard, fleet, now_s, starting=starting, cut=cut, confirmed=snapshot.confirmed
    )
    power = judgement.power
    surplus, of_surplus = _surplus(site, state, trust, judgement, now_s)
    overrun = look(state.overrun, power, now_s)
    trouble = no_news(find_trouble(leases, site.devices, snapshot, site.rules.lease_s), site.devices, cut)
    over = over_envelope(overrun, site, power, now_s)
    of_fleet, fleet_doubts = told_of(trouble, site, leases, unshown(overrun, power))
    found = judgement.doubts + _holding(over, state) + fleet_doubts + of_surplus + _of_the_daemon(root, rules, snapshot)
    mode = next_mode(state.mode, found, root, rules, now_s)
    seen = None
    if state.trips.contactors:
        seen = seen_nodes(site, power, judgement.nodes, overrun.class_w, trust.steps.against_s)
    trips = next_trips(state.trips, site, snapshot, seen, mode.mode, state.elapsed_s(now_s))
    cut = power_cut(trips, site, now_s)
    leases = without_power(leases, site.devices, cut)
    locked = hold_locked(site, snapshot, leases)
    of_locks = () if locked is None else locked.warnings
    return Sensed(
        leases=leases,
        trouble=no_news(trouble, site.devices, cut),
        overrun=overrun,
        trips=trips,
        cut=cut,
        locked=locked,
        trust=trust,
        judgement=judgement,
        surplus=surplus,
        mode=mode,
        reasons=_with_surplus(judgement.reasons, of_surplus.doubts),
        warnings=(*over.doubts, *of_fleet, *told_of_trips(trips, site, seen, now_s), *of_locks),
    )


def _holding(over: Doubts, state: State) -> Doubts:
    """Return what holds the site of nodes that are `over` what they may: a start says so, and brings them down without a failsafe."""
    return Doubts() if state.mode.mode is Mode.INIT else over


def _with_surplus(
    reasons: Mapping[str, tuple[Reason, ...]], doubts: tuple[Reason, ...]
) -> Mapping[str, tuple[Reason, ...]]:
    """Return the reasons by source with what is doubted of the surplus, each once."""
    return {**reasons, SURPLUS: tuple(dict.fromkeys((*reasons[SURPLUS], *doubts)))} if doubts else reasons


def _surplus(site: Site, state: State, trust: Trust, judgement: Judgement, now_s: float) -> tuple[SurplusState, Doubts]:
    """Return what the grid can spare at the site now, and what is to be said against that."""
    power, reading = judgement.power, surplus_reading(trust.sources[SURPLUS])
    site_power = (float(power.taken_s[0]), float(power.watts[0])) if power.known[0] else None
    apart_w = _apart_w(site, judgement, now_s)
    surplus = estimate_surplus(state.surplus, site.rules, reading, site_power, now_s, apart_w)
    return surplus, surplus_doubts(surplus, site.rules, now_s)


def _apart_w(site: Site, judgement: Judgement, now_s: float) -> float:
    """Return by how much the site's own meters are apart while they contradict each other, else 0."""
    root = site.tree.ids[0]
    apart = any(each.code is Code.METERS_DISAGREE and each.subject == root for each in judgement.doubts.doubts)
    if not apart:
        return 0.0
    return float(judgement.power.watts[0] - least_trusted_w(site, judgement.meters, now_s)[0])


def _of_the_daemon(root: str, rules: Rules, snapshot: Snapshot) -> Doubts:
    """Return what keeps the site down that no sample and no report says."""
    lost = snapshot.orders_unsure, snapshot.locks_unsure, snapshot.stopped
    doubts = (snapshot.second_controller,)
    said = Doubts(doubts=tuple(filter(None, doubts)), lost=tuple(filter(None, lost)))
    return link_doubts(root, rules, snapshot.link_lost_s, snapshot.now_s) + said


def taught(sensed: Sensed) -> NodeTrust:
    """Return the trust in the nodes' meters, with nothing learnt where a contactor takes power away or gives it back."""
    nodes = sensed.judgement.nodes
    return nodes if sensed.cut is None else replace(nodes, still=nodes.still | sensed.cut.changing)


def compared(sensed: Sensed) -> NodePower:
    """Return the power of the nodes without those above a contactor that a later meter still shows what is gone of."""
    power = sensed.judgement.power
    return power if sensed.cut is None else replace(power, known=power.known & ~sensed.cut.fading)


def stuck_w(site: Site, sensed: Sensed) -> F64:
    """Return the watts of each device (D,) that cannot be freed; of one that may have started by itself, all of them."""
    watts = stuck_of(sensed.leases, site.devices, sensed.trouble)
    return watts if sensed.cut is None else np.where(sensed.cut.anything, site.devices.max_w, watts)


def unheard_below_w(site: Site, sensed: Sensed, below: SumBelow) -> F64:
    """Return what devices below each node (N,) may draw that were never heard of; one without power draws nothing."""
    if every(sensed.leases.known):
        return np.zeros(len(site.tree.ids))
    watts = unheard_w(sensed.leases, site.devices)
    return below(watts if sensed.cut is None else np.where(sensed.cut.quiet, 0.0, watts))
