import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.limits.house_load import estimate_house
from controller.core.trust.node_power import NodePower


def once(house, power, least, most, slack=5.0, known=True, proven=True, elapsed_s=1.0):
    measured = NodePower(watts=np.array([power]), known=np.array([known]), taken_s=np.array([0.0]))
    draws = np.array([least]), np.array([most]), np.array([slack])
    return float(estimate_house(np.array([house]), measured, np.array([proven]), *draws, elapsed_s)[0])


@pytest.mark.parametrize(
    ("why", "given_", "expected"),
    [
        ("more than thought counts at once", {"house": 10.0, "power": 130.0, "least": 100.0, "most": 100.0}, 30.0),
        (
            "what may be the devices is not house load",
            {"house": 10.0, "power": 130.0, "least": 50.0, "most": 125.0},
            10.0,
        ),
        (
            "less than thought, by a meter that is not proven",
            {"house": 30.0, "power": 110.0, "least": 100.0, "most": 100.0, "proven": False},
            30.0,
        ),
        ("no meter, no change", {"house": 10.0, "power": 999.0, "least": 0.0, "most": 0.0, "known": False}, 10.0),
    ],
)
def test_estimate(why, given_, expected):
    assert once(**given_) == pytest.approx(expected), why


def test_less_than_thought_counts_calmly():
    first = once(30.0, 110.0, 100.0, 100.0)
    assert 25.0 < first < 30.0
    assert once(30.0, 110.0, 100.0, 100.0, elapsed_s=60.0) == pytest.approx(10.0, abs=0.01)


def test_a_meter_that_shows_less_than_the_devices_must_draw_is_not_believed():
    assert once(10.0, 1.0, 100.0, 100.0, slack=5.0, elapsed_s=600.0) == pytest.approx(-5.0)


@given(st.floats(-1e5, 1e6), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.01, 10.0))
def test_never_below_what_the_meter_proves(house, power, least, more, elapsed_s):
    most = least + more
    assert once(house, power, least, most, elapsed_s=elapsed_s) >= power - most - 1e-6
