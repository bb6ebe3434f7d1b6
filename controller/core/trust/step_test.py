"""The step test: when the fleet's power steps by a known amount, its meters must move the same way by about that.

What the devices below a meter draw is known within bounds. A step is the distance between the bounds now and those of an
earlier instant. It proves a meter that fits any step within the bounds, and refutes one that fits none: that stood still,
moved much less or more, or went the other way.
Where meters that were proven before agree with each other on how much of a step is missing, of one node or of nodes one below
the other, the devices are blamed and the meters are not (`step_blame`).
The load that is not the fleet may move meanwhile, by no more than what is declared. A meter that agrees with the level of
a large fleet is proven too, so that a controller that starts anew need not wait for a step.

Until it is proven, a meter may tighten and never relax: the declared load that is kept free does not shrink by it. Before
the fleet has moved, volts and amperes or the energy counters of the meter may prove its scale (`meter_trust`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from controller.core.fleet.bounds import FleetBelow
from controller.core.floor import way_up
from controller.core.masks import every, some
from controller.core.reasons import Code, Reason
from controller.core.site import F64, Bool, Site
from controller.core.trust.columns import MeterColumns, usable
from controller.core.trust.step_blame import Missing, agreeing_meters, shows_the_same

#: A step tells something when it is this many times what the meter's class and the other load may have done; it proves the
#: meter when it is as many times that as the second of these.
_BEYOND, _PROVES = 3.0, 8.0
#: A meter moves by at least and at most these shares of the step: devices err, losses and cooling follow the fleet.
_LEAST, _MOST = 0.75, 1.5
#: Share of the declared other load that may come or go within a step; as much more may come.
_OTHER = 0.25
#: How long a meter has to be wrong: longer than the slowest of them takes to refresh.
_LASTING_S = 15.0
#: One that falls silent meanwhile has to be wrong for so long yet when it speaks again: what it showed before is not forgotten, or one
#: that speaks and is silent by turns would never be found out.
_YET_S = 5.0
#: But one that was wrong for so long whenever it spoke, and never right, need not be wrong for that long again: else one that never speaks
#: for longer is never found out. A tick counts for no more than the second of these.
_BY_TURNS_S = 30.0
_TICK_S = 1.0
#: An earlier instant is good for this long, for the other load drifts; its bounds are at most this share apart.
_GOOD_S = 120.0
#: An instant that is no older when a meter is found false may be one of its lies: it takes up to 25 s to find that out.
_UNNOTICED_S = 30.0
_NARROW = 0.25
#: After this long a refuted meter is on trial again, else a site at rest could never find out that it is right.
_AGAIN_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTests:
    """What the steps of the fleet have said of each meter (K,).

    `passed`: it followed. `agreed_s`: when it last followed a step that proves, ``-inf`` if it never did. `refuted_s`: since
    when it does not count, because it did not; ``inf`` where it does. `against_s`: since when it has been off, ``inf`` while
    it is not, and later after a silence; `wrong_s`: for how long it has been while it spoke, which it last did at `seen_s`. `false_s`: since when something else speaks against it. The instant to compare with: `since_s`, ``-inf`` before
    the first, what the meter showed then, and the least and the most that the fleet below it drew. `defied_s`, `defied_w`:
    when it and another one last agreed that devices had not done a step, ``-inf`` if never, and the watts that were missing; 0 of
    one that the step was too small for, and that shows what the other does.
    """

    passed: Bool
    agreed_s: F64
    refuted_s: F64
    against_s: F64
    wrong_s: F64
    seen_s: F64
    false_s: F64
    since_s: F64
    power_w: F64
    low_w: F64
    high_w: F64
    defied_s: F64
    defied_w: F64

    @property
    def unquestioned(self) -> Bool:
        """Which meters have missed no step that devices are blamed for since they last followed one.

        That meters agree on what is missing says that they are right, or wrong, together.
        """
        return np.asarray(self.agreed_s >= self.defied_s, dtype=np.bool_)


def no_step_tests(count: int) -> StepTests:
    """Return the tests of `count` meters before the first step."""
    return StepTests(
        passed=np.zeros(count, dtype=np.bool_),
        agreed_s=np.full(count, -np.inf),
        refuted_s=np.full(count, np.inf),
        against_s=np.full(count, np.inf),
        wrong_s=np.zeros(count),
        seen_s=np.full(count, -np.inf),
        false_s=np.full(count, np.inf),
        since_s=np.full(count, -np.inf),
        power_w=np.zeros(count),
        low_w=np.full(count, -np.inf),
        high_w=np.full(count, np.inf),
        defied_s=np.full(count, -np.inf),
        defied_w=np.zeros(count),
    )


def _slack_w(site: Site) -> tuple[F64, F64]:
    """Return what class and other load of each meter (K,) may have done within a step, and the other load's part."""
    other_w = _OTHER * site.tree.house_w[site.meters.node]
    return site.meters.class_w + other_w, other_w


def proving_step_w(site: Site) -> F64:
    """Return the smallest step of the devices below each meter (K,) that proves it."""
    return np.ceil(_PROVES * _slack_w(site)[0] + 1.0)


def known_within(site: Site, fleet: FleetBelow) -> Bool:
    """Return for which meters (K,) what the devices below draw is known well enough to compare another instant with it."""
    return _known(fleet.least_w[site.meters.node], fleet.most_w[site.meters.node], _slack_w(site)[0])


def _known(low_w: F64, high_w: F64, slack_w: F64) -> Bool:
    return np.asarray(high_w - low_w <= _NARROW * high_w + slack_w, dtype=np.bool_)


def run_step_tests(
    tests: StepTests, site: Site, meters: MeterColumns, fleet: FleetBelow, now_s: float, anew: Bool | None = None
) -> StepTests:
    """Return what the fleet says of each meter (K,) after this tick; `anew`: compare with this instant from now on."""
    node, fresh, (slack_w, other_w) = site.meters.node, usable(site, meters, now_s), _slack_w(site)
    low_w, high_w = fleet.least_w[node], fleet.most_w[node]
    bounds = _Bounds(low_w, high_w, slack_w, other_w)
    stepped = fresh & (np.maximum(low_w - tests.high_w, tests.low_w - high_w) > _BEYOND * slack_w)
    tests = tests if every(fresh) else _held(tests, fresh, now_s)
    is_step = some(stepped)
    found = _compared(tests, site, meters, fresh, stepped, bounds, now_s) if is_step else _no_step(tests, fresh)
    refuted_s, passed = _refuted_s(tests, found, now_s), tests.passed | found.agrees
    if not every(passed):
        passed = passed | (fresh & _certainly(meters.power_w, low_w, high_w, slack_w, other_w))
    # A step against the meter is kept in sight until it has lasted; else the instant to compare with moves on.
    due = found.seen | ((now_s - tests.since_s > _GOOD_S) & ~found.off)
    take = fresh & _known(low_w, high_w, slack_w) & (due if anew is None else due | anew)
    since_s, power_w, since_low_w, since_high_w = tests.since_s, tests.power_w, tests.low_w, tests.high_w
    if some(take):
        since_s, power_w = np.where(take, now_s, since_s), np.where(take, meters.power_w, power_w)
        since_low_w, since_high_w = np.where(take, low_w, since_low_w), np.where(take, high_w, since_high_w)
    return StepTests(
        passed=passed & np.isinf(refuted_s),
        agreed_s=np.where(found.agrees, now_s, tests.agreed_s) if is_step else tests.agreed_s,
        refuted_s=refuted_s,
        against_s=found.against_s,
        wrong_s=found.wrong_s,
        seen_s=np.where(fresh, now_s, tests.seen_s),
        false_s=tests.false_s,
        since_s=since_s,
        power_w=power_w,
        low_w=since_low_w,
        high_w=since_high_w,
        defied_s=found.defied_s,
        defied_w=found.defied_w,
    )


class _Bounds(NamedTuple):
    """The least and the most that the fleet below each meter (K,) draws now, and its slack, as `_slack_w` has it."""

    low_w: F64
    high_w: F64
    slack_w: F64
    other_w: F64


class _Found(NamedTuple):
    """What the newest step says of each meter (K,); `against_s`, `wrong_s`, `defied_s`, `defied_w` as in `StepTests`.

    `agrees`: it did the step. `off`: it did not, whoever is to blame. `seen`: it did, was off for long enough, or has others
    that speak for it, so that the step is over.
    """

    agrees: Bool
    off: Bool
    seen: Bool
    against_s: F64
    wrong_s: F64
    defied_s: F64
    defied_w: F64


def _held(tests: StepTests, fresh: Bool, now_s: float) -> StepTests:
    """Return the tests where each meter (K,) that is silent now has been off for no longer than leaves something to be shown."""
    latest_s = now_s - _LASTING_S + _YET_S
    return replace(tests, against_s=np.where(fresh, tests.against_s, np.maximum(tests.against_s, latest_s)))


def _no_step(tests: StepTests, fresh: Bool) -> _Found:
    nobody, against_s = np.zeros(tests.passed.size, dtype=np.bool_), np.where(fresh, np.inf, tests.against_s)
    wrong_s = np.where(fresh, 0.0, tests.wrong_s) if some(tests.wrong_s) else tests.wrong_s
    return _Found(nobody, np.isfinite(against_s), nobody, against_s, wrong_s, tests.defied_s, tests.defied_w)


def _compared(
    tests: StepTests,
    site: Site,
    meters: MeterColumns,
    fresh: Bool,
    stepped: Bool,
    bounds: _Bounds,
    now_s: float,
) -> _Found:
    """Compare the meters (K,) with what has `stepped`."""
    low_w, high_w, slack_w, other_w = bounds
    most_w, least_w = high_w - tests.low_w, low_w - tests.high_w
    rose = least_w > 0.0
    moved_w = np.where(rose, meters.power_w - tests.power_w, tests.power_w - meters.power_w)
    least_w, most_w = np.where(rose, least_w, -most_w), np.where(rose, most_w, -least_w)
    fits = (moved_w >= _LEAST * least_w - slack_w) & (moved_w <= _MOST * most_w + slack_w + other_w)
    against_s, wrong_s = _wrong(tests, stepped & ~fits, fresh, now_s)
    agrees, lasting = stepped & _certainly(moved_w, least_w, most_w, slack_w, other_w), now_s - against_s >= _LASTING_S
    found = _Found(agrees, np.isfinite(against_s), agrees | lasting, against_s, wrong_s, tests.defied_s, tests.defied_w)
    if not some(lasting):
        return found
    speaks = fresh & (tests.passed | meters.vouched) & np.isinf(tests.refuted_s)
    agreeing, missing_w = _devices_to_blame(tests, site, meters, bounds, speaks, lasting, rose, now_s)
    off_w = np.maximum(least_w - moved_w, moved_w - most_w)
    alike = shows_the_same(site, meters.power_w, off_w, speaks & np.isinf(against_s)) & lasting & ~agreeing
    # The one that speaks has not followed the step either: both are right together, or wrong together.
    missing_w = np.where(alike, np.maximum(least_w - moved_w, 0.0), missing_w)
    questioned = agreeing | alike | (speaks & np.isin(site.meters.node, site.meters.node[alike]))
    return found._replace(
        seen=found.seen | agreeing,
        against_s=np.where(agreeing | alike, np.inf, against_s),
        wrong_s=np.where(agreeing | alike, 0.0, wrong_s),
        defied_s=np.where(questioned, now_s, tests.defied_s),
        defied_w=np.where(questioned, missing_w, tests.defied_w),
    )


def _wrong(tests: StepTests, wrong: Bool, fresh: Bool, now_s: float) -> tuple[F64, F64]:
    """Return since when each meter (K,) has been off, and for how long it was while it spoke; `wrong`: it is now."""
    against_s = np.where(wrong, np.minimum(tests.against_s, now_s), np.where(fresh, np.inf, tests.against_s))
    spoken_s = tests.wrong_s + np.minimum(now_s - tests.seen_s, _TICK_S)
    wrong_s = np.where(wrong, spoken_s, np.where(fresh, 0.0, tests.wrong_s))
    by_turns = wrong & (wrong_s >= _BY_TURNS_S)
    return np.where(by_turns, np.minimum(against_s, now_s - _LASTING_S), against_s), wrong_s


def _refuted_s(tests: StepTests, found: _Found, now_s: float) -> F64:
    """Return since when each meter (K,) has been refuted, ``inf`` where it is not."""
    refuted = now_s - found.against_s >= _LASTING_S
    if not some(refuted) and every(np.isinf(tests.refuted_s)):
        return tests.refuted_s
    acquitted = found.agrees | (now_s - tests.refuted_s > _AGAIN_S)
    kept_s = np.where(acquitted, np.inf, tests.refuted_s)
    return np.where(refuted, np.minimum(tests.refuted_s, now_s), kept_s)


def _devices_to_blame(
    tests: StepTests,
    site: Site,
    meters: MeterColumns,
    bounds: _Bounds,
    speaks: Bool,
    lasting: Bool,
    rose: Bool,
    now_s: float,
) -> tuple[Bool, F64]:
    """Return the meters (K,) that are kept, since others miss the same of a step that has been against one of them, and what they miss.

    Each compares with an instant of its own, so what counts is by how much it is above, or below, what the fleet explains since.
    """
    low_w, high_w, slack_w, _ = bounds
    up_w, least_up_w, most_up_w = meters.power_w - tests.power_w, low_w - tests.high_w, high_w - tests.low_w
    kept, missing_w = np.zeros_like(lasting), np.zeros_like(up_w)
    for least_w, most_w, tried in (
        (up_w - most_up_w, up_w - least_up_w, lasting & ~rose),
        (least_up_w - up_w, most_up_w - up_w, lasting & rose),
    ):
        if some(tried):
            now = speaks & (least_w > slack_w)
            before = ~now & speaks & (now_s - tests.defied_s <= _LASTING_S)
            missing = Missing(
                now=now,
                least_w=np.where(now, least_w, np.where(before, tests.defied_w, 0.0)),
                most_w=np.where(before, tests.defied_w, most_w),
            )
            found = agreeing_meters(site, missing, slack_w, tried)
            kept, missing_w = kept | found, np.where(found, missing.least_w, missing_w)
    return kept, missing_w


def defied(site: Site, tests: StepTests, now_s: float) -> tuple[Reason, ...]:
    """Name the nodes whose meters agreed of late that devices had not done a step, and none above one of them."""
    recent = ((now_s - tests.defied_s <= _GOOD_S) & (tests.defied_w > 0.0)).nonzero()[0].tolist()
    missing_w: dict[int, float] = {}
    for k in recent:
        node = int(site.meters.node[k])
        missing_w[node] = max(missing_w.get(node, 0.0), float(tests.defied_w[k]))
    above = {n for node in missing_w for n in way_up(site, node)[1:]}
    return tuple(
        Reason(Code.STEP_DEFIED, site.tree.ids[node], {"missing_w": watts})
        for node, watts in missing_w.items()
        if node not in above
    )


def _certainly(moved_w: F64, least_w: F64, most_w: F64, slack_w: F64, other_w: F64) -> Bool:
    """Return where a step is large enough to prove, and the meter fits whatever the step was within its bounds."""
    fits = (moved_w >= _LEAST * most_w - slack_w) & (moved_w <= _MOST * least_w + slack_w + other_w)
    return np.asarray(fits & (least_w > _PROVES * slack_w), dtype=np.bool_)


def without_lies(tests: StepTests, false: Bool, now_s: float) -> StepTests:
    """Return the tests where meters (K,) are found `false` otherwise than by steps, or are right again after that.

    What such a meter showed since shortly before is nothing to compare with: a right one would be refuted by it. But one that
    no step has ever proven goes on with what it showed, so that the steps can refute it.
    """
    if not some(false) and every(np.isinf(tests.false_s)):
        return tests
    since_s = np.where(false, np.minimum(tests.false_s, now_s), np.inf)
    turned = (false != np.isfinite(tests.false_s)) & (tests.passed | ~false)
    drop = turned & (tests.since_s > np.minimum(tests.false_s, now_s) - _UNNOTICED_S)
    return replace(
        tests,
        false_s=since_s,
        since_s=np.where(drop, -np.inf, tests.since_s),
        low_w=np.where(drop, -np.inf, tests.low_w),
        high_w=np.where(drop, np.inf, tests.high_w),
    )


def without_switched(tests: StepTests, switched: Bool) -> StepTests:
    """Return the tests where the power of meters (K,) is being `switched`: what they showed before is nothing to compare with."""
    if not some(switched):
        return tests
    return replace(
        tests,
        against_s=np.where(switched, np.inf, tests.against_s),
        wrong_s=np.where(switched, 0.0, tests.wrong_s),
        since_s=np.where(switched, -np.inf, tests.since_s),
        low_w=np.where(switched, -np.inf, tests.low_w),
        high_w=np.where(switched, np.inf, tests.high_w),
    )


def after_steps(meters: MeterColumns, tests: StepTests) -> MeterColumns:
    """Return the meters as they count: the readings of what the fleet has refuted are old from then on."""
    if every(np.isinf(tests.refuted_s)):
        return meters
    return replace(meters, taken_s=np.minimum(meters.taken_s, tests.refuted_s))


def proven_nodes(site: Site, meters: MeterColumns, tests: StepTests, now_s: float) -> Bool:
    """Return which nodes (N,) have a usable meter that the fleet, or its own volts, amperes or counters, have proven.

    One that is questioned is not: it may tighten, until it follows a step again.
    """
    proven = np.zeros(len(site.tree.ids), dtype=np.bool_)
    known = (tests.passed | meters.vouched) & np.isinf(tests.refuted_s) & tests.unquestioned
    proven[site.meters.node[known & usable(site, meters, now_s)]] = True
    return proven
