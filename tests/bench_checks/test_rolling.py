from dataclasses import replace

import numpy as np
import pytest

from tests.bench.ours import Rolling
from tests.bench.trees import catalogue_site

clairvoyant = pytest.importorskip("tests.bench.clairvoyant", reason="highspy is not installed")


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
    found = clairvoyant.bound(tree, fleet, limit_w, hours=1.0, start_cost=cost, least_periods=least_periods)
    assert found.value_per_h == pytest.approx(hours_on * full - starts * 0.1 * full)


def test_a_start_that_does_not_pay_is_not_in_the_bound():
    tree, fleet = _one_device()
    full = float(fleet.mode_value[-1])
    limit_w = np.array([float(fleet.max_w[0])])
    cheap, dear = (
        clairvoyant.bound(tree, fleet, limit_w, hours=1.0, start_cost=np.array([share * full])).value_per_h
        for share in (0.4, 2.0)
    )
    assert cheap == pytest.approx(0.6 * full)
    assert dear == pytest.approx(0.0, abs=1e-12)


def test_a_calm_fleet_keeps_what_runs_when_values_flicker():
    tree, fleet = catalogue_site(2, per_pdu=10)
    random = np.random.default_rng(1)
    starts = {}
    for calm in (True, False):
        rolling = Rolling(tree, fleet, start_cost=np.full(20, 0.05), least_s=600.0, calm=calm)
        on, starts[calm] = np.zeros(20, dtype=bool), 0
        for minute in range(30):
            flicker = np.repeat(random.normal(1.0, 0.02, 20), np.diff(fleet.mode_start))
            watts = rolling.tick(60.0 * minute, 30e3, replace(fleet, mode_value=fleet.mode_value * flicker))
            assert watts.sum() <= 30e3
            starts[calm] += int(np.count_nonzero((watts > fleet.off_w) & ~on))
            on = watts > fleet.off_w
    assert starts[True] < starts[False] / 3
