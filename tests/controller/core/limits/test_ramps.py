"""The rooms of the ramps, by hand."""

import math

import pytest

from controller.core.limits.ramps import ramp_rooms, saved
from tests.controller.core.test_step_stages import TABLES
from tests.controller.core.world import RULES

LARGEST_W = TABLES.largest_start_w


def rooms(rise_left_w: float, fall_left_w: float, *, forced: bool = False) -> tuple[float, float]:
    return ramp_rooms(RULES, (rise_left_w, fall_left_w), LARGEST_W, 0.1, forced=forced)


def test_a_ramp_saves_up_for_the_largest_start_and_for_no_more():
    assert pytest.approx((3600.0 - 150.0) * 1.05) == LARGEST_W
    assert saved(1000.0, 500.0, LARGEST_W) == 1500.0
    assert saved(LARGEST_W, 500.0, LARGEST_W) == LARGEST_W
    assert saved(0.0, 2 * LARGEST_W, LARGEST_W) == 2 * LARGEST_W, "a tick's share counts whole"


def test_rooms_of_the_ramps():
    expected = 100.0 + 0.1 * RULES.ramp_up_w_s, 0.1 * RULES.ramp_down_w_s
    assert rooms(100.0, math.inf) == expected, "inf is not saved"
    assert rooms(100.0, math.inf, forced=True)[1] == math.inf
    assert rooms(-5000.0, math.inf)[0] == 0.1 * RULES.ramp_up_w_s
