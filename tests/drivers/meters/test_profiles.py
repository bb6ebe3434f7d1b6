from __future__ import annotations

from fractions import Fraction

import pytest

from drivers.errors import ConfigError
from drivers.meters.blocks import decode_all, plan
from drivers.meters.codec import Dropped
from drivers.meters.profiles import QUANTITIES, bundled_profiles, load_profile, parse_profile

GOOD = """\
id: own_meter
vendor: Us
model: One
confidence: single_source
sources: [a manual]
word_order: little
largest_block: 20
invalid: {int32: [0x7FFFFFFF, [0x80000000, 0x80000001]]}
registers:
  active_power_w: {fc: 4, address: [10, 20], type: int32, scale: 0.01, unit: kW, sign: -1}
  frequency_hz: {fc: 3, address: 5, type: uint16, unit: mHz, plausible: [45, 65]}
"""

#: Bytes at PDU addresses, written by hand from the reference, and what they mean.
#: Powers differ from meter to meter in unit and type, so a factor of 1000 or a swapped word shows.
VECTORS = {
    "schneider_pm5xxx": (
        {2999: "42c80000", 3027: "43668000", 3059: "444b2000", 3109: "42480000"}
        | {3203: "0000000000bc614e", 3207: "00000000000004d2"},
        {"current_l1_a": 100.0, "voltage_l1_n_v": 230.5, "active_power_w": 812_500.0, "frequency_hz": 50.0}
        | {"energy_import_wh": 12_345_678.0, "energy_export_wh": 1234.0},
    ),
    "siemens_pac3200_4200": (
        {1: "43668000", 13: "42c80000", 55: "42480000", 65: "c8742408"}
        | {801: "41cad27480000000", 805: "41b1e1a301000000", 809: "401c000000000000", 813: "4014000000000000"},
        {"voltage_l1_n_v": 230.5, "current_l1_a": 100.0, "frequency_hz": 50.0, "active_power_w": -250_000.125}
        | {"energy_import_wh": 1_200_000_001.0, "energy_export_wh": 12.0},
    ),
    "janitza_umg96rm": (
        {19000: "43668000", 19012: "42c80000", 19026: "49465d48", 19050: "42480000"}
        | {19062: "42c80000", 19068: "4b3c614e", 19070: "42c80000", 19076: "4476e000"},
        {"voltage_l1_n_v": 230.5, "current_l1_a": 100.0, "active_power_w": 812_500.5, "frequency_hz": 50.0}
        | {"energy_import_wh": 12_345_678.0, "energy_export_wh": 987.5},
    ),
    "carlo_gavazzi_em24": (
        {0: "09010000", 12: "86a00001", 40: "fa4d007b", 55: "01f4", 62: "e2400001", 66: "00010000", 92: "04d20000"},
        {"voltage_l1_n_v": 230.5, "current_l1_a": 100.0, "active_power_w": 812_500.5, "frequency_hz": 50.0}
        | {"energy_import_wh": 12_345_600.0, "energy_export_wh": 123_400.0},
    ),
    "eastron_sdm630": (
        {0: "43668000", 6: "42c80000", 52: "49465d48", 70: "42480000", 72: "4640e6b6", 74: "4476e000"},
        {"voltage_l1_n_v": 230.5, "current_l1_a": 100.0, "active_power_w": 812_500.5, "frequency_hz": 50.0}
        | {"energy_import_wh": 12_345_677.734375, "energy_export_wh": 987_500.0},
    ),
    "sunspec_213": (
        {4: "42c80000", 12: "43668000", 26: "42480000", 28: "49465d48", 60: "4476e000", 68: "4b3c614e"},
        {"voltage_l1_n_v": 230.5, "current_l1_a": 100.0, "active_power_w": 812_500.5, "frequency_hz": 50.0}
        | {"energy_import_wh": 12_345_678.0, "energy_export_wh": 987.5},
    ),
}


def answers(profile_id: str, texts: dict[int, str]) -> dict:
    words = {}
    for address, text in texts.items():
        image = bytes.fromhex(text)
        words |= {address + index // 2: image[index] << 8 | image[index + 1] for index in range(0, len(image), 2)}
    blocks = plan(load_profile(profile_id))
    return {
        block: [words.get(each, 0) for each in range(block.address, block.address + block.count)] for block in blocks
    }


def test_the_vectors_cover_every_bundled_profile():
    assert set(VECTORS) == set(bundled_profiles())


@pytest.mark.parametrize("profile_id", VECTORS)
def test_bytes_of_the_meter_become_si_values(profile_id):
    texts, expected = VECTORS[profile_id]
    decoded = decode_all(load_profile(profile_id), answers(profile_id, texts))
    assert {name: decoded[name] for name in expected} == expected


@pytest.mark.parametrize("profile_id", VECTORS)
def test_every_profile_gives_every_quantity_and_reads_within_the_limits_of_its_meter(profile_id):
    profile = load_profile(profile_id)
    assert profile.id == profile_id
    assert set(profile.registers) == set(QUANTITIES)
    assert all(block.count <= profile.largest_block for block in plan(profile))


@pytest.mark.parametrize("profile_id", VECTORS)
def test_a_dead_bus_that_reads_zero_everywhere_is_implausible(profile_id):
    decoded = decode_all(load_profile(profile_id), answers(profile_id, {}))
    frequency = decoded["frequency_hz"]
    assert isinstance(frequency, Dropped)
    assert frequency.implausible


def test_the_vendor_limit_of_eleven_registers_splits_the_reads_of_an_em24():
    assert max(block.count for block in plan(load_profile("carlo_gavazzi_em24"))) <= 11


def test_the_overflow_mark_of_an_em24_is_no_power():
    decoded = decode_all(load_profile("carlo_gavazzi_em24"), answers("carlo_gavazzi_em24", {40: "12347fff"}))
    assert isinstance(decoded["active_power_w"], Dropped)


def test_a_profile_of_ones_own_is_read_from_a_path(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(GOOD)
    profile = load_profile(str(path))
    power = profile.registers["active_power_w"]
    assert power.addresses == (10, 20)
    assert power.factor == Fraction(-10)
    assert power.word_order == "little"
    assert power.invalid == ((0x7FFFFFFF, 0x7FFFFFFF), (0x80000000, 0x80000001))
    assert profile.registers["frequency_hz"].factor == Fraction(1, 1000)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("vendor: Us", "vendor: Us\nnmae: x", "p.yaml:3: profile: found the unknown key 'nmae', allowed is id, vendor"),
        ("vendor: Us", "vendor: Us\nvendor: We", "p.yaml:3: profile: found the key 'vendor' twice"),
        ("type: uint16", "type: u16", "p.yaml:11: frequency_hz.type: found 'u16', allowed is int16, uint16"),
        ("unit: mHz", "unit: kW", "p.yaml:11: frequency_hz.unit: found 'kW', allowed is Hz, mHz"),
        ("unit: kW", "unit: kw", "p.yaml:10: active_power_w.unit: found 'kw', allowed is W, kW, MW, GW"),
        ("fc: 3", "fc: 6", "frequency_hz.fc: found 6, allowed is 3"),
        ("fc: 3", "fc: true", "frequency_hz.fc: found True, allowed is 3"),
        ("scale: 0.01", "scale: 0", "active_power_w.scale: found 0, allowed is a number that is not 0"),
        ("scale: 0.01", "scale: .nan", "active_power_w.scale: found nan"),
        ("sign: -1", "sign: true", "active_power_w.sign: found True"),
        ("sign: -1", "sign: 2", "active_power_w.sign: found 2, allowed is 1, or -1"),
        ("address: 5", "address: 65536", "frequency_hz.address: found 65536, allowed is 0 to 65535"),
        ("address: 5,", "", "p.yaml:11: frequency_hz: found no key 'address'"),
        ("word_order: little", "word_order: middle", "word_order: found 'middle', allowed is big"),
        ("largest_block: 20", "largest_block: 126", "largest_block: found 126, allowed is 1 to 125"),
        (
            "largest_block: 20",
            "largest_block: 1",
            "active_power_w: found 2 registers at (10, 20), allowed is at most 1",
        ),
        ("invalid: {int32", "invalid: {int33", "profile.invalid: found {'int33'"),
        ("plausible: [45, 65]", "plausible: [65, 45]", "frequency_hz.plausible: found [65, 45]"),
        ("  frequency_hz", "  frequency", "p.yaml:11: registers: found the unknown key 'frequency', allowed is active"),
        ("  active_power_w", "  energy_import_wh", "no key 'active_power_w'"),
        ("registers:", "registers: 5\nregistres:", "registers: found 5, allowed is registers by quantity"),
        ("id: own_meter", "id: [", "p.yaml: not YAML"),
        (GOOD, "", "p.yaml:1: the file is empty"),
        (GOOD, "- 1", "p.yaml:1: profile: found no mapping"),
    ],
)
def test_a_fault_is_told_with_its_line_what_was_found_and_what_is_allowed(before, after, complaint):
    assert before in GOOD
    with pytest.raises(ConfigError) as caught:
        parse_profile(GOOD.replace(before, after, 1), "p.yaml")
    assert complaint in str(caught.value)


def test_all_faults_are_told_at_once_in_order_of_their_lines():
    text = GOOD.replace("vendor: Us", "vendor: 3").replace("fc: 4", "fc: 5").replace("unit: mHz", "unit: W")
    with pytest.raises(ConfigError) as caught:
        parse_profile(text, "p.yaml")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["p.yaml:2", "p.yaml:10", "p.yaml:11"]


def test_an_unknown_profile_names_the_ones_there_are():
    with pytest.raises(ConfigError, match=r"found 'schneider_pm9'.*allowed is one of carlo_gavazzi_em24"):
        load_profile("schneider_pm9")
