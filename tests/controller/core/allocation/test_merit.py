import numpy as np
import pytest

from controller.core.allocation.merit import START_HORIZON_S, by_value, start_share
from tests.controller.core.world import devices


def test_a_start_that_takes_longer_than_it_may_leaves_nothing():
    rows = [{"modes": ((10.0, 0.0, False),), "up": share * START_HORIZON_S} for share in (0.0, 0.25, 1.0, 2.0)]
    assert start_share(devices(rows)).tolist() == pytest.approx([1.0, 0.75, 0.0, 0.0])


def test_what_counts_is_what_a_mode_adds_to_off_per_watt_that_it_adds():
    # Per watt at the wall the first is the best; per watt added to off the second is.
    columns = devices(
        [{"modes": ((0.0, 0.0, False), (100.0, 1.0, False))}, {"modes": ((90.0, 0.0, False), (150.0, 1.2, False))}]
    )
    assert by_value(columns, columns.mode_value).tolist() == [1, 0]
    # Off may be worth something too: what it costs to go there, for one.
    assert by_value(columns, np.array([-2.0, 1.0, 0.0, 1.2])).tolist() == [0, 1]


def test_a_device_counts_by_its_best_mode_and_equals_keep_their_order():
    two = ((0.0, 0.0, False), (100.0, 1.0, False), (200.0, 3.0, False))
    one = ((0.0, 0.0, False), (100.0, 1.2, False))
    columns = devices([{"modes": one}, {"modes": two}, {"modes": one}])
    assert by_value(columns, columns.mode_value).tolist() == [1, 0, 2]
