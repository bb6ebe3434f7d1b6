import numpy as np
import pytest

from controller.core.limits.usable import usable_w

METERED = np.array([True, False, False, False])
TOLERANCE = np.full(4, 0.05)


def test_what_devices_may_be_set_to_leaves_room_for_the_house_and_without_a_meter_for_their_tolerance():
    house_w, unheard_w = np.array([10e3, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, 500.0, 0.0])
    usable = usable_w(np.array([100e3, 195e3, 150e3, 1000.0]), house_w, unheard_w, METERED, TOLERANCE)
    assert usable == pytest.approx([90e3 - 0.03 * 10e3, 195e3 / 1.05, 149.5e3 / 1.05, 1000.0 / 1.05])
    below = usable_w(np.array([5e3, 195e3, 100.0, 1000.0]), house_w, unheard_w, METERED, TOLERANCE)
    assert below[[0, 2]] == pytest.approx([-5e3 - 300.0, -400.0])
