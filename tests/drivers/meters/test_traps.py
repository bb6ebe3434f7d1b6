"""The eighteen traps of real meters, each seen in drivers that shipped: what ours makes of them over a real socket.

With the profile of the meter, the value is right in spite of the trap; with another one, or where the meter itself cannot
tell, the value is refused, the sample is marked, or what it says contradicts itself in a way that can be seen.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import struct
from collections.abc import Mapping
from typing import Any

import pytest

from drivers.errors import ConfigError
from drivers.meters.profiles import QUANTITIES, bind, load_profile
from drivers.readings import Loss
from simulators.substation.encoder import read_data
from simulators.substation.meter import PHASE_VOLTAGE_V
from simulators.substation.modbus_server import Unit
from tests.drivers.meters.simulated import FULL_SCALE_W, POWER_W, Case, case, profile_of
from tests.drivers.meters.wire import Read, on_the_wire


def changed(profile_id: str, **rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return a profile as somebody else would write it: with other keys in some of its rows."""
    data = read_data(profile_id)
    return {**data, "registers": {name: {**row, **rows.get(name, {})} for name, row in data["registers"].items()}}


def read(meter: Case | Unit, profile: str | Mapping[str, Any], **changes) -> Read:
    async def scenario() -> Read:
        async with on_the_wire(
            meter if isinstance(meter, Unit) else meter.unit, profile_of(profile), **changes
        ) as wire:
            return await wire.read()

    return asyncio.run(scenario())


def apparent_w(values: Mapping[str, float]) -> float:
    """Return the apparent power that voltages and currents make: power cannot be more."""
    return sum(values[f"voltage_{phase}_n_v"] * values[f"current_{phase}_a"] for phase in ("l1", "l2", "l3"))


def test_trap_01_addresses_of_the_manual_count_from_one():
    meter = case("schneider_pm5xxx", unmapped="zero")
    assert read(meter, "schneider_pm5xxx").values["active_power_w"] == POWER_W
    from_the_manual = read_data("schneider_pm5xxx")
    for row in from_the_manual["registers"].values():
        row["address"] += 1
    off_by_one = read(meter, from_the_manual)
    assert not off_by_one.believed
    assert "plausible" in off_by_one.invalid["frequency_hz"]
    shifted = case("siemens_pac3200_4200", unmapped="zero", address_shift=-1)
    assert not read(shifted, "siemens_pac3200_4200").believed


@pytest.mark.parametrize("profile_id", ["carlo_gavazzi_em24", "camille_bauer_aplus", "schneider_pm5xxx"])
def test_trap_02_word_and_byte_order(profile_id):
    assert read(case(profile_id), profile_id).values["active_power_w"] == POWER_W
    for swap in ("swap_words", "swap_bytes"):
        swapped = read(case(profile_id, **{swap: True}), profile_id)
        in_one_word = read_data(profile_id)["registers"]["frequency_hz"]["type"] == "uint16" and swap == "swap_words"
        assert not swapped.believed or (in_one_word and swapped.values["voltage_l1_n_v"] > 1e6), swap
    mixed = {**read_data(profile_id), "byte_order": "little"}
    assert read(case(mixed), mixed).values["active_power_w"] == POWER_W
    assert read(case(profile_id, swap_bytes=True), mixed).values["active_power_w"] == POWER_W


def test_trap_03_the_same_registers_in_kilowatts_and_in_watts():
    for own, other, factor in (
        ("schneider_pm5xxx", "schneider_pm8000", 1e-3),
        ("schneider_pm8000", "schneider_pm5xxx", 1e3),
    ):
        assert read(case(own), own).values["active_power_w"] == POWER_W
        wrong = read(case(own), other).values
        assert wrong["active_power_w"] == pytest.approx(factor * POWER_W)
        assert wrong["active_power_w"] / apparent_w(wrong) == pytest.approx(factor), "volts and amperes tell"


def test_trap_04_floats_that_are_scaled_all_the_same():
    right = read(case("chint_dtsu666"), "chint_dtsu666")
    assert right.values["active_power_w"] == POWER_W
    assert right.values["frequency_hz"] == 50.0
    assert right.values["voltage_l1_n_v"] == PHASE_VOLTAGE_V
    naive = read(case("chint_dtsu666"), changed("chint_dtsu666", **{name: {"scale": 1} for name in QUANTITIES}))
    assert naive.values["active_power_w"] == 10 * POWER_W
    assert not naive.believed
    assert "5000" in naive.invalid["frequency_hz"]


def test_trap_05_partial_and_total_counters():
    gavazzi = case("carlo_gavazzi_em24", start_wh=80e6)
    partial = changed("carlo_gavazzi_em24", energy_import_wh={"address": 66})
    gavazzi.measure(360_000.0, after_s=7200.0)
    assert read(gavazzi, "carlo_gavazzi_em24").values["energy_import_wh"] == 80_720_000.0
    assert read(gavazzi, partial).values["energy_import_wh"] == 720_000.0
    gavazzi.meter.reset_partial()
    gavazzi.measure(360_000.0, after_s=3600.0)
    assert read(gavazzi, "carlo_gavazzi_em24").values["energy_import_wh"] == 81_080_000.0
    assert read(gavazzi, partial).values["energy_import_wh"] == 360_000.0, "falls: no total counter does"
    assert not any(address <= 66 < address + count for _, address, count in list(gavazzi.unit.asked)[:5])

    siemens = case("siemens_pac3200_4200", start_wh=80e6)
    assert read(siemens, "siemens_pac3200_4200").values["energy_import_wh"] == 80e6
    one_tariff = changed("siemens_pac3200_4200", energy_import_wh={"address": 801})
    assert read(siemens, one_tariff).values["energy_import_wh"] == 60e6


def test_trap_05_a_counter_starts_over_at_the_end_of_its_type():
    meter = case("dzg_dvh4013", start_wh=2.0**32 - 500, rollover_wh=2.0**32)
    before = read(meter, "dzg_dvh4013").values["energy_import_wh"]
    meter.measure(3600.0, after_s=1000.0)
    assert read(meter, "dzg_dvh4013").values["energy_import_wh"] == 500.0 < before
    full = case("dzg_dvh4013", start_wh=1e10)
    assert "energy_import_wh" in read(full, "dzg_dvh4013").invalid, "one that stays at its end tells nothing"


@pytest.mark.parametrize("profile_id", ["janitza_umg96rm", "janitza_b23"])
def test_trap_06_the_energy_of_one_phase(profile_id):
    meter = case(profile_id, start_wh=0.0)
    meter.measure(360_000.0, after_s=7200.0)
    assert read(meter, profile_id).values["energy_import_wh"] == 720_000.0
    of_l1 = changed(profile_id, energy_import_wh={"address": 19062}, energy_export_wh={"address": 19070})
    wrong = read(meter, of_l1).values
    assert wrong["energy_import_wh"] == 240_000.0, "a third of power by time"


def test_trap_07_wrong_and_impossible_addresses():
    assert read(case("siemens_pac2200"), "siemens_pac2200").values["frequency_hz"] == 50.0
    at_46 = read(case("siemens_pac2200"), changed("siemens_pac2200", frequency_hz={"address": 46}))
    assert not at_46.believed
    assert "frequency_hz" in at_46.invalid
    with pytest.raises(ConfigError, match=r"190076.*65535"):
        profile_of(changed("janitza_umg96rm", energy_import_wh={"address": 190076}))
    for own in ("lovato_dmg610", "siemens_pac1600"):
        coarser = {**read_data(own)["registers"]["frequency_hz"], "scale": 0.01}
        assert read(case(own), own).values["frequency_hz"] == 50.0
        assert not read(case(changed(own, frequency_hz=coarser)), own).believed, "as one driver has it"


def test_trap_08_direction_and_view():
    view = case("siemens_pac3200_4200", flip_sign=True, swap_energies=True)
    view.measure(360_000.0, after_s=3600.0)
    right = read(view, "siemens_pac3200_4200", sign=-1)
    assert right.values["active_power_w"] == 360_000.0
    assert right.values["energy_import_wh"] == 1_360_000.0
    assert right.values["energy_export_wh"] == 0.0
    half = case("siemens_pac3200_4200", flip_sign=True)
    before = read(half, "siemens_pac3200_4200").values
    half.measure(360_000.0, after_s=3600.0)
    after = read(half, "siemens_pac3200_4200").values
    assert after["active_power_w"] < 0.0
    assert after["energy_import_wh"] > before["energy_import_wh"], "exports by its power and imports by its counter"
    for net_w in (-20_000.5, 20_000.5, 0.0):
        pair = case("dzg_dvh4013")
        pair.measure(net_w)
        assert read(pair, "dzg_dvh4013").values["active_power_w"] == net_w


@pytest.mark.parametrize(
    "profile_id", ["schneider_pm5xxx", "socomec_diris_a14_countis_e", "sunspec_203", "carlo_gavazzi_em24"]
)
def test_trap_09_no_encoding_of_the_power_factor_matters(profile_id):
    reads = []
    for encoding in (None, "iec", "ieee", "percent", "four_quadrant"):
        meter = case(profile_id, power_factor=encoding)
        meter.measure(-POWER_W)
        assert "power_factor" in meter.meter.traps.laid_out(meter.meter.data)["registers"]
        reads.append(read(meter, profile_id))
    assert all(each == reads[0] for each in reads)
    assert reads[0].values["active_power_w"] == -POWER_W
    assert not any("factor" in name for name in QUANTITIES)
    data = read_data(profile_id)
    with_factor = {**data, "registers": {**data["registers"], "power_factor": {"fc": 3, "address": 0}}}
    with pytest.raises(ConfigError, match="power_factor"):
        profile_of(with_factor)


@pytest.mark.parametrize(
    ("profile_id", "ends_at_w"),
    [
        ("schneider_p3u30", 32.767e6),
        ("sel_751a", 32.767e6),
        ("abb_b23_b24", 21.47483647e6),
        ("abb_m4m_m1m", 21.47483647e6),
        ("siemens_pac1600", 21.47483647e6),
        ("lovato_dmg610", 21.47483647e6),
    ],
)
def test_trap_10_saturation(profile_id, ends_at_w):
    meter = case(profile_id)
    row = read_data(profile_id)["registers"]["active_power_w"]
    step_w = {"W": 1.0, "kW": 1e3}[row["unit"]] * row.get("scale", 1)
    for side in (1, -1):
        meter.measure(side * 0.99 * ends_at_w)
        assert abs(read(meter, profile_id).values["active_power_w"] - side * 0.99 * ends_at_w) <= step_w / 2
        meter.measure(side * 40e6)
        beyond = read(meter, profile_id)
        assert not beyond.believed
        assert "active_power_w" in beyond.invalid
    highest_w = profile_of(profile_id).registers["active_power_w"].range[1]
    assert highest_w == pytest.approx(ends_at_w), "what `surplusd check` compares with the size of the site"


def test_trap_11_resolution():
    satec, count_w = case("satec_pm180"), 2 * FULL_SCALE_W / 9999
    for power_w in (0.0, POWER_W, -30e6, 108e6):
        satec.measure(power_w)
        shown_w = read(satec, "satec_pm180").values["active_power_w"]
        assert abs(shown_w - power_w) <= count_w / 2
    satec.measure(0.0)
    assert satec.meter.image[3, 275] == 5000
    satec.meter.traps.zero_for_s = math.inf
    satec.measure(0.0)
    dead = read(satec, "satec_pm180")
    assert "active_power_w" not in dead.values, "a raw 0 would be 108.7 MW of export"
    assert not dead.believed
    gavazzi = case("carlo_gavazzi_em24")
    gavazzi.measure(frequency_hz=50.04)
    assert read(gavazzi, "carlo_gavazzi_em24").values["frequency_hz"] == 50.0


def test_trap_12_float_counters_lose_resolution():
    floats, integers = case("janitza_umg96rm", start_wh=1e11), case("schneider_pm5xxx", start_wh=1e11)
    shown = []
    for meter, profile_id in ((floats, "janitza_umg96rm"), (integers, "schneider_pm5xxx")):
        before = read(meter, profile_id).values["energy_import_wh"]
        meter.measure(3600.0, after_s=1000.0)  # 1 kWh
        after = read(meter, profile_id).values
        assert after["active_power_w"] == pytest.approx(3600.0), "power is read, never the slope of a counter"
        shown.append(after["energy_import_wh"] - before)
    assert shown == [0.0, 1000.0]
    assert abs(read(floats, "janitza_umg96rm").values["energy_import_wh"] - 1e11) <= 4096.0


@pytest.mark.parametrize(
    ("profile_id", "mark"),
    [
        ("abb_b23_b24", [0x7FFF, 0xFFFF]),
        ("carlo_gavazzi_em24", [0x0000, 0x7FFF]),
        ("sunspec_203", [0x8000]),
        ("sunspec_213", [0x7FC0, 0]),
        ("schneider_pm5xxx", [0xFFC0, 0]),
        ("sel_751a", [0x7FF8]),
        ("sel_751a", [0x8000]),
    ],
)
def test_trap_13_marks_for_no_value(profile_id, mark):
    meter = case(profile_id)
    row = read_data(profile_id)["registers"]["active_power_w"]
    start = 40070 if profile_id.startswith("sunspec") else 0
    meter.meter.image |= {(row["fc"], start + row["address"] + index): word for index, word in enumerate(mark)}
    marked = read(meter, profile_id)
    assert "active_power_w" in marked.invalid
    assert marked.values["frequency_hz"] == 50.0


@pytest.mark.parametrize("profile_id", ["eig_shark_100", "eig_shark_200"])
def test_trap_13_zero_before_the_first_reading(profile_id):
    meter = case(profile_id, unmapped="zero", zero_for_s=10.0)
    warming = read(meter, profile_id)
    assert "no reading yet" in warming.loss
    meter.measure(0.0, after_s=10.0)
    ready = read(meter, profile_id)
    assert ready.believed
    assert ready.values["active_power_w"] == 0.0, "which is a value"


def test_trap_14_scales_that_somebody_configures():
    """SunSpec exponents change at run time, here between any two requests; others are told to the site file."""
    images = [case("sunspec_203", coarser=coarser).meter.image for coarser in (0, 1)]
    turns = itertools.cycle(images)
    restless = Unit(lambda: next(turns))

    async def scenario() -> None:
        async with on_the_wire(restless, profile_of("sunspec_203")) as wire:
            for _ in range(10):
                seen = await wire.read()
                assert seen.values["active_power_w"] in {812_500.0, 812_000.0}
                assert seen.values["energy_import_wh"] == 1e6
                assert seen.believed

    asyncio.run(scenario())
    assert images[0][3, 40092] == images[1][3, 40092] - 1
    for nothing in (-32768, 11, -11):
        images[0][3, 40092] = images[1][3, 40092] = nothing % 65536
        unscaled = read(restless, "sunspec_203")
        assert "active_power_w" in unscaled.invalid
    secondary = case("eastron_sdm630", factors={"active_power_w": 1 / 400, "energy_import_wh": 1 / 400})
    assert read(secondary, "eastron_sdm630", ct_ratio=400.0).values["active_power_w"] == POWER_W
    assert "energy_import_wh" not in profile_of("eig_shark_200").registers, "its unit is a setting of the meter"
    with pytest.raises(ConfigError, match="full_scale"):
        bind(load_profile("satec_pm180"))


def test_trap_15_one_address_two_meanings():
    profile_id = "carlo_gavazzi_em340_em530_em24e1"
    meter = case(profile_id)
    meter.unit.alike = True
    for fc in (3, 4):
        assert meter.unit.answer(struct.pack(">BHH", fc, 11, 1))[2:] == struct.pack(">H", 1653)
    meter.unit.asked.clear()
    right = read(meter, profile_id)
    assert right.values["voltage_l3_l1_v"] == pytest.approx(math.sqrt(3) * PHASE_VOLTAGE_V, abs=0.05)
    assert all(asked[1:] != (11, 1) for asked in meter.unit.asked), "a block, never the register alone"
    marks = profile_of(profile_id).identity
    assert all((mark.address, len(mark.words)) == (11, 1) for mark in marks), "the code, never in a block"


def test_trap_16_meters_measure_at_their_own_rhythm():
    meter = case("schneider_pm5xxx", rhythm_s=10.0)

    async def scenario() -> list[float]:
        async with on_the_wire(meter.unit, profile_of("schneider_pm5xxx")) as wire:
            shown = []
            for second in range(1, 31):
                meter.measure(1000.0 * second)
                shown.append((await wire.read()).values["active_power_w"])
            return shown

    shown = [(value, len(list(same))) for value, same in itertools.groupby(asyncio.run(scenario()))]
    assert shown == [(POWER_W, 9), (10_000.0, 10), (20_000.0, 10), (30_000.0, 1)]


def test_trap_17_old_values_served_as_fresh():
    meter = case("schneider_pm5xxx")

    async def scenario() -> None:
        async with on_the_wire(meter.unit, profile_of("schneider_pm5xxx"), timeout_s=0.5) as wire:
            meter.meter.traps.frozen = True
            first = await wire.read()
            meter.measure(2 * POWER_W, after_s=3600.0)
            later = await wire.read()
            assert later == first, "power without energy: the counter stands still"
            meter.unit.faults.mute, asked = True, len(wire.seen)
            losses = [index for index in range(asked, asked + 4) if isinstance(await wire.seen.at(index), Loss)]
            assert losses == list(range(losses[0], asked + 4)), "no reading is repeated by the driver"
            assert losses[0] <= asked + 1

    asyncio.run(scenario())


def test_trap_18_limits_of_a_request_and_registers_that_nothing_is_mapped_to():
    dzg = case("dzg_dvh4013", unmapped="exception")
    dzg.measure(-20_000.0)
    strict = read(dzg, "dzg_dvh4013")
    assert strict.invalid == {}
    assert strict.values["active_power_w"] == -20_000.0
    greedy = read(dzg, {**read_data("dzg_dvh4013"), "largest_gap": 124})
    assert greedy.values.get("active_power_w", -20_000.0) == -20_000.0
    assert greedy.values.keys() | greedy.invalid.keys() == strict.values.keys()
    gavazzi = case("carlo_gavazzi_em24")
    assert read(gavazzi, "carlo_gavazzi_em24").invalid == {}
    assert max(count for _, _, count in gavazzi.unit.asked) <= 11
    with pytest.raises(ConfigError, match="125"):
        profile_of({**read_data("carlo_gavazzi_em24"), "largest_block": 126})
