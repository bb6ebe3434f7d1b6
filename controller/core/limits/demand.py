"""The demand that a tariff bills: the mean power of the highest window of the clock, kept under a limit by an economic cap.

Energy that the running window has had is counted from the trusted power of the connection. What is left of ``limit * window``, spread
over what is left of the window, is what the site may draw from now on; house load that is declared and does not run now is kept
free of it, and so is what the meters may err. So a window in which little was drawn lets more be drawn later, and each
ends under the limit where devices obey and the house load is no more than declared.

Nothing else is made of it: it is no limit of the envelope, it is never a reason for doubt, and it cuts nobody off.

In doubt more is counted, never less: while nobody sees the power, the most that may be drawn; across a pause or a start, the contract since
what was last counted, or written down. Where the meter's import counter goes on through such a time and is right by its own power, it
says afterwards how much it was. While the clock is not trusted windows end as it was last trusted, and the limit holds at each moment, which holds it in
any window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from controller.core.limits.envelope import Limit
from controller.core.site import DemandTerms, Site
from controller.core.snapshot import Snapshot
from controller.core.trust.columns import MeterColumns, usable
from controller.core.trust.judge import Trust
from controller.core.trust.node_power import NodePower

#: Across a longer pause between two ticks the power is not known.
_PAUSE_S: Final = 10.0
#: In the last share of a window what may be drawn rises no more: nothing starts for its last seconds.
_LAST_SHARE: Final = 0.1
_LEAST_S: Final = 1e-3
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedImport:
    """What the import counter of a meter showed when so much of the window was used, and so much of that was guessed."""

    meter: str
    import_wh: float
    used_ws: float
    guessed_ws: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandUse:
    """What the running window has had.

    `begins_utc_s`: of the window, None before the first tick. `at_utc_s`: until when it is counted. `used_ws`: all of it, of which
    nobody has seen `guessed_ws`; the last of that ended at `guessed_until_s`, of CLOCK_BOOTTIME. `counted`: at the newest moment since
    which nothing was guessed. `at_s`: CLOCK_BOOTTIME of the newest tick, ``inf`` before the first; `power_w`: trusted power then, None where unknown. `ahead_s`: UTC less CLOCK_BOOTTIME when the clock was last trusted. `spread_w`: the mean power that is left, ``inf`` before the first tick.
    """

    begins_utc_s: float | None = None
    at_utc_s: float = 0.0
    used_ws: float = 0.0
    guessed_ws: float = 0.0
    guessed_until_s: float = -math.inf
    counted: CountedImport | None = None
    at_s: float = math.inf
    power_w: float | None = None
    ahead_s: float | None = None
    spread_w: float = math.inf

    def ends_in_s(self, terms: DemandTerms) -> float:
        """Return how much of the window is left."""
        return (self.begins_utc_s or 0.0) + terms.window_s - self.at_utc_s


#: Of a controller that knows of no window.
NO_DEMAND_USE: Final = DemandUse()


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandNow:
    """The demand as of a tick.

    `use`: what the window has had. `limit_w`: of its mean power; `cap_w`: what the site may draw from now on for it. `ends_in_s`: of the window. `held_back_w`: what devices are kept from;
    `cost_per_h`: no more than this would they earn with it, currency per hour. `sure`: the clock is trusted.
    """

    use: DemandUse
    limit_w: float
    cap_w: float
    ends_in_s: float
    sure: bool
    held_back_w: float = 0.0
    cost_per_h: float = 0.0


def follow_demand(
    use: DemandUse, site: Site, snapshot: Snapshot, power: NodePower, trust: Trust, meters: MeterColumns, most_w: float
) -> DemandUse:
    """Return what the running window has had by now; `most_w`: that the site may be drawing where nobody sees it."""
    terms = site.demand
    if terms is None:
        return use
    ahead_s = snapshot.utc_s - snapshot.now_s if snapshot.utc_trusted or use.ahead_s is None else use.ahead_s
    utc_s = snapshot.now_s + ahead_s
    power_w = max(float(power.watts[0]), 0.0) if power.known[0] else None
    use = _of_window(use, terms, utc_s)
    # A wall clock that is set back takes no energy away.
    since_s = max(utc_s - use.at_utc_s, min(snapshot.now_s - use.at_s, utc_s - (use.begins_utc_s or utc_s)), 0.0)
    if since_s > _PAUSE_S:
        use = _guessed(use, site.rules.contract_w * since_s, snapshot.now_s)
    elif power_w is None or use.power_w is None:
        use = _guessed(use, most_w * since_s, snapshot.now_s)
    else:
        use = replace(use, used_ws=use.used_ws + max(power_w, use.power_w) * since_s)
    use = replace(use, at_utc_s=utc_s, at_s=snapshot.now_s, power_w=power_w, ahead_s=ahead_s)
    use = _corrected(use, _counter(site, trust, meters, snapshot.now_s, use.counted), most_w, snapshot.now_s)
    return replace(use, spread_w=_spread_w(use, site, terms))


def _spread_w(use: DemandUse, site: Site, terms: DemandTerms) -> float:
    """Return the mean power that is left for what is left of the window."""
    ends_in_s = use.ends_in_s(terms)
    left_w = ((terms.limit_w - _margin_w(site)) * terms.window_s - use.used_ws) / max(ends_in_s, _LEAST_S)
    if ends_in_s >= _LAST_SHARE * terms.window_s:
        return left_w
    return min(left_w, terms.limit_w if math.isinf(use.spread_w) else use.spread_w)


def _of_window(use: DemandUse, terms: DemandTerms, utc_s: float) -> DemandUse:
    """Return the use of the window that runs at `utc_s`; of one that nothing is known of, all of its time is still to be counted."""
    begins_s = terms.begins_utc_s(utc_s)
    if use.begins_utc_s == begins_s and use.at_utc_s <= utc_s + _PAUSE_S:
        return use
    return DemandUse(begins_utc_s=begins_s, at_utc_s=begins_s, at_s=use.at_s, power_w=use.power_w)


def _guessed(use: DemandUse, guess_ws: float, now_s: float) -> DemandUse:
    return replace(use, used_ws=use.used_ws + guess_ws, guessed_ws=use.guessed_ws + guess_ws, guessed_until_s=now_s)


@dataclass(frozen=True, slots=True)
class _Counter:
    meter: str
    import_wh: float
    step_wh: float
    taken_s: float


def _counter(
    site: Site, trust: Trust, meters: MeterColumns, now_s: float, counted: CountedImport | None
) -> _Counter | None:
    """Return the import counter of a trusted meter of the connection that is right by its power; best the one that counted before."""
    mine = [site.meters.ids[k] for k in np.flatnonzero(usable(site, meters, now_s) & (site.meters.node == 0)).tolist()]
    if counted is not None and counted.meter in mine:
        mine = [counted.meter]
    for name in mine:
        source = trust.sources[name]
        shown = source.shown.get("energy_import_wh")
        if shown is not None and source.balance.right and source.balance.doubt is None:
            return _Counter(name, shown.value, max(source.balance.step_wh, source.balance.grain_wh), shown.taken_s)
    return None


def _corrected(use: DemandUse, counter: _Counter | None, most_w: float, now_s: float) -> DemandUse:
    """Return the use with less guessed, where a counter has gone on through it; what was seen counts in any case."""
    if counter is None or use.power_w is None:
        return use
    counted = use.counted
    if counted is not None and use.guessed_ws > counted.guessed_ws:
        if counted.meter != counter.meter or counter.taken_s <= use.guessed_until_s:
            return use
        moved_wh = counter.import_wh - counted.import_wh
        by_counter_ws = counted.used_ws + (moved_wh + counter.step_wh) * _HOUR_S + most_w * (now_s - counter.taken_s)
        seen_ws = use.used_ws - (use.guessed_ws - counted.guessed_ws)
        if moved_wh >= 0.0:
            use = replace(use, used_ws=min(use.used_ws, max(by_counter_ws, seen_ws)), guessed_ws=counted.guessed_ws)
    elif counted is not None and (counted.meter, counted.import_wh) == (counter.meter, counter.import_wh):
        # What is used since it showed this first is in what it shows next.
        return use
    counted = CountedImport(
        meter=counter.meter, import_wh=counter.import_wh, used_ws=use.used_ws, guessed_ws=use.guessed_ws
    )
    return replace(use, counted=counted)


def demand_now(use: DemandUse, site: Site, house_w: float, snapshot: Snapshot) -> DemandNow | None:
    """Return what the site may draw from now on for its demand; `house_w`: the house load that is known of. None without one."""
    terms = site.demand
    if terms is None or use.begins_utc_s is None:
        return None
    cap_w = use.spread_w if snapshot.utc_trusted else min(use.spread_w, terms.limit_w - _margin_w(site))
    cap_w -= max(float(site.tree.house_w[0]) - house_w, 0.0)
    return DemandNow(
        use=use, limit_w=terms.limit_w, cap_w=max(cap_w, 0.0), ends_in_s=use.ends_in_s(terms), sure=snapshot.utc_trusted
    )


def steady_limit(site: Site) -> list[Limit]:
    """Return what the site may draw for its demand where it always draws the same."""
    terms = site.demand
    return [] if terms is None else [Limit(node=0, limit_w=terms.limit_w - _margin_w(site), name="demand")]


def _margin_w(site: Site) -> float:
    """Return what the meters of the connection may err: the one that is billed by may show so much more."""
    at_root = site.meters.node == 0
    return float(np.max(site.meters.accuracy * site.meters.rating_w, where=at_root, initial=0.0))
