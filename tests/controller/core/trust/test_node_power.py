import numpy as np
import pytest

from controller.core.trust.columns import MeterColumns
from controller.core.trust.node_power import node_power
from tests.controller.core.world import site

NOW_S = 100.0
SITE = site()


def meters(power=(50e3, 50e3), age=(0.5, 0.5), sane=(True, True)) -> MeterColumns:
    return MeterColumns(
        power_w=np.array(power), taken_s=NOW_S - np.array(age), sane=np.array(sane), vouched=np.zeros(2, dtype=np.bool_)
    )


@pytest.mark.parametrize(
    ("columns", "watts"),
    [
        (meters(power=(50e3, 52e3)), 52e3),
        (meters(power=(50e3, 52e3), age=(0.5, 4.0)), 50e3),
        (meters(power=(50e3, 52e6)), 50e3),
        (meters(power=(50e3, 52e3), sane=(True, False)), 50e3),
        (meters(power=(-50e3, 52e3)), 52e3),
        (meters(power=(-50e3, -52e3)), -50e3),
    ],
)
def test_the_larger_believable_load_counts(columns, watts):
    power = node_power(SITE, columns, NOW_S)
    assert power.known[0]
    assert power.watts[0] == watts


def test_the_oldest_of_what_is_used_dates_the_power():
    assert node_power(SITE, meters(age=(0.5, 2.5)), NOW_S).taken_s[0] == NOW_S - 2.5


def test_nothing_is_known_without_a_fresh_meter():
    assert not node_power(SITE, meters(age=(4.0, float("inf"))), NOW_S).known.any()
