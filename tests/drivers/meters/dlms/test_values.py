"""From attributes to values in SI units: what is no number, or too large to be one, has a reason instead."""

from __future__ import annotations

import pytest

from drivers.meters.codec import Dropped
from drivers.meters.dlms.profiles import load_dlms_profile
from drivers.meters.dlms.values import value_of
from drivers.meters.dlms.xdlms import Denied, Got
from drivers.quantities import QuantityKind

POWER = load_dlms_profile("dlms_electricity").quantities["active_power_w"]


def power(plus: Got, minus: Got = 0, scaler_unit: Got = (0, 27)) -> float | Dropped:
    got = {}
    for number, value in zip(POWER.numbers, (plus, minus), strict=True):
        got |= {number.value: value, number.scaler_unit: scaler_unit}
    return value_of(POWER, QuantityKind.POWER, got)


@pytest.mark.parametrize(
    ("plus", "minus", "scaler_unit", "watts"),
    [
        (8125, 0, (2, 27), 812_500.0),
        (0, 8125, (2, 27), -812_500.0),
        (8_125_003, 0, (-1, 27), 812_500.3),
        (2**64 - 1, 0, (12, 27), float(2**64 - 1) * 1e12),
        (1.5, 0.25, (3, 27), 1250.0),
    ],
)
def test_a_number_counts_by_its_scaler(plus: Got, minus: Got, scaler_unit: Got, watts: float) -> None:
    assert power(plus, minus, scaler_unit) == pytest.approx(watts, rel=1e-15)


@pytest.mark.parametrize(
    ("plus", "minus", "scaler_unit", "told"),
    [
        (None, 0, (0, 27), "no value of it now"),
        ("12", 0, (0, 27), "which is no number"),
        (True, 0, (0, 27), "which is no number"),
        (float("nan"), 0, (0, 27), "which is no number"),
        (1, 0, (13, 27), "a scaler and unit that cannot be"),
        (1, 0, (0,), "a scaler and unit that cannot be"),
        (1, 0, b"", "a scaler and unit that cannot be"),
        (1, 0, (0, 255), "counts it in no unit, and it has to be W"),
        (1, 0, (0, 200), "counts it in the unit 200, and it has to be W"),
        (1e308, 0, (12, 27), "is not finite"),
        (1e308, -1e308, (0, 27), "is not finite"),
        (1, Denied(4, "no such object"), (0, 27), "no such object"),
    ],
)
def test_what_is_no_value_says_why(plus: Got, minus: Got, scaler_unit: Got, told: str) -> None:
    value = power(plus, minus, scaler_unit)
    assert isinstance(value, Dropped)
    assert told in value.reason
