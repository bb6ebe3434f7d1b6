from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from drivers.meters.codec import Dropped
from drivers.meters.payloads.fields import Field, NotThere, Spot
from drivers.meters.payloads.pointer import Pointer
from drivers.quantities import QuantityKind


def spot(text: str, topic: str = "") -> Spot:
    return Spot(Pointer.parse(text), topic)


POWER = Field(kind=QuantityKind.POWER, spots=(spot("/p"),), unit="kW")


def why(field: Field, document: Any) -> str:
    found = field.decode({"": document})
    assert isinstance(found, Dropped)
    return found.reason


def test_a_value_is_in_si_and_turned_and_scaled() -> None:
    assert POWER.decode({"": {"p": 812.5}}) == 812_500.0
    assert replace(POWER, factor=-0.1).decode({"": {"p": 100}}) == -10_000.0


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "null is not a number"),
        (True, "true is not a number"),
        (False, "false is not a number"),
        ("812.5", "'812.5' is not a number"),
        ([1], "a list is not a number"),
        ({}, "an object is not a number"),
        (math.nan, "nan is not finite"),
        (-math.inf, "-inf is not finite"),
        (10**400, "a number of many digits is not finite"),
        (1e306, "1e+306 in its unit is not finite"),
    ],
)
def test_what_is_no_number_is_no_value(value: object, told: str) -> None:
    assert why(POWER, {"p": value}) == told


@pytest.mark.parametrize("text", ["812.5", "+812.5", "8125e-1", "812.50000"])
def test_a_number_that_is_sent_as_a_text_is_one_where_that_is_said(text: str) -> None:
    assert replace(POWER, written=True).decode({"": {"p": text}}) == 812_500.0


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1_000", "0x10", "nan", "inf", "1,5", "1e9999", "\u0663", "unknown", "9" * 31]
)
def test_what_python_takes_for_a_number_is_not_always_one(text: str) -> None:
    assert "is not" in why(replace(POWER, written=True, unit="W"), {"p": text})


def test_what_is_not_there_is_told_apart_from_what_is_no_number() -> None:
    assert isinstance(why(POWER, {}), NotThere)
    assert not isinstance(why(POWER, {"p": None}), NotThere)


def test_parts_are_added_up_and_one_that_is_missing_makes_no_sum() -> None:
    field = replace(POWER, spots=(spot("/p/0"), spot("/p/1")))
    assert field.decode({"": {"p": [1, 2.5]}}) == 3500.0
    assert why(field, {"p": [1]}) == "nothing at /p/1"
    assert why(field, {"p": [1, None]}) == "null is not a number"


def test_a_meter_that_says_that_its_value_is_not_valid_has_none() -> None:
    field = replace(POWER, valid_at=(spot("/ok"),))
    assert field.decode({"": {"p": 1, "ok": True}}) == 1000.0
    for said in (False, None, 1, "true"):
        assert "says that it is not valid" in why(field, {"p": 1, "ok": said})
    assert "not there" in why(field, {"p": 1})


def test_the_unit_of_the_message_counts_and_may_not_contradict_the_site_file() -> None:
    stated = replace(POWER, unit=None, unit_at=spot("/u"))
    assert stated.decode({"": {"p": 2, "u": "MW"}}) == 2e6
    assert "known are W, kW, MW, GW" in why(stated, {"p": 2, "u": "°C"})
    assert "known are" in why(stated, {"p": 2})
    both = replace(stated, unit="kW")
    assert both.decode({"": {"p": 2, "u": "kW"}}) == 2000.0
    assert both.decode({"": {"p": 2}}) == 2000.0
    assert why(both, {"p": 2, "u": "W"}) == "the message says W, the site file kW"
    assert why(replace(POWER, unit=None), {"p": 2}) == "nobody says its unit"


def test_a_value_that_cannot_be_is_none_and_doubted() -> None:
    found = Field(kind=QuantityKind.FREQUENCY, spots=(spot("/f"),), unit="Hz", plausible=(45, 65)).decode(
        {"": {"f": 5}}
    )
    assert found == Dropped("5 is not within 45 to 65", implausible=True)
