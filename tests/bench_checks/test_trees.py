import numpy as np
import pytest

from tests.bench.referee import below
from tests.bench.trees import catalogue_site, random_site


@pytest.mark.parametrize(("devices", "per_pdu"), [(1, 1), (30, 3), (1_000, 40), (5_000, 4)])
def test_a_random_site_is_a_tree_with_all_devices_in_its_pdus(devices, per_pdu):
    tree, fleet = random_site(1, devices, per_pdu)
    assert tree.parent[0] == -1
    assert np.all(tree.parent[1:] >= 0)
    assert np.all(tree.parent[1:] < np.arange(1, tree.parent.size))
    held = np.bincount(fleet.node, minlength=tree.parent.size)
    branches = np.bincount(tree.parent[1:], minlength=tree.parent.size)
    assert held.sum() == devices == len(fleet.ids)
    assert held.max() <= per_pdu
    assert not np.any((held > 0) & (branches > 0))
    assert np.all((held > 0) | (branches > 0))


def test_everything_off_fits_and_everything_on_does_not():
    tree, fleet = random_site(2, 2_000, 4)
    load_w = below(tree, fleet.node, fleet.max_w)
    assert np.all(tree.limit_w >= np.floor(0.6 * load_w))
    assert np.all(tree.limit_w <= load_w)
    assert np.all(below(tree, fleet.node, fleet.off_w) < tree.limit_w)


def test_modes_ascend_in_whole_watts_and_near_a_third_is_not_concave_at_zero():
    _, fleet = random_site(3, 10_000, 40)
    watts, value = fleet.mode_w.reshape(-1, 7), fleet.mode_value.reshape(-1, 7)
    assert np.all(np.diff(watts, axis=1) > 0)
    assert np.all(watts == np.round(watts))
    assert np.all(value[:, 0] == 0.0)
    slope = np.diff(value, axis=1) / np.diff(watts, axis=1)
    assert 0.27 < np.mean(slope[:, 0] < slope[:, 1]) < 0.33


def test_the_same_seed_is_the_same_site_and_another_is_not():
    (_, one), (_, same), (_, other) = (random_site(seed, 100, 4) for seed in (1, 1, 2))
    assert np.array_equal(one.mode_value, same.mode_value)
    assert not np.array_equal(one.mode_value, other.mode_value)


def test_on_off_and_continuous_devices():
    _, lumpy = random_site(1, 50, 3, onoff=True)
    assert np.all(np.diff(lumpy.mode_start) == 2)
    _, smooth = random_site(1, 1_000, 40, continuous=0.5)
    share = smooth.mode_continuous.reshape(-1, 7).any(axis=1).mean()
    assert 0.4 < share < 0.6
    assert not smooth.mode_continuous.reshape(-1, 7)[:, :2].any()


def test_a_catalogue_site_has_one_model_a_pdu():
    tree, fleet = catalogue_site(4)
    assert tree.parent.tolist() == [-1, 0, 0, 0, 0]
    assert [len({*fleet.max_w[fleet.node == pdu].tolist()}) for pdu in range(1, 5)] == [1, 1, 1, 1]
    assert np.all(fleet.mode_value[fleet.mode_start[:-1]] == 0.0)
