import numpy as np
from hypothesis import given

from controller.core.merit import hull, merit_order
from tests.controller.core.kernels.sites import fleets
from tests.controller.core.world import MINER, STEPS, devices


def test_hull_keeps_corners_and_drops_what_lies_below():
    watts, value = np.array([0.0, 10.0, 20.0, 30.0]), np.array([0.0, 1.0, 4.0, 5.0])
    assert hull(watts, value, np.array([False, False, True, True])) == ((0, 2, False), (2, 3, True))


def test_an_edge_over_a_dropped_mode_is_not_divisible():
    watts, value = np.array([0.0, 10.0, 20.0]), np.array([0.0, 0.1, 4.0])
    assert hull(watts, value, np.array([False, True, True])) == ((0, 2, False),)


@given(fleets())
def test_each_device_rises_along_falling_value_per_watt(fleet):
    _, columns = fleet
    merit = merit_order(columns)
    for i in range(len(columns.ids)):
        mine = merit.device == i
        density = merit.density[mine]
        assert np.all(density[:-1] >= density[1:] - 1e-12)
        assert merit.from_w[mine][0] == columns.off_w[i]
        assert merit.to_w[mine][-1] == columns.max_w[i]


def test_a_slow_start_comes_after_an_equal_device_that_starts_fast():
    columns = devices([{"modes": MINER, "up": 120.0}, {"modes": MINER, "up": 5.0}])
    merit = merit_order(columns)
    assert list(merit.device[merit.order][:2]) == [0, 1]
    assert list(merit.device[merit.new_order][:2]) == [1, 1]


def test_devices_with_equal_modes_get_equal_segments():
    merit = merit_order(devices([{"modes": STEPS}, {"modes": MINER}, {"modes": STEPS}]))
    first, third = merit.device == 0, merit.device == 2
    assert list(merit.density[first]) == list(merit.density[third])
