from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from drivers.errors import ConfigError
from drivers.meters.blocks import decode_all, plan
from drivers.meters.codec import Dropped, decode
from drivers.meters.profiles import Identity, Profile, bind, bundled_profiles, load_profile, parse_profile, settle

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

#: profile -> quantity -> (SI value, bytes by address).
VECTORS: dict[str, dict[str, tuple[float, dict[int, str]]]] = {}
for _line in Path(__file__).with_name("vectors.txt").read_text().splitlines():
    if not _line.startswith("#"):
        _profile, _name, _value, *_texts = _line.split()
        _bytes = {int(address): text for address, text in (each.split(":") for each in _texts)}
        VECTORS.setdefault(_profile, {})[_name] = (float(_value), _bytes)

#: Profiles whose sources name no frequency.
NO_FREQUENCY = {"abb_reu615", "acrel_adw300"}

SATEC_FULL_SCALE_W = 108_682_560


def loaded(profile_id: str) -> Profile:
    profile = load_profile(profile_id)
    return bind(profile, SATEC_FULL_SCALE_W if profile.needs_full_scale else None)


def answers(profile: Profile, texts: dict[int, str], elsewhere: int) -> dict:
    words = {}
    for address, text in texts.items():
        image = bytes.fromhex(text)
        words |= {address + index // 2: image[index] << 8 | image[index + 1] for index in range(0, len(image), 2)}
    return {
        block: [words.get(each, elsewhere) for each in range(block.address, block.address + block.count)]
        for block in plan(profile)
    }


def test_the_vectors_cover_every_quantity_of_every_bundled_profile():
    assert {profile_id: set(VECTORS.get(profile_id, ())) for profile_id in bundled_profiles()} == {
        profile_id: set(load_profile(profile_id).registers) for profile_id in bundled_profiles()
    }


@pytest.mark.parametrize("profile_id", VECTORS)
def test_bytes_of_the_meter_become_si_values(profile_id):
    texts = {address: text for _, parts in VECTORS[profile_id].values() for address, text in parts.items()}
    profile = loaded(profile_id)
    expected = {name: value for name, (value, _) in VECTORS[profile_id].items()}
    assert decode_all(profile, answers(profile, texts, elsewhere=0xA5A5)) == expected


@pytest.mark.parametrize("profile_id", bundled_profiles())
def test_every_profile_reads_within_the_limits_of_its_meter_and_can_be_checked_by_its_frequency(profile_id):
    profile = load_profile(profile_id)
    assert profile.id == profile_id
    assert profile.sources
    assert all(block.count <= profile.largest_block for block in plan(profile))
    assert ("frequency_hz" in profile.registers) is (profile_id not in NO_FREQUENCY)


@pytest.mark.parametrize("profile_id", sorted(set(VECTORS) - NO_FREQUENCY))
@pytest.mark.parametrize("word", [0, 0xFFFF])
def test_a_dead_bus_that_reads_the_same_everywhere_has_no_frequency(profile_id, word):
    profile = loaded(profile_id)
    frequency = decode_all(profile, answers(profile, {}, elsewhere=word))["frequency_hz"]
    assert isinstance(frequency, Dropped)


def test_a_satec_that_answers_zero_has_no_power():
    profile = loaded("satec_pm180")
    power = decode_all(profile, answers(profile, {}, elsewhere=0))["active_power_w"]
    assert power == Dropped("saturated: 0 is the end of LIN3", implausible=True)


def test_the_vendor_limit_of_eleven_registers_splits_the_reads_of_an_em24():
    assert max(block.count for block in plan(load_profile("carlo_gavazzi_em24"))) <= 11


def test_the_overflow_mark_of_an_em24_is_no_power():
    profile = load_profile("carlo_gavazzi_em24")
    assert isinstance(decode_all(profile, answers(profile, {40: "12347fff"}, 0))["active_power_w"], Dropped)


def test_only_the_two_maps_of_socomec_share_an_identity():
    owners: dict[Identity, list[str]] = {}
    for profile_id in bundled_profiles():
        for identity in load_profile(profile_id).identity:
            owners.setdefault(identity, []).append(profile_id)
    shared = {profile_id for names in owners.values() if len(names) > 1 for profile_id in names}
    assert shared == {"socomec_diris_a14_countis_e", "socomec_diris_b30"}


def test_exponents_and_what_is_taken_away_come_in_the_request_of_their_value():
    for profile_id in bundled_profiles():
        profile = load_profile(profile_id)
        for register in (each for each in profile.registers.values() if each.together):
            spans = [(address, address + count) for address, count in register.reads]
            assert any(
                block.fc == register.fc
                and all(block.address <= low and high <= block.address + block.count for low, high in spans)
                for block in plan(profile)
            )


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
    assert (profile.shortest_poll_s, profile.unit_id, profile.secondary, profile.zero_not_ready) == (
        0.1,
        1,
        False,
        False,
    )


FULL = """\
id: full
vendor: Us
model: One
confidence: partial
sources: [a manual]
word_order: little
byte_order: little
largest_gap: 3
shortest_poll: 0.5
unit_id: 0
secondary: true
zero_not_ready: true
identity:
  - {fc: 3, address: 11, words: [0x668]}
  - {fc: 4, address: 0, words: [204, 701]}
registers:
  active_power_w: {fc: 3, address: 10, subtract: [12], type: uint32, unit: W, word_order: big, doubt: which is import}
  frequency_hz: {fc: 3, address: 5, type: uint16, lin3: [45, 65], unit: Hz}
  reactive_power_var: {fc: 3, address: 6, type: uint16, lin3: full_scale, unit: var, sign: -1}
  current_l1_a: {fc: 3, address: 20, type: int16, scale_address: 24, unit: A}
"""


def test_every_key_of_a_profile_is_read():
    profile = parse_profile(FULL, "p.yaml")
    assert profile.identity == (Identity(3, 11, (0x668,)), Identity(4, 0, (204, 701)))
    assert (profile.shortest_poll_s, profile.unit_id, profile.secondary, profile.zero_not_ready) == (0.5, 0, True, True)
    power, current = profile.registers["active_power_w"], profile.registers["current_l1_a"]
    assert (power.addresses, power.subtract, power.word_order, power.byte_order) == ((10,), (12,), "big", "little")
    assert (power.doubt, power.reads, power.together) == ("which is import", ((10, 2), (12, 2)), True)
    assert (current.word_order, current.reads, current.together) == ("little", ((20, 1), (24, 1)), True)
    assert profile.registers["frequency_hz"].lin3 == (45, 65)


@pytest.mark.parametrize("vendor", ["2001-13-45", "0100", "1:30", "yes", "1_000"])
def test_what_yaml_takes_for_dates_and_odd_numbers_is_the_text_that_it_looks_like(vendor):
    assert parse_profile(FULL.replace("vendor: Us", f"vendor: {vendor}"), "p.yaml").vendor == vendor


@pytest.mark.parametrize(
    ("written", "factor"), [("1e-3", "0.001"), ("1.5E2", "150"), ("+2", "2"), (".5", "0.5"), ("0x10", "16")]
)
def test_numbers_are_read_as_people_write_them(written, factor):
    profile = parse_profile(GOOD.replace("scale: 0.01, unit: kW", f"scale: {written}, unit: W"), "p.yaml")
    assert profile.registers["active_power_w"].factor == -Fraction(factor)


def test_a_full_scale_is_the_sites_to_give():
    profile = parse_profile(FULL, "p.yaml")
    unbound, middle = profile.registers["reactive_power_var"], [[0x8813]]  # 5000, bytes swapped
    assert profile.needs_full_scale
    assert isinstance(decode(unbound, middle), Dropped)
    bound = bind(profile, 9999.0)
    assert not bound.needs_full_scale
    assert decode(bound.registers["reactive_power_var"], middle) == -1.0
    assert bound.registers["reactive_power_var"].range == (-9999.0, 9999.0)
    assert bound.registers["frequency_hz"] == profile.registers["frequency_hz"]


@pytest.mark.parametrize(
    ("text", "full_scale_w", "complaint"),
    [
        (FULL, None, "full_scale: found none, allowed with the profile full is the power at full scale"),
        (FULL, 0.0, "full_scale: found 0.0, allowed is a power above 0"),
        (FULL, float("inf"), "full_scale: found inf, allowed is a power above 0"),
        (GOOD, 1e6, "full_scale: found 1000000.0, allowed with the profile own_meter is no such key"),
    ],
)
def test_a_full_scale_that_is_missing_or_has_no_use_is_refused(text, full_scale_w, complaint):
    with pytest.raises(ConfigError) as caught:
        bind(parse_profile(text, "p.yaml"), full_scale_w)
    assert str(caught.value) == complaint


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        (
            "byte_order: little",
            "byte_order: swapped",
            "p.yaml:7: profile.byte_order: found 'swapped', allowed is big, or",
        ),
        ("shortest_poll: 0.5", "shortest_poll: 0", "p.yaml:9: profile.shortest_poll: found 0, allowed is 0.02 to 3600"),
        ("unit_id: 0", "unit_id: 256", "p.yaml:10: profile.unit_id: found 256, allowed is 0 to 255"),
        ("secondary: true", "secondary: yes", "p.yaml:11: profile.secondary: found 'yes', allowed is true or false"),
        ("fc: 4, address: 0, words", "fc: 4, words", "p.yaml:15: identity: found no key 'address'"),
        ("words: [0x668]", "words: [0x10000]", "p.yaml:14: identity.words: found [65536], allowed is 1 to 125 words"),
        ("  - {fc: 4, address: 0, words: [204, 701]}", "  - 5", "p.yaml:15: identity: found no mapping"),
        ("identity:", "identity: []\nidentities:", "profile.identity: found [], allowed is a list of {fc"),
        ("subtract: [12]", "subtract: 12", "p.yaml:17: active_power_w.subtract: found 12, allowed is a list"),
        (
            "subtract: [12]",
            "subtract: [16]",
            "active_power_w: found parts at 10 to 17, allowed is parts that one request",
        ),
        ("subtract: [12]", "subtract: [200]", "125 registers, at most 3 unwanted ones in between"),
        (
            "largest_gap: 3",
            "largest_gap: 3\nlargest_block: 3",
            "found parts at 10 to 13, allowed is parts that one request",
        ),
        ("vendor: Us", "vendor: *a", "p.yaml:2: not YAML: found an anchor, an alias or a tag"),
        ("scale_address: 24", "scale_address: 25", "p.yaml:20: current_l1_a: found parts at 20 to 25, allowed"),
        ("scale_address: 24", "scale_address: 70000", "current_l1_a.scale_address: found 70000, allowed is 0 to 65535"),
        ("word_order: big", "word_order: any", "active_power_w.word_order: found 'any', allowed is big"),
        ("lin3: [45, 65]", "lin3: [65, 45]", "frequency_hz.lin3: found [65, 45], allowed is [low, high] in the unit"),
        ("lin3: [45, 65]", "lin3: [45, 65], scale: 2", "frequency_hz: found lin3 with another type, scale or address"),
        ("type: uint16, lin3: [45", "type: int16, lin3: [45", "allowed is one uint16 without a scale"),
        ("unit: var", "unit: kvar", "reactive_power_var: found lin3: full_scale in kvar, allowed is W or var"),
        ("doubt: which is import", "doubt: ''", "active_power_w.doubt: found '', allowed is a text: what to verify"),
        ("address: 20", "address: 020", "current_l1_a.address: found '020', allowed is 0 to 65535"),
        ("address: 20", "address: 1:20", "current_l1_a.address: found '1:20', allowed is 0 to 65535"),
        ("fc: 3, address: 20", "fc: 3, fc: 3, address: 20", "p.yaml:20: current_l1_a: found the key 'fc' twice"),
        ("vendor: Us", "vendor: &a Us", "p.yaml:2: not YAML: found an anchor, an alias or a tag"),
        ("vendor: Us", "vendor: !!int Us", "p.yaml:2: not YAML: found an anchor, an alias or a tag"),
        ("vendor: Us", "invalid: {int16: [1], int16: [2]}\nvendor: Us", "p.yaml:2: profile.invalid: found a key twice"),
        ("vendor: Us", "? [a]\n: 5\nvendor: Us", "p.yaml:2: profile: found the unknown key '?'"),
        ("vendor: Us", "vendor: [" + "[" * 3000, "p.yaml: not a profile: nested too deeply"),
        ("vendor: Us", "vendor: Us\x00", "p.yaml:2: not YAML: the character #x0000"),
        ("unit_id: 0", "unit_id: " + "9" * 5000, "…, allowed is 0 to 255"),
    ],
)
def test_a_fault_of_the_rarer_keys_is_told_as_well(before, after, complaint):
    assert before in FULL
    with pytest.raises(ConfigError) as caught:
        parse_profile(FULL.replace(before, after, 1), "p.yaml")
    assert complaint in str(caught.value)


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
        ("id: own_meter", "id: [", "p.yaml:3: not YAML: expected ',' or ']'"),
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
    with pytest.raises(
        ConfigError,
        match=r"found 'schneider_pm9'.*allowed is one of schneider_pm5xxx \(did you mean that\?\), abb_b23_b24, ",
    ):
        load_profile("schneider_pm9")


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("siemens_pac320", "siemens_pac3200_4200"),
        ("Janitza_UMG96", "janitza_umg96rm"),
        ("shneider_pm5xxx", "schneider_pm5xxx"),
        ("sunspec_302", "sunspec_203"),
    ],
)
def test_a_mistyped_profile_is_answered_with_the_one_that_begins_so_or_has_the_fewest_slips(wrong, meant):
    with pytest.raises(ConfigError, match=rf"allowed is one of {meant} \(did you mean that\?\), "):
        load_profile(wrong)


def test_what_a_person_says_about_a_power_in_doubt_counts_for_all_that_is_in_the_same_doubt():
    profile = load_profile("schneider_pm8000")
    in_kw = settle(profile, power_unit="kW").registers
    for name, register in profile.registers.items():
        assert in_kw[name].factor == register.factor * (1000 if register.doubt else 1)
        assert not in_kw[name].doubt
    assert settle(profile, confirmed=True).registers["active_power_w"].factor == 1
    assert settle(load_profile("schneider_p3u30"), power_unit="W").registers["active_power_w"].factor == 1
    with pytest.raises(ConfigError, match="whose power is sure"):
        settle(load_profile("schneider_pm5xxx"), confirmed=True)
