from dataclasses import replace

import numpy as np
import pytest

from tests.bench import clairvoyant, rolling
from tests.bench.ours import Rolling
from tests.bench.report import Scale
from tests.bench.trees import catalogue_site
from tests.recordings import LIANDER


def _one_device():
    tree, fleet = catalogue_site(1, per_pdu=1)
    tree.limit_w[:] = np.inf
    return tree, fleet


@pytest.mark.parametrize(
    ("room", "least_periods", "hours_on", "starts"),
    [
        ("0101", 0, 2, 2),  # without least times every chance is taken
        ("0101", 2, 1, 1),  # the first would have to stop too early
        ("1011", 2, 2, 1),
        ("11011", 2, 3, 2),  # after the stop it has to rest for another period
    ],
)
def test_the_bound_of_one_device_is_what_a_person_works_out(room, least_periods, hours_on, starts):
    tree, fleet = _one_device()
    limit_w = np.array([float(fleet.max_w[0] if period == "1" else fleet.off_w[0]) for period in room])
    full = float(fleet.mode_value[-1])
    cost = np.array([0.1 * full])
    found = clairvoyant.bound(
        clairvoyant.day(tree, fleet, limit_w, hours=1.0, start_cost=cost, least_periods=least_periods)
    )
    assert found.value_per_h == pytest.approx(hours_on * full - starts * 0.1 * full)


def test_a_start_that_does_not_pay_is_not_in_the_bound():
    tree, fleet = _one_device()
    full = float(fleet.mode_value[-1])
    limit_w = np.array([float(fleet.max_w[0])])
    cheap, dear = (
        clairvoyant.bound(
            clairvoyant.day(tree, fleet, limit_w, hours=1.0, start_cost=np.array([share * full]))
        ).value_per_h
        for share in (0.4, 2.0)
    )
    assert cheap == pytest.approx(0.6 * full)
    assert dear == pytest.approx(0.0, abs=1e-12)


def test_a_calm_fleet_keeps_what_runs_when_values_flicker():
    tree, fleet = catalogue_site(2, per_pdu=10)
    random = np.random.default_rng(1)
    starts = {}
    for calm in (True, False):
        least_s = np.full(20, 600.0)
        calmed = Rolling(
            tree, replace(fleet, start_cost=np.full(20, 0.05), min_up_s=least_s, min_down_s=least_s), calm=calm
        )
        on, starts[calm] = np.zeros(20, dtype=bool), 0
        for minute in range(30):
            flicker = np.repeat(random.normal(1.0, 0.02, 20), np.diff(fleet.mode_start))
            watts = calmed.tick(60.0 * minute, 30e3, fleet.mode_value * flicker)
            assert watts.sum() <= 30e3
            starts[calm] += int(np.count_nonzero((watts > fleet.off_w) & ~on))
            on = watts > fleet.off_w
    assert starts[True] < starts[False] / 3


@pytest.mark.parametrize(("share", "starts"), [(1.0, 2.0), (0.9 / 1.8, 1.0), (0.45 / 1.8, 0.5), (0.0, 0.0)])
def test_the_fewest_starts_for_a_share_of_the_value(share, starts):
    """Two hours of power with one of none between, 1 each, and 0.1 a start: all is 1.8, and half of it needs one start."""
    tree, fleet = _one_device()
    full = float(fleet.mode_value[-1])
    limit_w = np.array([float(fleet.max_w[0] if period == "1" else fleet.off_w[0]) for period in "101"])
    program = clairvoyant.day(tree, fleet, limit_w, hours=1.0, start_cost=np.array([0.1 * full]))
    assert clairvoyant.fewest_starts(program, share * 1.8 * full) == pytest.approx(starts)


def test_more_than_all_is_not_earned():
    tree, fleet = _one_device()
    full = float(fleet.mode_value[-1])
    program = clairvoyant.day(tree, fleet, fleet.max_w, hours=1.0, start_cost=np.array([0.1 * full]))
    with pytest.raises(ValueError, match="no day earns"):
        clairvoyant.fewest_starts(program, 0.91 * full)


def test_a_recorded_day_of_the_smallest_site_stays_near_the_bars(monkeypatch):
    """The bench shows the bars themselves, on larger sites; this one is lumpier, and only guards against a fall."""
    monkeypatch.setattr(rolling, "RECORDINGS", LIANDER)
    rows = {(row["signal"], row["hysteresis"]): row for row in rolling.run(Scale(quick=True))}
    assert rows["perfect", "ours"]["of_bound"] >= 0.994
    assert rows["perfect", "ours"]["of_kept_bound"] >= 0.995
    assert rows["noisy", "ours"]["of_bound"] >= 0.98
    assert rows["noisy", "ours"]["starts_ratio"] <= 0.2
    # With a perfect signal nobody has both, not even who knows the day.
    assert rows["perfect", "clairvoyant"]["for_995"] > 0.2 * rows["perfect", "none"]["starts"]
