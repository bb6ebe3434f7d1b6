"""Caps of jobs by their worth: how far above a job's draw its cap is kept, learned from how its group draws.

A cap that a job does not use is power that nobody else may have. To hold a job back costs what its watts are worth, to keep
them free costs what they earn elsewhere. So a way to set caps is the most that a job has wanted in the last so many seconds, and
so much beyond. Of each group every such way is tried on what its jobs really wanted, each second: what it would have held
back, since a raise takes `lead_s`, and what it would have kept from others, who take `reuse_s` to use what is freed. The cheapest one
of the last minutes is followed. For dear, bursty jobs that is all that the device may draw.

What a job wants is not seen while its cap holds it back: then it is taken for what it has wanted of late, or for more, step by step.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from controller.core.fleet.cap_memory import FIXED, FULL, HEADROOMS, MOVING, RESERVES, WINDOWS, Caps
from controller.core.fleet.leases import Leases, heard_of_late
from controller.core.masks import some
from controller.core.site import F64, I64, Bool, Devices, Site
from controller.core.snapshot import Snapshot

#: Whole seconds from a job's rise to its raised cap where watts are free: a report, a tick, the device.
_QUICK: Final = 3
#: What agents tell of a draw is no older.
_TOLD_S: Final = 3.0
#: A fixed headroom goes over what was wanted in so many seconds.
_FIXED_WINDOW: Final = 8
#: So long a group is watched before its caps come down, and by then what was learned counts by a third.
_LEARNS_S: Final = 60.0
_FORGETS_S: Final = 600.0
#: Another way is followed once it has cost less by this share of what full caps cost.
_BETTER: Final = 0.003
#: A cap is this share above what a job is said to want, so that it is not taken for one that is held back.
_MARGIN: Final = 0.025
_HELD: Final = 0.005
#: A job that wants more than it has of late gets this share of its device's most, and twice as much with every second that it is held back.
_MORE: Final = 0.04
#: A cap that is higher than it need be by less than this share of the device's most is left as it is.
_LEAST: Final = 0.015
#: Draws are smoothed over so long. One that has fallen by this share below what it was while its cap was far, and is near its cap,
#: has come down with it; a device that did so is trusted again as slowly.
_LEVEL_S: Final = 3.0
_FELL: Final = 0.03
_NEAR: Final = 0.9
_TRUSTS_S: Final = 1800.0
#: Less than this is nothing.
_NOTHING_PER_WH: Final = 1e-9
#: What a watt hour has earned elsewhere counts on for about so long: where both are worth the same, each makes room for the other.
_LASTS_S: Final = 60.0


def follow_jobs(
    caps: Caps, site: Site, leases: Leases, snapshot: Snapshot, elsewhere_per_wh: float, elapsed_s: float
) -> Caps:
    """Return the caps after this snapshot's reports; `elsewhere_per_wh`: what another watt hour earns now without these devices."""
    if not caps.groups:
        return caps
    elsewhere_per_wh = max(elsewhere_per_wh, caps.elsewhere_per_wh * math.exp(-elapsed_s / _LASTS_S))
    caps = replace(caps, elsewhere_per_wh=elsewhere_per_wh)
    devices, fleet, mine = site.devices, snapshot.fleet, caps.devices
    most_w = np.minimum(devices.max_w, fleet.max_w)[mine]
    said_w, applied_w = fleet.measured_w[mine], leases.applied_w[mine]
    seen = heard_of_late(devices, fleet, snapshot.now_s)[mine] & np.isfinite(said_w) & (applied_w > devices.off_w[mine])
    draw_w = np.where(seen, np.minimum(said_w / caps.sure, most_w), most_w)
    held = seen & (draw_w >= applied_w * (1.0 - _HELD)) & (applied_w < most_w)
    held_since_s = np.where(held, np.minimum(caps.held_since_s, snapshot.now_s), np.inf)
    caps = _loosened(replace(caps, held_since_s=held_since_s), seen & (draw_w < _NEAR * applied_w), snapshot)
    wanted_w, likely_w = (
        np.where(held, guess_w, draw_w) for guess_w in _wanted(caps, draw_w, applied_w, most_w, snapshot.now_s)
    )
    caps = _counted(caps, likely_w - applied_w, np.where(seen, said_w, 0.0), held, elapsed_s)
    newest = caps.wanted_w.copy()
    np.maximum(newest[0], wanted_w, out=newest[0])
    caps = _looked(replace(caps, wanted_w=newest), draw_w, applied_w, devices, elapsed_s)
    if snapshot.now_s - caps.since_s >= 1.0 - 1e-6:
        caps = _next_second(caps, devices, most_w, elsewhere_per_wh, wanted_w, likely_w, snapshot.now_s)
    return _set(caps, devices, most_w)


def _loosened(caps: Caps, below: Bool, snapshot: Snapshot) -> Caps:
    """Return the caps after another look at which draws (C,) are well `below` them.

    A draw follows a raise with a delay, and is told with another: until both are over it is below a cap that it is about to use.
    """
    since_s = np.where(below, np.minimum(caps.loose_since_s, snapshot.now_s), np.inf)
    loose = snapshot.now_s - since_s > snapshot.fleet.up_seen_s[caps.devices] + _TOLD_S
    return replace(caps, loose=loose, loose_since_s=since_s)


def _wanted(caps: Caps, draw_w: F64, applied_w: F64, most_w: F64, now_s: float) -> tuple[F64, F64]:
    """Return what jobs (C,) are given whose caps hold them back, and what they are taken to want: the mean of what was more of late."""
    more = caps.wanted_w > applied_w
    late_w = caps.wanted_w.max(axis=0)
    step_w = _MORE * most_w * 2.0 ** np.minimum(now_s - np.minimum(caps.held_since_s, now_s), 5.0)
    given_w = np.where(late_w > applied_w, late_w, draw_w + step_w)
    mean_w = np.divide(
        caps.wanted_w.sum(axis=0, where=more), more.sum(axis=0), out=draw_w.copy(), where=more.any(axis=0)
    )
    return np.minimum(given_w, most_w), np.minimum(np.maximum(mean_w, draw_w), most_w)


def _counted(caps: Caps, missing_w: F64, drawn_w: F64, held: Bool, elapsed_s: float) -> Caps:
    held_w = np.where(held, np.maximum(missing_w, 0.0), 0.0)
    return replace(
        caps,
        held=held,
        held_ws=caps.held_ws + elapsed_s * np.add.reduceat(held_w, caps.start),
        drawn_ws=caps.drawn_ws + elapsed_s * np.add.reduceat(drawn_w, caps.start),
    )


def _looked(caps: Caps, draw_w: F64, applied_w: F64, devices: Devices, elapsed_s: float) -> Caps:
    """Return the caps after a look whether draws came down with their caps: then these hold their jobs back.

    So a device whose own limit is below its cap, or that says less than it draws, is not followed all the way down.
    """
    mine, level_w = caps.devices, caps.level_w + (draw_w - caps.level_w) * (1.0 - math.exp(-elapsed_s / _LEVEL_S))
    share = draw_w * caps.sure / np.maximum(applied_w, 1.0)
    near = share > _NEAR
    fell = near & (level_w < (1.0 - _FELL) * caps.free_w)
    surest = 1.0 / (1.0 + devices.report_error[mine])
    least = 0.99 * surest / (1.0 + devices.tolerance[mine])
    sure = caps.sure + (surest - caps.sure) * elapsed_s / _TRUSTS_S
    sure = np.where(fell, np.maximum(np.minimum(sure, 0.99 * share), least), sure)
    wanted_w = caps.wanted_w
    if some(fell):
        wanted_w = wanted_w.copy()
        wanted_w[0] = np.where(fell, np.maximum(caps.free_w, wanted_w[0]), wanted_w[0])
    free_w = np.where(near, caps.free_w, np.minimum(level_w, draw_w))
    return replace(caps, wanted_w=wanted_w, sure=sure, level_w=level_w, free_w=np.where(fell, level_w, free_w))


def _next_second(
    caps: Caps, devices: Devices, most_w: F64, elsewhere_per_wh: float, wanted_w: F64, likely_w: F64, now_s: float
) -> Caps:
    """Return the caps with a second more of what was wanted, and what each way would have cost in it."""
    kept = np.exp(-1.0 / _FORGETS_S)
    cost = kept * caps.cost + _cost(caps, devices, most_w, elsewhere_per_wh, likely_w)
    learned_s = caps.learned_s + 1.0
    way = (
        _cheapest(cost, caps.way)
        if learned_s > _LEARNS_S and elsewhere_per_wh > _NOTHING_PER_WH
        else np.full_like(caps.way, FULL)
    )
    follows = _follows(caps)
    goals_w = np.concatenate([[float(caps.cap_w[follows].sum())], caps.goals_w[:-1]])
    range_w = float(most_w[follows].sum())
    short = caps.short
    if follows.any() and learned_s > caps.lead:
        worth = float(caps.last_per_wh[caps.devices][follows].mean())
        missing_w = np.maximum(goals_w[0] - goals_w[-1] - RESERVES * range_w, 0.0)
        short = kept * short + elsewhere_per_wh * RESERVES * range_w + worth * missing_w
    # Where an agent has just narrowed what its devices may draw, their caps are above that: nothing is kept for them then.
    reserve_w = max(min(float(RESERVES[np.argmin(short)]) * range_w, range_w - goals_w[0]), 0.0)
    rolled_w = np.concatenate([wanted_w[np.newaxis], caps.wanted_w[:-1]])
    since_s = now_s if np.isinf(caps.since_s) else max(caps.since_s + 1.0, now_s - 1.0)
    return replace(
        caps,
        wanted_w=rolled_w,
        since_s=since_s,
        cost=cost,
        learned_s=learned_s,
        way=way,
        goals_w=goals_w,
        short=short,
        reserve_w=reserve_w,
    )


def _cheapest(cost: F64, way: I64) -> I64:
    """Return the way (G,) to follow: the cheapest, where it is cheaper than the present one by more than chance."""
    best, groups = np.argmin(cost, axis=0), np.arange(way.size)
    better = cost[best, groups] < cost[way, groups] - _BETTER * cost[FULL]
    return np.where(better, best, way)


def _follows(caps: Caps) -> Bool:
    """Return which columns (C,) follow what their jobs want, by worth, and not all of their range."""
    by_worth = np.array([group.headroom_w is None for group in caps.groups]) & (caps.way < MOVING)
    return np.repeat(by_worth, np.diff(np.append(caps.start, caps.devices.size)))


def _cost(caps: Caps, devices: Devices, most_w: F64, elsewhere_per_wh: float, likely_w: F64) -> F64:
    """Return what each way (P, G) would have cost in the newest second."""
    mine, wanted_w = caps.devices, caps.wanted_w
    worth = caps.last_per_wh[mine]
    allowed_w = (1.0 + _MARGIN) * np.maximum.accumulate(wanted_w, axis=0)
    before_w = (1.0 + _MARGIN) * np.maximum.accumulate(wanted_w[_QUICK:], axis=0)
    cost = np.empty((FULL + 1, len(caps.groups)))
    for k, (window, headroom) in enumerate((window, share) for window in WINDOWS for share in HEADROOMS):
        headroom_w = headroom * devices.max_w[mine]
        missing_w = np.maximum(likely_w - np.minimum(before_w[window - 1] + headroom_w, most_w), 0.0)
        kept_w = np.minimum(allowed_w[window + caps.reuse - 1] + headroom_w, most_w)
        cost[k] = np.add.reduceat(worth * missing_w + elsewhere_per_wh * kept_w, caps.start)
    for k, share in enumerate(FIXED, start=MOVING):
        at_w = np.minimum(np.maximum(share * devices.max_w[mine], caps.least_w), most_w)
        cost[k] = np.add.reduceat(worth * np.maximum(likely_w - at_w, 0.0) + elsewhere_per_wh * at_w, caps.start)
    cost[FULL] = np.add.reduceat(elsewhere_per_wh * most_w, caps.start)
    return cost


def _set(caps: Caps, devices: Devices, most_w: F64) -> Caps:
    """Return the caps, set by the way that each group follows."""
    mine, size = caps.devices, caps.wanted_w.shape[1]
    of = np.repeat(np.arange(len(caps.groups)), np.diff(np.append(caps.start, size)))
    moving = np.minimum(caps.way, MOVING - 1)
    window, headroom_w = (
        WINDOWS[moving // HEADROOMS.size],
        HEADROOMS[moving % HEADROOMS.size][of] * devices.max_w[mine],
    )
    headroom_w = np.where(caps.way[of] == FULL, np.inf, headroom_w)
    for g, group in enumerate(caps.groups):
        if group.headroom_w is not None:
            window[g] = _FIXED_WINDOW
            headroom_w[of == g] = group.headroom_w
    allowed_w = np.maximum.accumulate(caps.wanted_w, axis=0)[window[of] - 1, np.arange(size)]
    goal_w = (1.0 + _MARGIN) * allowed_w + headroom_w
    stays = (caps.way >= MOVING) & (caps.way < FULL) & np.array([group.headroom_w is None for group in caps.groups])
    share = FIXED[np.clip(caps.way - MOVING, 0, FIXED.size - 1)]
    goal_w = np.where(stays[of], share[of] * devices.max_w[mine], goal_w)
    goal_w = np.floor(np.minimum(np.maximum(goal_w, caps.least_w), most_w))
    lowers = goal_w < caps.cap_w - _LEAST * devices.max_w[mine]
    cap_w = np.where(lowers | (goal_w > caps.cap_w), goal_w, caps.cap_w)
    return replace(caps, cap_w=cap_w)
