"""What an allocation earned over a run, beside what two simple policies would have earned in its place.

Everything is valued by the modes that the devices may run at, as the site file prices them: hash revenue or job price
less the energy. Under the same envelope and the same house load (the daemon's estimate) at the same moments:

================  ====================================================================================================
earned            the daemon's setpoints, with ramps, minimum times, margins and every wait for readings
decided           the daemon's allocation, which the setpoints ramp towards
equal share       every device has the same share of its range, rounded down to its modes; the share is the highest at
                  which all that fits. Below a node that is full it stays, the others go on
all on / all off  everything runs at full power while all of it fits the envelope, else nothing does
================  ====================================================================================================

The two policies are flattered beside what was earned: they know the true envelope at once, need no ramp and no restart,
and keep no margin. Beside them stands what was decided. A moment without a word from the daemon is worth nothing to it.
All are valued at what devices may draw: a GPU node whose jobs leave a part of its cap unused is worth its cap in all,
and so is a setpoint that an agent out of contact no longer holds.

Energy taken from the surplus is energy that nobody else would have used. What the energy is in kg of CO2 depends on the
grid at that hour: it is said where the site file gives the grid's marginal intensity, for what the site really drew and
for what either policy would have drawn, house load included. Else no such figure is made up here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from controller.core.site import F64, I64, Bool, Devices, Site, Tree
from controller.demo.device_values import run_at, worth_per_h

#: The shares of their ranges that equal share chooses from.
_SHARES: Final = np.linspace(0.0, 1.0, 1001)
_EPS_W: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What earnings are counted by: the site with its values per hour, and the currency that these are in.

    `carbon_g_kwh`: the grid's marginal intensity in g of CO2 per kWh, None where it is not known.
    """

    site: Site
    currency: str
    carbon_g_kwh: float | None = None


#: Reads the books from a site file; raises ConfigError.
OpenBooks = Callable[[Path], Books]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """T moments of a run, each of which holds until the next; the last only ends it.

    `t_s` (T,) s ascending; `envelope_w`, `surplus_w`, `site_w` (T,) true envelope, surplus and power of the site;
    `house_w` (T,) power of the site that is not for devices. `earned_per_h`, `decided_per_h` (T,): value of the setpoints
    and of the allocation, NaN while unknown.
    """

    t_s: F64
    envelope_w: F64
    surplus_w: F64
    site_w: F64
    house_w: F64
    earned_per_h: F64
    decided_per_h: F64


class Carbon(msgspec.Struct, kw_only=True, frozen=True):
    """CO2 in kg of what the site drew, and of what the two policies would have drawn, at `g_kwh`."""

    g_kwh: float
    drawn_kg: float
    equal_share_kg: float
    all_or_nothing_kg: float


class Earnings(msgspec.Struct, kw_only=True, frozen=True):
    """Amounts of `currency`, and Wh, over `seconds`; see the module. `silent_s`: without a word from the daemon.

    `surplus_wh`: the grid's surplus. `surplus_taken_wh`: what of it the site drew, which is what it drew beyond its
    firm power. `drawn_wh`, `equal_share_wh`, `all_or_nothing_wh`: what the site drew, and would have drawn, in all.
    `carbon`: None where the grid's intensity is not known.
    """

    currency: str
    seconds: float
    silent_s: float
    earned: float
    decided: float
    equal_share: float
    all_or_nothing: float
    surplus_wh: float
    surplus_taken_wh: float
    drawn_wh: float
    equal_share_wh: float
    all_or_nothing_wh: float
    carbon: Carbon | None = None


def earnings(books: Books, course: Course) -> Earnings:
    """Return what a course of at least one moment earned."""
    site = books.site
    held_s = np.diff(course.t_s, append=course.t_s[-1:])
    hours = held_s / 3600.0
    room_w = course.envelope_w - course.house_w
    spread = equal_share(site.tree, site.devices)
    taken_w = np.clip(course.site_w - site.rules.firm_w, 0.0, course.surplus_w)
    full = all_on(site.devices, spread, room_w)
    drawn_wh = float(course.site_w @ hours)
    share_wh = float((course.house_w + spread.watts_at(room_w)) @ hours)
    full_wh = float((course.house_w + np.where(full, spread.watts[-1], spread.watts[0])) @ hours)
    return Earnings(
        currency=books.currency,
        seconds=float(held_s.sum()),
        silent_s=float(held_s[np.isnan(course.earned_per_h)].sum()),
        earned=float(np.nan_to_num(course.earned_per_h) @ hours),
        decided=float(np.nan_to_num(course.decided_per_h) @ hours),
        equal_share=float(spread.at(room_w) @ hours),
        all_or_nothing=float(np.where(full, spread.value_per_h[-1], 0.0) @ hours),
        surplus_wh=float(course.surplus_w @ hours),
        surplus_taken_wh=float(taken_w @ hours),
        drawn_wh=drawn_wh,
        equal_share_wh=share_wh,
        all_or_nothing_wh=full_wh,
        carbon=_carbon(books.carbon_g_kwh, drawn_wh, share_wh, full_wh),
    )


def _carbon(g_kwh: float | None, drawn_wh: float, share_wh: float, full_wh: float) -> Carbon | None:
    if g_kwh is None:
        return None
    kg_wh = g_kwh / 1e6
    return Carbon(
        g_kwh=g_kwh,
        drawn_kg=kg_wh * drawn_wh,
        equal_share_kg=kg_wh * share_wh,
        all_or_nothing_kg=kg_wh * full_wh,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What the devices draw and are worth in all at each share (S,), inside every limit but the site's own."""

    watts: F64
    value_per_h: F64

    def at(self, room_w: F64) -> F64:
        """Return the value at the highest share that fits into `room_w` (T,); with everything off where none does."""
        return self.value_per_h[self._highest(room_w)]

    def watts_at(self, room_w: F64) -> F64:
        """Return what the devices then draw (T,)."""
        return self.watts[self._highest(room_w)]

    def _highest(self, room_w: F64) -> I64:
        return np.maximum(np.searchsorted(self.watts, room_w + _EPS_W, side="right") - 1, 0)


def equal_share(tree: Tree, devices: Devices) -> Spread:
    """Return the policy for every room that the site may have; a node's declared house load is kept free below it."""
    watts, value = (np.empty((_SHARES.size, len(tree.ids))) for _ in range(2))
    for k, share in enumerate(_SHARES):
        run_w = run_at(devices, devices.off_w + share * (devices.max_w - devices.off_w))
        watts[k] = np.bincount(devices.node, weights=run_w, minlength=len(tree.ids))
        value[k] = np.bincount(devices.node, weights=worth_per_h(devices, run_w), minlength=len(tree.ids))
    for n in range(len(tree.ids) - 1, 0, -1):
        free_w = tree.limit_w[n] - tree.house_w[n]
        full = max(int(np.searchsorted(watts[:, n], free_w + _EPS_W, side="right")) - 1, 0)
        for column in (watts, value):
            column[full:, n] = column[full, n]
            column[:, tree.parent[n]] += column[:, n]
    return Spread(watts=watts[:, 0], value_per_h=value[:, 0])


def all_on(devices: Devices, spread: Spread, room_w: F64) -> Bool:
    """Return where (T,) everything at full power fits into `room_w` and all nodes."""
    fleet_w = float(devices.max_w.sum())
    fits_nodes = spread.watts[-1] >= fleet_w - _EPS_W
    return np.asarray(fits_nodes & (room_w + _EPS_W >= fleet_w), dtype=np.bool_)


def value_of(devices: Devices, setpoints_w: dict[str, float]) -> float:
    """Return what the devices are worth an hour at their setpoints; one without a setpoint is off."""
    cap_w = np.array([setpoints_w.get(name, 0.0) for name in devices.ids], dtype=np.float64)
    return float(worth_per_h(devices, run_at(devices, cap_w)).sum())
