"""A day of recorded surplus, decided minute by minute, against a clairvoyant who knows the day.

The fleet has real models, minimum up and down times, and each start costs wear; watts above the true surplus earn
nothing. With the noisy signal the surplus is read with an error of 1 %, and so are the devices' values, anew every minute.

`of_bound` is against a clairvoyant without minimum times, which nobody beats. `of_kept_bound` is against one who keeps
them, so it says something only where `times_broken` is small: the site's limit comes before a minimum time.

Starts are a device. The row `none` is the same allocator deciding every minute by that minute's values and limit alone: no
bonus, no wear, no minimum times. The row `clairvoyant` is who knows the day: `starts` are the fewest that go with the most value,
`for_995` and `for_98` the fewest with which anyone gets 99.5 % and 98 % of it. With a perfect signal nothing flickers, so
`none` starts little more than has to be: where `for_995` is more than a fifth of that, no policy has both that share of
the value and a fifth of the starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from controller.core.site import F64, Bool, Devices, Tree
from simulators.recording import read_recording
from tests.bench.clairvoyant import bound, day, fewest_starts
from tests.bench.ours import Rolling
from tests.bench.referee import value_per_h
from tests.bench.report import Row, Scale, say, show
from tests.bench.trees import catalogue_site

RECORDINGS = Path(__file__).parents[3] / "shared/data/liander_substations_15min"
_DAYS = (("LLS", "2021-10-21T00:15:00"), ("WHF", "2021-08-10T00:15:00"), ("NRYN", "2021-08-06T00:15:00"))
_COLUMNS = {
    "day": "", "signal": "", "hysteresis": "", "of_bound": ".3%", "of_kept_bound": ".3%", "starts": ",.1f",
    "starts_ratio": ".3f", "for_995": ",.2f", "for_98": ",.2f", "times_broken": "d", "over_share": ".3%", "ms": ".3f",
}  # fmt: skip

_STEP_S = 60.0
_STEPS_A_PERIOD = 15
_PERIODS = 96
#: What starts stays on, and what stops stays off, for as many samples of the recording.
LEAST_PERIODS = 3
_LEAST_S = LEAST_PERIODS * _STEPS_A_PERIOD * _STEP_S
#: A start wears as much as this share of a sample's time at full power earns.
WEAR = 0.15
_NOISE = 0.01
_VALUE_NOISE = 0.01
#: All of the value, but for what the solver rounds.
_ALL = 1.0 - 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What a day brought: `value`, after wear; `starts` of all devices; minimum times broken; watts above the true surplus."""

    value: float
    starts: int
    times_broken: int
    over_share: float
    ms: float


def run(scale: Scale) -> list[Row]:
    """Measure and print."""
    if not RECORDINGS.is_dir():
        say(f"\nrolling use: skipped, no recordings at {RECORDINGS}")
        return []
    tree, devices = catalogue_site(scale.pick(4, 8, 8))
    rows: list[Row] = []
    for station, begin in _DAYS[: scale.pick(1, 3, 3)]:
        rows += _day_rows(f"{station} {begin[:10]}", tree, devices, _surplus(station, begin, devices))
    show("a day of surplus: share of the clairvoyant bound, starts a device", _COLUMNS, rows)
    return rows


def _surplus(station: str, begin: str, devices: Devices) -> F64:
    """Return the day's surplus (96,) W, held from sample to sample, its peak the whole fleet."""
    recording = read_recording(RECORDINGS / f"{station}.csv", "-total_substation")
    first = int(recording.seconds_at(begin) / recording.step_s)
    samples: F64 = np.maximum(recording.values[first : first + _PERIODS], 0.0)
    share: F64 = samples / samples.max()
    return np.maximum(share * float(devices.max_w.sum()), float(devices.off_w.sum()))


def _day_rows(day_name: str, tree: Tree, devices: Devices, surplus_w: F64) -> Iterator[Row]:
    hours = _STEPS_A_PERIOD * _STEP_S / 3600.0
    start_cost = WEAR * hours * devices.mode_value[devices.mode_start[1:] - 1]
    known, known_kept = (
        day(tree, devices, surplus_w, hours=hours, start_cost=start_cost, least_periods=periods)
        for periods in (0, LEAST_PERIODS)
    )
    best, best_kept = bound(known).value_per_h, bound(known_kept).value_per_h
    least = {share: fewest_starts(known, share * best) / devices.node.size for share in (_ALL, 0.995, 0.98)}
    for signal, noise in (("perfect", 0.0), ("noisy", 1.0)):
        plain, calm = (_live(tree, devices, surplus_w, start_cost, noise, calm=calm) for calm in (False, True))
        ratio = devices.node.size / max(plain.starts, 1)
        yield {
            "day": day_name,
            "signal": signal,
            "hysteresis": "clairvoyant",
            "of_bound": 1.0,
            "of_kept_bound": best / best_kept,
            "starts": least[_ALL],
            "starts_ratio": least[_ALL] * ratio,
            "for_995": least[0.995],
            "for_98": least[0.98],
        }
        for name, lived in (("none", plain), ("ours", calm)):
            yield {
                "day": day_name,
                "signal": signal,
                "hysteresis": name,
                "of_bound": lived.value / best,
                "of_kept_bound": lived.value / best_kept if lived is calm else None,
                "starts": lived.starts / devices.node.size,
                "starts_ratio": lived.starts / max(plain.starts, 1),
                "times_broken": lived.times_broken if lived is calm else None,
                "over_share": lived.over_share,
                "ms": lived.ms,
            }


def _live(tree: Tree, devices: Devices, surplus_w: F64, start_cost: F64, noise: float, *, calm: bool) -> Day:
    """Live through the day; unless `calm`, every minute is decided as if it were the first."""
    random = np.random.default_rng(1)
    least_s = np.full(devices.node.size, _LEAST_S)
    rolling = Rolling(tree, replace(devices, start_cost=start_cost, min_up_s=least_s, min_down_s=least_s), calm=calm)
    owner = np.repeat(np.arange(devices.node.size), np.diff(devices.mode_start))
    changed_s, on = np.full(devices.node.size, -np.inf), np.zeros(devices.node.size, dtype=np.bool_)
    value, starts, broken, over_w, drawn_w, spent_s = 0.0, 0, 0, 0.0, 0.0, []
    for k, true_w in enumerate(np.repeat(surplus_w, _STEPS_A_PERIOD)):
        seen_w = true_w * (1.0 + noise * _NOISE * random.standard_normal())
        estimate = 1.0 + noise * _VALUE_NOISE * random.standard_normal(devices.node.size)
        now_s = k * _STEP_S
        watts = rolling.tick(now_s, max(seen_w, float(devices.off_w.sum())), devices.mode_value * estimate[owner])
        now_on = watts > devices.off_w
        broken += _broken(on, now_on, now_s - changed_s)
        changed_s[now_on != on] = now_s
        started = now_on & ~on
        used_w = float(watts.sum())
        value += value_per_h(devices, watts) * min(true_w / used_w, 1.0) * _STEP_S / 3600.0
        value -= float(start_cost[started].sum())
        starts += int(started.sum())
        over_w += max(used_w - true_w, 0.0)
        drawn_w += used_w
        spent_s.append(rolling.spent_s)
        on = now_on
    return Day(
        value=value,
        starts=starts,
        times_broken=broken,
        over_share=over_w / drawn_w,
        ms=1e3 * float(np.median(spent_s)),
    )


def _broken(on: Bool, now_on: Bool, since_s: F64) -> int:
    return int(np.count_nonzero((on != now_on) & (since_s < _LEAST_S)))
