from __future__ import annotations

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.meters.codec import FORMATS, Dropped, Register, decode, word_count

WORD = st.integers(0, 0xFFFF)


def register(type_name: str, **changes: object) -> Register:
    return Register(fc=3, addresses=(0,), type=type_name, **changes)


@pytest.mark.parametrize(
    ("type_name", "words", "expected"),
    [
        ("int16", [0xFFFE], -2),
        ("uint16", [0xFFFE], 65534),
        ("int32", [0xFFFF, 0xFF9C], -100),
        ("uint32", [0xFFFF, 0xFF9C], 4294967196),
        ("int64", [0, 0, 0x00BC, 0x614E], 12345678),
        ("uint64", [0, 1, 0, 0], 2**32),
        ("float32", [0x444B, 0x2000], 812.5),
        ("float64", [0x41CA, 0xD274, 0x8000, 0x0000], 9e8),
    ],
)
def test_big_word_order_has_the_most_significant_word_first_and_little_is_its_mirror(type_name, words, expected):
    assert decode(register(type_name), [words]) == expected
    assert decode(register(type_name, word_order="little"), [words[::-1]]) == expected


def test_a_scaled_integer_is_exact_to_the_last_digit():
    tenths = register("int32", factor=Fraction(1, 10))
    assert decode(tenths, [[0, 2305]]) == 230.5
    assert decode(tenths, [[0, 3]]) == 0.3  # 3 * 0.1 is 0.30000000000000004


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from(["0.1", "0.01", "0.001", "1", "10", "100"]))
def test_every_int32_comes_back_as_the_nearest_number_to_its_decimal(raw, scale):
    words = list(struct.unpack(">HH", struct.pack(">i", raw)))
    assert decode(register("int32", factor=Fraction(scale)), [words]) == float(Fraction(raw) * Fraction(scale))


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["big", "little"]))
def test_every_finite_float64_comes_back(number, word_order):
    words = list(struct.unpack(">HHHH", struct.pack(">d", number)))
    ordered = words if word_order == "big" else words[::-1]
    assert decode(register("float64", word_order=word_order), [ordered]) == number


@given(st.data(), st.sampled_from(sorted(FORMATS)), st.sampled_from(["big", "little"]))
def test_no_words_raise_or_give_a_number_that_is_not_finite(data, type_name, word_order):
    count = word_count(type_name)
    words = data.draw(st.lists(WORD, min_size=count, max_size=count))
    value = decode(register(type_name, word_order=word_order, factor=Fraction(10**9)), [words, words])
    assert isinstance(value, Dropped) or math.isfinite(value)


@pytest.mark.parametrize("words", [[0x7FC0, 0], [0xFFC0, 0], [0x7F80, 0], [0xFF80, 0], [0x7F80, 1]])
def test_nan_and_infinity_are_dropped_with_the_reason(words):
    value = decode(register("float32"), [words])
    assert isinstance(value, Dropped)
    assert "not finite" in value.reason
    assert not value.implausible


def test_a_float_that_overflows_through_its_scale_is_dropped():
    words = list(struct.unpack(">HHHH", struct.pack(">d", 1.7e308)))
    assert isinstance(decode(register("float64", factor=Fraction(1000)), [words]), Dropped)


def test_an_invalid_marker_is_dropped_and_its_neighbour_is_not():
    marked = register("int32", invalid=((0x7FFF0000, 0x7FFFFFFF),))
    assert isinstance(decode(marked, [[0x7FFF, 0x0001]]), Dropped)
    assert decode(marked, [[0x7FFE, 0xFFFF]]) == 0x7FFEFFFF


def test_a_marker_is_compared_in_the_order_of_the_profile():
    marked = register("int32", word_order="little", invalid=((0x7FFFFFFF, 0x7FFFFFFF),))
    assert isinstance(decode(marked, [[0xFFFF, 0x7FFF]]), Dropped)
    assert decode(marked, [[0x7FFF, 0xFFFF]]) == -32769


def test_a_value_outside_its_plausible_range_is_dropped_as_implausible():
    hertz = register("float32", plausible=(45.0, 65.0))
    value = decode(hertz, [[0x444B, 0x2000]])
    assert isinstance(value, Dropped)
    assert value.implausible
    assert "45 to 65" in value.reason


def test_a_sum_adds_its_parts_and_is_dropped_with_any_of_them():
    total = register("float32")
    assert decode(total, [[0x444B, 0x2000], [0x42C8, 0]]) == 912.5
    assert isinstance(decode(total, [[0x444B, 0x2000], [0x7FC0, 0]]), Dropped)
