from __future__ import annotations

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.meters.codec import Dropped, Register, decode, word_count
from drivers.meters.encodings import TYPES

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
        ("acc32", [0x0001, 0x0000], 65536),
        ("acc64", [0, 1, 0, 0], 2**32),
        ("bcd16", [0x1234], 1234),
        ("bcd32", [0x1234, 0x5678], 12345678),
        ("bcd64", [0x1234, 0x5678, 0x9012, 0x3456], 1234567890123456),
        ("mod10000_32", [1234, 5678], 12345678),
        ("mod10000_48", [1, 2, 3], 100020003),
        ("mod10000_64", [9, 9999, 0, 1], 9999900000001),
        ("sm16", [0x8001], -1),
        ("sm16", [0x7FFE], 32766),
    ],
)
def test_big_word_order_has_the_most_significant_word_first_and_little_is_its_mirror(type_name, words, expected):
    swapped = [(word & 0xFF) << 8 | word >> 8 for word in words]
    assert decode(register(type_name), [words]) == expected
    assert decode(register(type_name, word_order="little"), [words[::-1]]) == expected
    assert decode(register(type_name, byte_order="little"), [swapped]) == expected
    assert decode(register(type_name, word_order="little", byte_order="little"), [swapped[::-1]]) == expected


def test_a_scaled_integer_is_exact_to_the_last_digit():
    tenths = register("int32", factor=Fraction(1, 10))
    assert decode(tenths, [[0, 2305]]) == 230.5
    assert decode(tenths, [[0, 3]]) == 0.3  # 3 * 0.1 is 0.30000000000000004


SCALES = st.sampled_from(["0.1", "0.01", "0.001", "1", "10", "100", "-1", "-0.1"])


@given(st.integers(-(2**31) + 1, 2**31 - 2), SCALES)
def test_every_int32_comes_back_as_the_nearest_number_to_its_decimal(raw, scale):
    words = list(struct.unpack(">HH", struct.pack(">i", raw)))
    assert decode(register("int32", factor=Fraction(scale)), [words]) == float(Fraction(raw) * Fraction(scale))


@given(st.integers(0, 2**64 - 2), SCALES)
def test_every_uint64_comes_back_as_the_nearest_number_to_its_decimal(raw, scale):
    words = list(struct.unpack(">4H", struct.pack(">Q", raw)))
    assert decode(register("uint64", factor=Fraction(scale)), [words]) == float(Fraction(raw) * Fraction(scale))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), SCALES)
def test_every_float32_comes_back_scaled_and_rounded_once(number, scale):
    words = list(struct.unpack(">HH", struct.pack(">f", number)))
    assert decode(register("float32", factor=Fraction(scale)), [words]) == float(Fraction(number) * Fraction(scale))


@given(st.integers(0, 99_999_998))
def test_every_number_of_eight_digits_comes_back_from_its_digits(number):
    digits = f"{number:08d}"
    assert decode(register("bcd32"), [[int(digits[:4], 16), int(digits[4:], 16)]]) == number
    assert decode(register("mod10000_32"), [[int(digits[:4]), int(digits[4:])]]) == number


@given(st.integers(-0x7FFE, 0x7FFE))
def test_every_sign_and_magnitude_comes_back(number):
    assert decode(register("sm16"), [[abs(number) | (0x8000 if number < 0 else 0)]]) == number


@given(st.lists(st.integers(-(2**31) + 1, 2**31 - 2), min_size=2, max_size=5), st.integers(1, 4), SCALES)
def test_a_sum_less_what_is_taken_away_is_rounded_once(raws, added, scale):
    added = min(added, len(raws) - 1)
    both = Register(
        fc=3,
        addresses=tuple(range(added)),
        subtract=tuple(range(len(raws) - added)),
        type="int32",
        factor=Fraction(scale),
    )
    parts = [struct.unpack(">HH", struct.pack(">i", raw)) for raw in raws]
    assert decode(both, parts) == float((sum(raws[:added]) - sum(raws[added:])) * Fraction(scale))


@given(st.integers(-32767, 32766), st.integers(-10, 10))
def test_an_exponent_beside_a_value_scales_it_exactly(raw, exponent):
    scaled = register("int16", scale_address=7)
    assert decode(scaled, [[raw & 0xFFFF], [exponent & 0xFFFF]]) == float(raw * Fraction(10) ** exponent)


@given(st.integers(1, 9998), st.integers(-(10**6), 10**6), st.integers(1, 10**6))
def test_lin3_runs_straight_from_its_low_to_its_high_end(raw, low, width):
    line = register("uint16", lin3=(Fraction(low), Fraction(low + width)), factor=Fraction(1000))
    assert decode(line, [[raw]]) == float(1000 * (low + Fraction(raw * width, 9999)))


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["big", "little"]))
def test_every_finite_float64_comes_back(number, word_order):
    words = list(struct.unpack(">HHHH", struct.pack(">d", number)))
    ordered = words if word_order == "big" else words[::-1]
    assert decode(register("float64", word_order=word_order), [ordered]) == number


@given(st.data(), st.sampled_from(sorted(TYPES)), st.sampled_from(["big", "little"]), st.booleans(), st.booleans())
def test_no_words_raise_or_give_a_number_that_is_not_finite(data, type_name, word_order, exponent, taken_away):
    odd = Register(
        fc=3,
        addresses=(0, 4),
        subtract=(8,) if taken_away else (),
        scale_address=12 if exponent else None,
        type=type_name,
        word_order=word_order,
        byte_order=word_order,
        factor=Fraction(10**9),
    )
    value = decode(odd, [data.draw(st.lists(WORD, min_size=n, max_size=n)) for _, n in odd.reads])
    assert isinstance(value, Dropped) or math.isfinite(value)


@pytest.mark.parametrize(
    ("type_name", "words"),
    [
        ("int16", [0x7FFF]),
        ("int16", [0x8000]),
        ("uint16", [0xFFFF]),
        ("int32", [0x7FFF, 0xFFFF]),
        ("int32", [0x8000, 0]),
        ("uint32", [0xFFFF, 0xFFFF]),
        ("int64", [0x8000, 0, 0, 0]),
        ("uint64", [0xFFFF] * 4),
        ("acc32", [0xFFFF, 0xFFFF]),
        ("bcd16", [0x9999]),
        ("mod10000_32", [9999, 9999]),
        ("sm16", [0x7FFF]),
        ("sm16", [0xFFFF]),
    ],
)
def test_the_end_of_a_type_is_no_value_for_the_true_one_may_lie_beyond(type_name, words):
    value = decode(register(type_name), [words])
    assert isinstance(value, Dropped)
    assert value.implausible
    assert "saturated" in value.reason


@pytest.mark.parametrize(
    ("type_name", "words"),
    [("bcd16", [0x12A4]), ("bcd32", [0, 0xF]), ("mod10000_32", [0, 10000]), ("mod10000_64", [0xFFFF] * 4)],
)
def test_a_digit_that_is_none_means_that_the_map_may_be_wrong(type_name, words):
    value = decode(register(type_name), [words])
    assert isinstance(value, Dropped)
    assert value.implausible
    assert f"is no {type_name}" in value.reason


@pytest.mark.parametrize("type_name", ["acc32", "acc64"])
def test_an_accumulator_that_does_not_accumulate_is_no_value_and_no_fault(type_name):
    value = decode(register(type_name), [[0] * word_count(type_name)])
    assert isinstance(value, Dropped)
    assert not value.implausible


def test_unsigned_zero_is_a_value():
    assert decode(register("uint32"), [[0, 0]]) == 0.0
    assert decode(register("bcd32"), [[0, 0]]) == 0.0


@pytest.mark.parametrize(("exponent", "implausible"), [(0x8000, False), (11, True), (0xFFF5, True)])
def test_an_exponent_that_is_none_or_cannot_be_leaves_no_value(exponent, implausible):
    value = decode(register("int16", scale_address=7), [[5], [exponent]])
    assert isinstance(value, Dropped)
    assert value.implausible is implausible


@pytest.mark.parametrize(
    ("low", "raw", "value"),
    [
        (-100, 0, None),
        (-100, 9999, None),
        (-100, 10000, None),
        (-100, 0xFFFF, None),
        (45, 0, None),
        (0, 0, 0.0),
        (0, 9999, None),
    ],
)
def test_the_ends_of_lin3_are_no_value_but_for_a_zero_that_is_zero(low, raw, value):
    decoded = decode(register("uint16", lin3=(Fraction(low), Fraction(100))), [[raw]])
    assert decoded == value if value is not None else isinstance(decoded, Dropped) and decoded.implausible


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (register("int16", factor=Fraction(1000)), (-32_768_000.0, 32_767_000.0)),
        (register("int32", factor=Fraction(-1, 100)), (-21_474_836.47, 21_474_836.48)),
        (register("uint16", subtract=(1,)), (-65535.0, 65535.0)),
        (register("bcd16", factor=Fraction(10)), (0.0, 99_990.0)),
        (register("uint16", lin3=(Fraction(45), Fraction(65))), (45.0, 65.0)),
        (register("float32"), None),
        (register("int16", scale_address=7), None),
        (register("uint16", lin3=(Fraction(-1), Fraction(1)), of_full_scale=True), None),
    ],
)
def test_a_register_says_what_it_can_show_at_most(made, expected):
    assert made.range == expected


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
    total = Register(fc=3, addresses=(0, 2), type="float32")
    assert decode(total, [[0x444B, 0x2000], [0x42C8, 0]]) == 912.5
    assert isinstance(decode(total, [[0x444B, 0x2000], [0x7FC0, 0]]), Dropped)
