from __future__ import annotations

import math
import struct

import pytest

from drivers.meters.profiles import bundled_profiles
from simulators.substation.encoder import SUNSPEC_BASE, encode, image_of, read_data, words_of

VALUES = {
    "active_power_w": 812_500.0,
    "frequency_hz": 50.0,
    "energy_import_wh": 1_200_000_000.0,
    "energy_export_wh": 0.0,
    **{f"voltage_{phase}_n_v": 230.5 for phase in ("l1", "l2", "l3")},
    **{f"current_{phase}_a": 100.0 for phase in ("l1", "l2", "l3")},
}


def words(profile_id: str, fc: int, address: int, count: int, **changes: float) -> list[int]:
    image = encode(read_data(profile_id), VALUES | changes)
    return [image[fc, each] for each in range(address, address + count)]


def test_integers_are_rounded_and_saturate_as_in_a_meter():
    assert image_of(-2.4, "int16") == b"\xff\xfe"
    assert image_of(1e9, "int16") == b"\x7f\xff"
    assert image_of(-math.inf, "int32") == b"\x80\x00\x00\x00"
    assert image_of(-1, "uint16") == b"\x00\x00"
    assert image_of(1e30, "uint64") == b"\xff" * 8


def test_word_order():
    assert words_of(b"\x01\x02\x03\x04", "big") == [0x0102, 0x0304]
    assert words_of(b"\x01\x02\x03\x04", "little") == [0x0304, 0x0102]


def test_known_registers_of_known_meters():
    assert words("schneider_pm5xxx", 3, 3059, 2) == [0x444B, 0x2000]  # 812.5 kW
    assert words("schneider_pm5xxx", 3, 3203, 4) == [0, 0, 0x4786, 0x8C00]  # Wh
    assert words("carlo_gavazzi_em24", 4, 40, 2) == [0xFA48, 0x007B]  # 8,125,000 tenths of W, low word first
    assert words("eastron_sdm630", 4, 72, 2) == [0x4992, 0x7C00]  # 1,200,000 kWh


def test_tariffs_add_up_and_the_first_alone_is_too_little():
    first = struct.unpack(">d", struct.pack(">4H", *words("siemens_pac3200_4200", 3, 801, 4)))[0]
    second = struct.unpack(">d", struct.pack(">4H", *words("siemens_pac3200_4200", 3, 805, 4)))[0]
    assert (first, second) == (0.9e9, 0.3e9)


def test_the_sunspec_chain_leads_to_the_meter_and_ends():
    assert words("sunspec_213", 3, SUNSPEC_BASE, 4) == [0x5375, 0x6E53, 1, 66]
    assert words("sunspec_213", 3, SUNSPEC_BASE + 70, 2) == [211, 124]
    assert words("sunspec_213", 3, SUNSPEC_BASE + 70 + 28, 2) == [0x4946, 0x5D40]  # 812500 W
    assert words("sunspec_213", 3, SUNSPEC_BASE + 70 + 126, 2) == [0xFFFF, 0]


@pytest.mark.parametrize("profile_id", bundled_profiles())
def test_no_value_is_written_as_the_meter_marks_it(profile_id):
    data = read_data(profile_id)
    row = data["registers"]["active_power_w"]
    start = SUNSPEC_BASE + 70 if profile_id == "sunspec_213" else 0
    first, second = words(profile_id, row["fc"], start + row["address"], 2, active_power_w=math.nan)
    expected = (0, 0x7FFF) if profile_id == "carlo_gavazzi_em24" else (0x7FC0, 0)
    assert (first, second) == expected
