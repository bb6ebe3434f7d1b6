import numpy as np
import pytest

from controller.demo.device_values import run_at
from tests.bench import columns, cpsat, highs, plain
from tests.bench.ours import Ours
from tests.bench.referee import hull_edges, value_per_h, verdict
from tests.bench.trees import random_site
from tests.bench_checks.sites import best_choice

SITES = [
    {"devices": 200, "per_pdu": 40},
    {"devices": 200, "per_pdu": 4},
    {"devices": 61, "per_pdu": 3, "onoff": True},
    {"devices": 200, "per_pdu": 40, "continuous": 0.5},
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("site", SITES)
def test_all_bounds_are_the_lp_optimum(seed, site):
    tree, fleet = random_site(seed, **site)
    best = highs.solve_lp(tree, fleet).value_per_h
    assert highs.solve_lp(tree, fleet, form="modes").value_per_h == pytest.approx(best, rel=1e-9)
    for solve in (columns.solve, plain.solve):
        answer = solve(tree, fleet)
        assert answer.program_per_h == pytest.approx(best, rel=1e-9)
        seen = verdict(tree, fleet, answer.watts)
        assert seen.over_limit == 0
        assert 0.8 * best < seen.value_per_h <= best * (1.0 + 1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_milp_finds_what_trying_all_finds(seed):
    tree, fleet = random_site(seed, 6, 3, modes=3)
    found = highs.solve_milp(tree, fleet, limit_s=10.0)
    assert found.value_per_h == pytest.approx(best_choice(tree, fleet), rel=1e-6)
    assert found.bound_per_h >= found.value_per_h - 1e-9


def test_cp_sat_finds_what_the_milp_finds():
    found = cpsat.judge(4, 40, 4, 20.0)
    assert found["status"] == "OPTIMAL"
    tree, fleet = random_site(4, 40, 4)
    assert found["value_per_h"] == pytest.approx(highs.solve_milp(tree, fleet, limit_s=20.0).value_per_h, rel=1e-5)


@pytest.mark.parametrize("site", SITES)
def test_ours_stays_inside_every_limit_and_under_its_bound(site):
    tree, fleet = random_site(1, **site)
    ours = Ours(tree, fleet)
    solved = ours.solve()
    assert solved.program_per_h == pytest.approx(highs.solve_lp(tree, fleet).value_per_h, rel=1e-9)
    seen = verdict(tree, fleet, solved.watts)
    assert seen.over_limit == 0
    assert 0.0 < seen.value_per_h <= solved.bound_per_h * (1.0 + 1e-9)
    tree.limit_w[0] *= 0.5
    seen = verdict(tree, fleet, ours.at_site_limit(tree.limit_w[0]))
    assert seen.over_limit == 0
    assert seen.value_per_h <= ours.refined().bound_per_h * (1.0 + 1e-9)


def test_the_referee_counts_limits_that_are_broken():
    tree, fleet = random_site(1, 100, 4)
    seen = verdict(tree, fleet, fleet.max_w)
    assert seen.over_limit == tree.parent.size
    load_w = np.zeros(tree.parent.size)
    for pdu, watts in zip(fleet.node, fleet.max_w, strict=True):
        node = pdu
        while node >= 0:
            load_w[node] += watts
            node = tree.parent[node]
    assert seen.worst_excess_w == pytest.approx(np.max(load_w - tree.limit_w))


def test_the_referee_refuses_a_power_that_a_device_does_not_have():
    _, fleet = random_site(1, 10, 4)
    with pytest.raises(ValueError, match="d0000003 has no such power"):
        value_per_h(fleet, np.where(np.arange(10) == 3, 1000.5, fleet.off_w))


def test_a_cap_is_met_from_below_and_continuous_devices_meet_it():
    _, fleet = random_site(1, 300, 40, continuous=0.5)
    cap_w = np.random.default_rng(1).uniform(0.0, 6000.0, 300)
    watts = run_at(fleet, cap_w)
    value_per_h(fleet, watts)
    assert np.all((watts <= cap_w) | (watts == fleet.off_w))
    smooth = fleet.mode_continuous.reshape(-1, 7).any(axis=1)
    inside = smooth & (cap_w > fleet.mode_w.reshape(-1, 7)[:, 1]) & (cap_w < fleet.max_w)
    assert np.array_equal(watts[inside], cap_w[inside])


def test_hull_edges_fall_and_lie_above_every_mode():
    _, fleet = random_site(5, 200, 40)
    edges = hull_edges(fleet)
    same = edges.device[1:] == edges.device[:-1]
    assert np.all(edges.density[1:][same] <= edges.density[:-1][same])
    for i in range(200):
        corners = [0, *(edges.high[edges.device == i] - 7 * i)]
        watts, value = fleet.mode_w[7 * i : 7 * i + 7], fleet.mode_value[7 * i : 7 * i + 7]
        assert np.all(np.interp(watts, watts[corners], value[corners]) >= value - 1e-12)
