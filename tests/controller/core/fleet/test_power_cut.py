"""What devices count with below a contactor: nothing while they are without power, all they may start with before that."""

import numpy as np
import pytest

from controller.core.fleet.leases import committed_w, no_leases
from controller.core.fleet.power_cut import PowerCut, without_power
from tests.controller.core.world import MINER, devices

DEVICES = devices([{"modes": MINER}] * 3)
NODES = np.zeros(1, dtype=np.bool_)


def test_one_without_power_draws_nothing_and_one_that_may_start_its_most_with_its_error():
    cut = PowerCut(
        held=np.array([True, True, False]),
        dark=np.array([True, False, False]),
        anything=np.array([False, True, False]),
        unfed=NODES,
        switching=NODES,
        fading=NODES,
        changing=NODES,
    )
    leases = without_power(no_leases(DEVICES, 0.0), DEVICES, cut)
    assert committed_w(leases, DEVICES) == pytest.approx([0.0, 1.05 * 3500.0, 25.0])
    assert leases.low_w.tolist() == [0.0, 0.0, 25.0]
