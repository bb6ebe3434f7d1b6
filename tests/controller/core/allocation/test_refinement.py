import resource
from pathlib import Path

import numpy as np
import pytest

from controller.core.allocation import refinement
from controller.core.allocation.allocator import make_allocator
from controller.core.allocation.program import Program
from controller.core.allocation.refinement import MID, Refinement
from controller.core.kernels.columns import ChangeSets
from drivers.fleet.catalogue import load_catalogue
from tests.bench.mixed import solve_mixed
from tests.bench.referee import below
from tests.bench.small_sites import Kind, small_case
from tests.bench.trees import random_site
from tests.controller.core.world import devices, tree


def certified(site, columns):
    """Return the answer for a site whose devices are all off and free."""
    off = columns.off_w.copy()
    return make_allocator(site, columns).solve(
        limit_w=site.limit_w, base_w=off, upper_w=columns.max_w.copy(), held_w=off
    )


def test_a_small_site_is_proven():
    for seed in range(4):
        answer = certified(*random_site(seed, 24, 4, modes=3))
        assert answer.bound_per_h == pytest.approx(answer.worth_per_h, rel=1e-12)


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_the_first_solve_takes_no_memory():
    certified(*random_site(0, 24, 4, modes=3))  # loads the kernels
    site, columns = random_site(0, 24, 4, modes=3)
    allocator, off = make_allocator(site, columns), columns.off_w.copy()
    made = resident_bytes()
    allocator.solve(limit_w=site.limit_w, base_w=off, upper_w=columns.max_w.copy(), held_w=off)
    assert resident_bytes() - made < 1 << 20


def asked(case):
    """Return the answer for a case of the bench."""
    return make_allocator(case.tree, case.devices).solve(
        limit_w=case.tree.limit_w,
        base_w=case.base_w,
        upper_w=case.upper_w,
        held_w=case.held_w,
        stuck_w=case.base_w,
        mode_value=case.mode_value,
    )


@pytest.mark.parametrize(("kind", "locks"), [(Kind.CATALOGUE, False), (Kind.ANY, False), (Kind.ANY, True)])
def test_settings_of_a_small_site_are_as_good_as_the_best_and_the_bound_is_never_below_it(kind, locks):
    for seed in range(16):
        case = small_case(seed, kind, most=24, locks=locks)
        best = solve_mixed(case, limit_s=20.0)
        answer = asked(case)
        scale = max(abs(best.value_per_h), 1e-3)
        assert answer.worth_per_h >= best.value_per_h - 2e-3 * scale, seed
        assert answer.bound_per_h >= best.value_per_h - 1e-7 * scale, seed
        used_w = below(case.tree, case.devices.node, answer.watts)
        assert np.all(used_w <= case.limit_w + 1e-3), seed


#: Cases whose node limits are below what their devices draw at the least: the bound was lower than what was found by others.
@pytest.mark.parametrize(("seed", "locks"), [(53, False), (61, False), (77, False), (18, True)])
def test_the_bound_holds_where_a_limit_is_below_what_must_be_drawn(seed, locks):
    case = small_case(seed, Kind.ANY, locks=locks)
    assert np.any(case.tree.limit_w < case.limit_w)
    answer = asked(case)
    best = solve_mixed(case, limit_s=20.0).value_per_h
    assert answer.bound_per_h >= best - 1e-7 * abs(best)
    assert answer.worth_per_h >= best * (1.0 - 5e-3)


def test_a_range_beside_whole_modes_takes_the_remainder():
    """An S21 and an M60S at 3,100 W: either alone, but the S21 to the watt."""
    models = load_catalogue()
    rows = []
    for name in ("antminer-s21", "whatsminer-m60s"):
        modes = models[name].modes
        rows.append({"modes": tuple((m.watts, m.hashrate_ths * 1e-3, m.continuous) for m in modes), "up": 0.0})
    columns = devices(rows)
    answer = certified(tree(("pcc", -1, 3100.0, 0.0)), columns)
    assert answer.watts.sum() == pytest.approx(3100.0)
    assert answer.bound_per_h == pytest.approx(answer.worth_per_h)


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_to_try_all_finds_what_the_rounds_miss(monkeypatch, seed):
    given = random_site(seed, 24, 4, onoff=True)
    best = certified(*given)
    monkeypatch.setattr(refinement, "MID", 0)
    rounds = certified(*given)
    assert rounds.worth_per_h + 1e-3 < best.worth_per_h == pytest.approx(best.bound_per_h)


def test_a_search_has_as_much_place_for_watts_and_losses_as_for_sets():
    sets = ChangeSets(*Refinement(Program(*random_site(0, 6, 3)), 1)._bare_sets)
    assert sets.lists.shape[3] == sets.masks.shape[2]
    assert sets.changes.shape == sets.groups.shape == (3, sets.device.size)


def test_what_the_last_refinement_wrote_is_no_part_of_the_next():
    site, columns = random_site(3, 24, 4, modes=3)
    off, full = columns.off_w.copy(), columns.max_w.copy()
    allocator = make_allocator(site, columns)
    case = {"limit_w": site.limit_w, "base_w": off, "upper_w": full, "held_w": off}
    first = allocator.solve(**case).watts.copy()
    allocator.solve(**case | {"limit_w": 0.3 * site.limit_w})
    assert np.array_equal(allocator.solve(**case).watts, first)


@pytest.mark.parametrize(("devices", "tries_all"), [(MID, True), (MID + 1, False)])
def test_a_large_site_has_no_time_to_try_all(devices, tries_all):
    assert (Refinement(Program(*random_site(0, devices, 10)), 1)._states is not None) == tries_all


@pytest.mark.parametrize("bound", ["STATES", "TRIES"])
def test_where_there_is_no_place_or_no_time_for_all_settings_a_coarser_search_is_made(monkeypatch, bound):
    """A mid site whose search of all settings ends early: it was left with what the rounds had found."""
    case = small_case(15, Kind.ANY, least=130, most=1_000)
    monkeypatch.setattr(refinement, bound, {"STATES": 1 << 18, "TRIES": 1 << 21}[bound])
    coarse = asked(case).worth_per_h
    monkeypatch.setattr(refinement, "FEW_BUCKETS", 1)
    coarsest = asked(case).worth_per_h
    monkeypatch.setattr(refinement, "MID", 0)
    assert coarse > coarsest
    assert coarse > 1.002 * asked(case).worth_per_h
