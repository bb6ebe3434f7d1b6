"""The encoder against bytes written by hand: it stands alone, and everything else is checked against it."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import pytest

from drivers.meters.profiles import bundled_profiles
from simulators.substation.encoder import SUNSPEC_BASE, SunspecChain, encode, identity, image_of, read_data, words_of

VALUES = {
    "active_power_w": 812_500.0,
    "frequency_hz": 50.0,
    "energy_import_wh": 1_200_000_000.0,
    "energy_export_wh": 0.0,
    **{f"voltage_{phase}_n_v": 230.5 for phase in ("l1", "l2", "l3")},
    **{f"current_{phase}_a": 100.0 for phase in ("l1", "l2", "l3")},
}

#: An integer SunSpec meter: three currents and their factor, frequency, power, counters.
SUNSPEC_INTEGERS = {
    "word_order": "big",
    "sunspec_models": [203],
    "registers": {
        "current_l1_a": {"fc": 3, "address": 3, "type": "int16", "unit": "A", "scale_address": 6},
        "current_l2_a": {"fc": 3, "address": 4, "type": "int16", "unit": "A", "scale_address": 6},
        "frequency_hz": {"fc": 3, "address": 16, "type": "int16", "unit": "Hz", "scale_address": 17},
        "active_power_w": {"fc": 3, "address": 18, "type": "int16", "unit": "W", "scale_address": 22},
        "energy_export_wh": {"fc": 3, "address": 38, "type": "acc32", "unit": "Wh", "scale_address": 54},
        "energy_import_wh": {"fc": 3, "address": 46, "type": "acc32", "unit": "Wh", "scale_address": 54},
    },
}


def words(profile_id: str, fc: int, address: int, count: int, **changes: float) -> list[int]:
    image = encode(read_data(profile_id), VALUES | changes)
    return [image[fc, each] for each in range(address, address + count)]


def one(row: dict, value: float, **options) -> list[int]:
    """Return the words of a meter with one register, from address 0 on."""
    profile = {key: options.pop(key) for key in ("word_order", "byte_order", "invalid") if key in options}
    image = encode(
        {"word_order": "big", **profile, "registers": {"x": {"fc": 3, "address": 0, "unit": "W", **row}}},
        {"x": value},
        **options,
    )
    return [image[3, each] for each in range(max(image)[1] + 1)]


@pytest.mark.parametrize(
    ("type_name", "raw", "image"),
    [
        ("int16", -2.4, "fffe"),
        ("int16", 1e9, "7fff"),
        ("int32", -1e12, "80000000"),
        ("uint16", -1, "0000"),
        ("uint64", 1e30, "ffffffffffffffff"),
        ("acc32", 70_000, "00011170"),
        ("float32", 812.5, "444b2000"),
        ("float32", 1e300, "7f800000"),
        ("float64", 9e8, "41cad27480000000"),
        ("bcd16", 5001, "5001"),
        ("bcd16", 12_345, "9999"),
        ("bcd32", 1_234_567, "01234567"),
        ("bcd64", 9_876_543_210_123_456, "9876543210123456"),
        ("mod10000_32", 12_345_678, "04d2162e"),  # 1234, 5678
        ("mod10000_48", 10_001, "000000010001"),
        ("mod10000_64", 9_999_000_000_000_001, "270f000000000001"),
        ("sm16", 300, "012c"),
        ("sm16", -300, "812c"),
        ("sm16", -1e6, "ffff"),
    ],
)
def test_raw_numbers_as_bytes(type_name, raw, image):
    assert image_of(Fraction(raw), type_name).hex() == image


def test_word_and_byte_order():
    assert words_of(b"\x01\x02\x03\x04", "big") == [0x0102, 0x0304]
    assert words_of(b"\x01\x02\x03\x04", "little") == [0x0304, 0x0102]
    assert words_of(b"\x01\x02\x03\x04", "big", "little") == [0x0201, 0x0403]
    assert words_of(b"\x01\x02\x03\x04", "little", "little") == [0x0403, 0x0201]


def test_a_register_may_have_its_own_word_order():
    assert one({"type": "mod10000_32", "word_order": "little"}, 12_345_678) == [5678, 1234]


def test_byte_order_is_that_of_the_profile():
    assert one({"type": "uint32"}, 0x01020304, byte_order="little") == [0x0201, 0x0403]


def test_known_registers_of_known_meters():
    assert words("schneider_pm5xxx", 3, 3059, 2) == [0x444B, 0x2000]  # 812.5 kW
    assert words("schneider_pm5xxx", 3, 3203, 4) == [0, 0, 0x4786, 0x8C00]  # Wh
    assert words("carlo_gavazzi_em24", 4, 40, 2) == [0xFA48, 0x007B]  # 8,125,000 tenths of W, low word first
    assert words("eastron_sdm630", 4, 72, 2) == [0x4992, 0x7C00]  # 1,200,000 kWh


def test_tariffs_add_up_and_the_first_alone_is_too_little():
    first = struct.unpack(">d", struct.pack(">4H", *words("siemens_pac3200_4200", 3, 801, 4)))[0]
    second = struct.unpack(">d", struct.pack(">4H", *words("siemens_pac3200_4200", 3, 805, 4)))[0]
    assert (first, second) == (0.9e9, 0.3e9)


@pytest.mark.parametrize(("net_w", "shown"), [(70_000.0, [0, 7000, 0, 0]), (-2.5, [0, 0, 0, 2]), (0.0, [0, 0, 0, 0])])
def test_net_power_stands_in_one_of_two_unsigned_registers(net_w, shown):
    scale = 10 if net_w > 0 else 1
    assert one({"type": "uint32", "subtract": [2], "scale": scale}, net_w) == shown


@pytest.mark.parametrize(
    ("power_w", "raw"), [(-108_682_560, 0), (0, 5000), (108_682_560, 9999), (2e8, 9999), (-2e8, 0), (math.nan, 0xFFFF)]
)
def test_lin3_maps_a_range_to_0_to_9999(power_w, raw):
    assert one({"type": "uint16", "unit": "kW", "lin3": [-108_682.56, 108_682.56]}, power_w) == [raw]
    assert one({"type": "uint16", "unit": "kW", "lin3": "full_scale"}, power_w, full_scale_w=108_682_560.0) == [raw]


def test_lin3_of_a_full_scale_that_nobody_gave():
    with pytest.raises(ValueError, match="full scale"):
        one({"type": "uint16", "lin3": "full_scale"}, 1.0)


def test_scale_factors_are_the_finest_with_which_all_values_of_a_factor_fit():
    shown = VALUES | {"current_l1_a": 3.5, "current_l2_a": 900.0}
    image = encode(SUNSPEC_INTEGERS, shown)
    points = [image[3, SUNSPEC_BASE + 70 + each] for each in range(60)]
    assert points[:2] == [203, 105]
    assert points[3:7] == [35, 9000, 0x8000, 0xFFFF]  # tenths of an ampere
    assert points[16:18] == [5000, 0xFFFE]
    assert points[18] == 8125
    assert points[22] == 2
    assert points[46:48] == [0x4786, 0x8C00]
    assert points[54] == 0
    assert points[38:40] == [0, 0]


def test_coarser_scale_factors_show_the_same_in_greater_steps():
    image = encode(SUNSPEC_INTEGERS, VALUES, coarser=2)
    assert image[3, SUNSPEC_BASE + 70 + 18] == 81
    assert image[3, SUNSPEC_BASE + 70 + 22] == 4


def test_the_sunspec_chain_leads_to_the_meter_and_ends():
    assert words("sunspec_213", 3, SUNSPEC_BASE, 4) == [0x5375, 0x6E53, 1, 66]
    assert words("sunspec_213", 3, SUNSPEC_BASE + 70, 2) == [211, 124]
    assert words("sunspec_213", 3, SUNSPEC_BASE + 70 + 28, 2) == [0x4946, 0x5D40]  # 812500 W
    assert words("sunspec_213", 3, SUNSPEC_BASE + 70 + 126, 2) == [0xFFFF, 0]


def test_the_chain_may_stand_elsewhere():
    image = encode(SUNSPEC_INTEGERS, VALUES, sunspec=SunspecChain(base=0))
    assert [image[3, each] for each in (0, 1, 70, 71, 70 + 107, 70 + 108)] == [0x5375, 0x6E53, 203, 105, 0xFFFF, 0]


def test_identity_is_answered_alone_and_shown_where_nothing_is_measured():
    data = {
        "word_order": "big",
        "identity": [{"fc": 3, "address": 0, "words": [71]}, {"fc": 3, "address": 9, "words": [0x53, 0x4F]}],
        "registers": {"x": {"fc": 3, "address": 0, "type": "uint16", "unit": "V"}},
    }
    assert identity(data) == {(3, 0, 1): (71,), (3, 9, 2): (0x53, 0x4F)}
    assert encode(data, {"x": 230}) == {(3, 0): 230, (3, 9): 0x53, (3, 10): 0x4F}


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"type": "int16"}, [0x8000]),
        ({"type": "uint32"}, [0xFFFF, 0xFFFF]),
        ({"type": "acc32"}, [0, 0]),
        ({"type": "bcd16"}, [0xFFFF]),
        ({"type": "mod10000_32"}, [0xFFFF, 0xFFFF]),
        ({"type": "sm16"}, [0x7FFF]),
        ({"type": "float32"}, [0x7FC0, 0]),
        ({"type": "float64", "address": [0, 4]}, [0x7FF8, 0, 0, 0, 0x7FF8, 0, 0, 0]),
    ],
)
def test_no_value_is_what_the_type_has_for_it(row, shown):
    assert one(row, math.nan) == shown


def test_no_value_is_the_meters_own_marker_where_it_has_one():
    assert one({"type": "int16"}, math.nan, invalid={"int16": [[0x7FF0, 0x7FFF]]}) == [0x7FF0]


def test_infinity_saturates():
    assert one({"type": "int16"}, -math.inf) == [0x8000]
    assert one({"type": "float64", "scale": 0.1}, math.inf) == [0x7FF0, 0, 0, 0]


@pytest.mark.parametrize("profile_id", bundled_profiles())
def test_every_bundled_profile_can_be_shown(profile_id):
    image = encode(read_data(profile_id), VALUES, full_scale_w=1e6)
    assert image
    assert all(0 <= word <= 0xFFFF and fc in {3, 4} and 0 <= at <= 0xFFFF for (fc, at), word in image.items())
