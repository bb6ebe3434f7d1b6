"""What one sample says of itself."""

import pytest

from controller.core.reasons import Code
from controller.core.trust.plausibility import contradiction, off_grid, unready, vouched

RATING_W = 100e3


def sample(power_w=30e3, volts=230.0, amperes=None, phases=None, frequency_hz=50.01):
    amperes = abs(power_w) / 3 / 230.0 if amperes is None else amperes
    phases = [power_w / 3] * 3 if phases is None else phases
    return {
        "active_power_w": power_w,
        "frequency_hz": frequency_hz,
        **{f"voltage_l{k}_n_v": volts for k in (1, 2, 3)},
        **{f"current_l{k}_a": amperes for k in (1, 2, 3)},
        **{f"active_power_l{k}_w": phases[k - 1] for k in (1, 2, 3)},
    }


def looks(values):
    """Return whether it was looked at, and what contradicts it."""
    found = contradiction(values, RATING_W)
    return found.looked, found.against


CARRY, NONE, PHASES = Code.METER_OVER_AMPERES, Code.METER_UNDER_AMPERES, Code.METER_PHASES_APART


@pytest.mark.parametrize(
    ("why", "values", "against"),
    [
        ("all agrees", sample(), None),
        ("export", sample(-30e3), None),
        ("a power factor of one half", sample(amperes=2 * 30e3 / 690), None),
        ("cables and filters without a load", sample(30.0, amperes=4.0), None),
        ("nothing drawn", sample(0.0), None),
        ("1000 times too much", sample(30e3, amperes=0.0435, phases=[10e3] * 3), CARRY),
        ("1000 times too little", sample(30.0, amperes=43.5), NONE),
        ("a two hundredth of volts times amperes", sample(150.0, volts=200.0, amperes=50.0), None),
        ("a little less", sample(149.0, volts=200.0, amperes=50.0), NONE),
        ("ten times too much", sample(30e3, amperes=4.35), CARRY),
        ("power without amperes", sample(30e3, amperes=0.0), CARRY),
        ("one phase taken for the total", sample(10e3, amperes=43.5, phases=[10e3] * 3), PHASES),
        ("the wrong sign of one phase", sample(phases=[10e3, -10e3, 10e3]), PHASES),
        ("phases within their class", sample(phases=[10.5e3, 10e3, 10e3]), None),
    ],
)
def test_what_cannot_be_true_together_is_said(why, values, against):
    assert looks(values) == (True, against), why


@pytest.mark.parametrize(("power_w", "against"), [(30e3, None), (300e3, CARRY), (30.0, NONE)])
def test_volts_and_amperes_are_enough_to_have_looked(power_w, against):
    values = {name: value for name, value in sample(power_w, amperes=43.5).items() if "power_l" not in name}
    assert looks(values) == (True, against)


def test_a_meter_with_two_elements_has_neither_volts_to_neutral_nor_powers_of_the_phases():
    values = sample(30e3, phases=[0.0] * 3) | {f"voltage_l{k}_n_v": 0.0 for k in (1, 2, 3)}
    assert looks(values) == (False, None)
    assert not vouched(values, RATING_W)


@pytest.mark.parametrize(
    "missing", [["active_power_w"], ["voltage_l2_n_v", "active_power_l3_w"], ["current_l1_a", "active_power_l1_w"]]
)
def test_a_sample_without_the_parts_says_nothing(missing):
    values = {name: value for name, value in sample(1e3, amperes=900.0).items() if name not in missing}
    assert looks(values) == (False, None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (sample(0.0, volts=0.0, frequency_hz=0.0), True),
        ({"active_power_w": 0.0, "frequency_hz": 0.0}, True),
        ({"active_power_w": 0.0, "voltage_l1_l2_v": 0.0}, True),
        ({"active_power_w": 0.0, "frequency_hz": 50.0}, False),
        ({"active_power_w": 0.0}, False),
        ({"active_power_w": 0.0, "energy_import_wh": 0.0, "energy_export_wh": 0.0}, False),
        ({}, False),
    ],
)
def test_nothing_but_zeros_is_no_reading_where_something_cannot_be_zero(values, expected):
    assert unready(values) is expected


@pytest.mark.parametrize(
    ("grid_hz", "frequency_hz", "expected"),
    [
        (50.0, 50.0, False),
        (50.0, 45.01, False),
        (50.0, 54.99, False),
        (50.0, 45.0, True),
        (50.0, 55.0, True),
        (50.0, 60.0, True),
        (50.0, 0.0, True),
        (50.0, -50.0, True),
        (50.0, 5e4, True),
        (60.0, 60.0, False),
        (60.0, 55.01, False),
        (60.0, 55.0, True),
        (60.0, 65.0, True),
        (60.0, 50.0, True),
    ],
)
def test_a_frequency_of_no_grid(grid_hz, frequency_hz, expected):
    assert off_grid({"frequency_hz": frequency_hz}, grid_hz) is expected


def test_without_a_frequency_none_is_wrong():
    assert not off_grid({"active_power_w": 1.0}, 50.0)


@pytest.mark.parametrize(
    ("why", "values", "expected"),
    [
        ("a load", sample(), True),
        ("a small load", sample(300.0), True),
        ("a load too small to tell", sample(100.0), False),
        ("the wrong sign", sample(-30e3), False),
        ("1000 times too little", sample(30.0, amperes=43.5), False),
        ("a tenth", sample(3e3, amperes=43.5), False),
        ("twice", sample(60e3, amperes=43.5), False),
        ("no volts", {"active_power_w": 30e3}, False),
    ],
)
def test_volts_and_amperes_vouch_for_the_scale(why, values, expected):
    assert vouched(values, RATING_W) is expected, why


def test_a_load_of_just_the_least_share_of_the_rating_vouches():
    values = {name: 2.0 if name.startswith("current") else value for name, value in sample(1380.0).items()}
    assert vouched(values, 690e3)
    assert not vouched(values, 691e3)
