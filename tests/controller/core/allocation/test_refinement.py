import numpy as np
import pytest

from controller.core.allocation import refinement
from controller.core.allocation.allocator import make_allocator
from controller.core.allocation.program import Program
from controller.core.allocation.refinement import SMALL, Refinement
from controller.core.kernels.columns import ChangeSets
from tests.bench.trees import random_site


def certified(site, columns):
    """Return the answer for a site whose devices are all off and free."""
    off = columns.off_w.copy()
    return make_allocator(site, columns).solve(
        limit_w=site.limit_w, base_w=off, upper_w=columns.max_w.copy(), held_w=off
    )


def test_a_small_site_is_proven_unless_some_devices_have_more_than_whole_modes():
    for seed in range(4):
        answer = certified(*random_site(seed, 24, 4, modes=3))
        assert answer.bound_per_h == pytest.approx(answer.worth_per_h, rel=1e-12)
        mixed = certified(*random_site(seed, 24, 4, modes=3, continuous=0.3))
        assert mixed.bound_per_h > mixed.worth_per_h + 1e-3, "what lies between the modes was not tried"


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_to_try_all_finds_what_the_rounds_miss(monkeypatch, seed):
    given = random_site(seed, 24, 4, onoff=True)
    best = certified(*given)
    monkeypatch.setattr(refinement, "SMALL", 0)
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


@pytest.mark.parametrize(("devices", "tries_all"), [(SMALL, True), (SMALL + 1, False)])
def test_a_large_site_has_no_time_to_try_all(devices, tries_all):
    assert (Refinement(Program(*random_site(0, devices, 10)), 1)._states is not None) == tries_all
