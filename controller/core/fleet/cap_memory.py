"""What is known of the jobs on capped devices, and the ways in which their caps may be set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from controller.core.masks import some
from controller.core.site import F64, I64, Bool, CapGroup, Devices, Site

#: The ways: over so many seconds the most that was wanted, and a headroom as a share of the most that the device may draw.
WINDOWS: Final = np.array([1, 2, 4, 8, 16, 30, 60])
HEADROOMS: Final = np.array([0.0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3])
#: What is kept free for all caps that rise together, as a share of all that their devices may draw.
RESERVES: Final = np.array([0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15])
#: Then ways that leave a cap where it is, at these shares of the most that the device may draw; the last way is all of it.
FIXED: Final = np.array([0.3, 0.38, 0.46, 0.54, 0.62, 0.7, 0.8, 0.9])
MOVING: Final = WINDOWS.size * HEADROOMS.size
FULL: Final = MOVING + FIXED.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What is known of the jobs on C devices in G groups, by P ways to set their caps.

    `groups`, `devices` (C,): the group, and the index of each column; `start` (G,): where a group's columns begin. `wanted_w` (S, C):
    the most that each wanted, as the cap that allows it, in each of the last S seconds, the newest first; it began at `since_s`. `sure` (C,): a device that says it draws less than
    this share of its cap is not held back. `level_w` (C,): what it draws, smoothed; `free_w`: that when it was well below its cap.
    `cost` (P, G): of each way, per second, the sum of what is not forgotten yet; `learned_s`: for so long. `way` (G,): the one that is followed. `cap_w` (C,):
    what each may be set to. `goals_w` (S,): what the caps that follow came to in each of the last seconds. `short` (R,): what it has cost to keep so much free for
    their rise, as `cost`; `reserve_w`: what is kept. `held_ws`, `drawn_ws` (G,): joules that caps have held back and that were drawn.
    `held` (C,): its cap holds it back now, since `held_since_s`. `loose` (C,): its job surely draws less than its cap, as it has been told
    since `loose_since_s`. `first_per_wh`, `last_per_wh` (D,): what the first and the last watt hour of each device earns,
    up to its lowest running mode and beyond its last but one. `least_w` (C,): the lowest cap.
    `elsewhere_per_wh`: the most that another watt hour has earned by other devices of late.
    """

    groups: tuple[CapGroup, ...]
    devices: I64
    start: I64
    lead: int
    reuse: int
    wanted_w: F64
    since_s: float
    sure: F64
    level_w: F64
    free_w: F64
    cost: F64
    learned_s: float
    way: I64
    cap_w: F64
    goals_w: F64
    short: F64
    reserve_w: float
    held_ws: F64
    drawn_ws: F64
    held: Bool
    held_since_s: F64
    loose: Bool
    loose_since_s: F64
    last_per_wh: F64
    first_per_wh: F64
    least_w: F64
    elsewhere_per_wh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CapsNow:
    """A group of capped devices: the sums of their caps and of what their jobs draw, and joules since the start.

    `reserve_w`: what is kept free of other devices for the caps of all groups.
    """

    group: str
    cap_w: float
    drawn_w: float
    held_ws: float
    drawn_ws: float
    reserve_w: float


def caps_now(caps: Caps) -> tuple[CapsNow, ...]:
    """Return what is to be told of each group."""
    if not caps.groups:
        return ()
    cap_w, level_w = (np.add.reduceat(column, caps.start).tolist() for column in (caps.cap_w, caps.level_w * caps.sure))
    return tuple(
        CapsNow(
            group=group.id,
            cap_w=cap_w[g],
            drawn_w=level_w[g],
            held_ws=float(caps.held_ws[g]),
            drawn_ws=float(caps.drawn_ws[g]),
            reserve_w=caps.reserve_w,
        )
        for g, group in enumerate(caps.groups)
    )


def no_caps(site: Site) -> Caps:
    """Return what a controller knows that has just started: every cap is the most that its device may draw."""
    groups, devices = site.caps, site.devices
    columns = np.concatenate([group.devices for group in groups]) if groups else np.zeros(0, dtype=np.int64)
    sizes = np.array([group.devices.size for group in groups], dtype=np.int64)
    lead, reuse = _times(devices, columns)
    return Caps(
        groups=groups,
        devices=columns,
        start=np.cumsum(sizes) - sizes,
        lead=lead,
        reuse=reuse,
        wanted_w=np.zeros((int(WINDOWS[-1]) + reuse + lead, columns.size)),
        since_s=-np.inf,
        sure=1.0 / (1.0 + devices.report_error[columns]),
        level_w=np.zeros(columns.size),
        free_w=np.zeros(columns.size),
        cost=np.zeros((FULL + 1, len(groups))),
        learned_s=0.0,
        way=np.full(len(groups), FULL, dtype=np.int64),
        cap_w=devices.max_w[columns].copy(),
        goals_w=np.zeros(lead + 1),
        short=np.zeros(RESERVES.size),
        reserve_w=0.0,
        elsewhere_per_wh=0.0,
        held_ws=np.zeros(len(groups)),
        drawn_ws=np.zeros(len(groups)),
        held=np.zeros(columns.size, dtype=np.bool_),
        held_since_s=np.full(columns.size, np.inf),
        loose=np.zeros(columns.size, dtype=np.bool_),
        loose_since_s=np.full(columns.size, np.inf),
        last_per_wh=_per_wh(devices, devices.mode_start[1:] - 1),
        first_per_wh=_per_wh(devices, np.minimum(devices.mode_start[:-1] + 1, devices.mode_start[1:] - 1)),
        least_w=devices.mode_w[np.minimum(devices.mode_start[columns] + 1, devices.mode_start[columns + 1] - 1)],
    )


def caps_under(caps: Caps, site: Site) -> Caps:
    """Return the caps under a site of the same devices whose prices or headrooms are others now; with other groups, begin anew."""
    anew = no_caps(site)
    same = len(caps.groups) == len(site.caps) and all(
        old.id == new.id and np.array_equal(old.devices, new.devices)
        for old, new in zip(caps.groups, site.caps, strict=True)
    )
    if not same or (caps.lead, caps.reuse) != (anew.lead, anew.reuse):
        return anew
    return replace(caps, groups=site.caps, first_per_wh=anew.first_per_wh, last_per_wh=anew.last_per_wh)


def _times(devices: Devices, columns: I64) -> tuple[int, int]:
    """Return whole seconds from a job's rise to its raised cap, and from a lowered cap to others that draw what it frees."""
    if not columns.size:
        return 1, 1
    others = np.ones(devices.off_w.size, dtype=np.bool_)
    others[columns] = False
    falls_s = float(devices.down_seen_s[others].min()) if some(others) else 0.0
    rises_s = float(np.median(devices.up_s[others])) if some(others) else 0.0
    lead_s = 1.0 + falls_s + float(devices.up_s[columns].max())
    return round(lead_s), round(float(devices.down_seen_s[columns].max()) + rises_s)


def _per_wh(devices: Devices, row: I64) -> F64:
    """Return what each device (D,) earns more by a watt hour on its way from the mode before `row` to that one."""
    before = np.maximum(row - 1, devices.mode_start[:-1])
    span_w = devices.mode_w[row] - devices.mode_w[before]
    gain = devices.mode_value[row] - devices.mode_value[before]
    return np.divide(gain, span_w, out=np.zeros_like(gain), where=span_w > 0.0)
