"""Every bundled profile against the compiled facts about the meters."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import pytest
import yaml

from drivers.meters.profiles import bundled_profiles, load_profile
from tests.recordings import METER_FACTS

#: Our quantity to the facts' name.
NAMES = {
    "active_power_w": "active_power_total",
    "frequency_hz": "frequency",
    "energy_import_wh": "energy_import",
    "energy_export_wh": "energy_export",
    "reactive_power_var": "reactive_power_total",
    **{f"active_power_l{n}_w": f"active_power_l{n}" for n in (1, 2, 3)},
    **{f"voltage_l{n}_n_v": f"voltage_l{n}_n" for n in (1, 2, 3)},
    **{f"voltage_{pair}_v": f"voltage_{pair}" for pair in ("l1_l2", "l2_l3", "l3_l1")},
    **{f"current_l{n}_a": f"current_l{n}" for n in (1, 2, 3)},
}
PREFIXES = {"k": 1000, "M": 1_000_000}

#: Meters that the facts name and that have no profile.
NOT_SHIPPED = {
    "sel_735": "no scales are known, and the first address is not sure",
    "siemens_sicam_fcm": "the unit of power follows the sensor that is set; the first address is not sure",
}

SCALE_IS_A_SETTING = "its unit and digits are a setting of the device"
L1_ONLY = "the facts have the counter of L1 alone"
OWN_SCALE = "its LIN3 scale is a setting that the site file does not know"
TARIFFS = "the sum of both tariffs"

#: (profile, quantity) -> why it is not as the facts have it.
DEVIATIONS = {
    ("abb_m2m", "energy_import_wh"): "sources dispute the scale",
    **{("siemens_pac1600", f"energy_{way}_wh"): "sources dispute place and unit" for way in ("import", "export")},
    **{
        (f"siemens_{pac}", f"energy_{way}_wh"): TARIFFS
        for pac in ("pac2200", "pac3200_4200")
        for way in ("import", "export")
    },
    **{("janitza_umg801", f"energy_{way}_wh"): L1_ONLY for way in ("import", "export")},
    **{(f"eig_shark_{n}", f"energy_{way}_wh"): SCALE_IS_A_SETTING for n in (100, 200) for way in ("import", "export")},
    **{("schneider_p3u30", f"voltage_{pair}_v"): "ends below a 33 kV feeder" for pair in ("l1_l2", "l2_l3", "l3_l1")},
    **{("satec_pm180", f"voltage_l{n}_n_v"): OWN_SCALE for n in (1, 2, 3)},
    **{("satec_pm180", f"current_l{n}_a"): OWN_SCALE for n in (1, 2, 3)},
    **{("satec_pm180", f"active_power_l{n}_w"): OWN_SCALE for n in (1, 2, 3)},
    ("satec_pm180", "energy_import_wh"): "the type of two decimal words has another name, low word first",
    ("satec_pm180", "energy_export_wh"): "the type of two decimal words has another name, low word first",
    ("siemens_pac1600", "frequency_hz"): "as in its twin, by two sources",
    **{
        ("ccs_wattnode", name): "the facts are a sample of the map"
        for name in ("frequency_hz", "energy_export_wh", "current_l2_a", "current_l3_a")
    },
    ("dzg_dvh4013", "active_power_w"): "two unsigned registers, one taken from the other",
}


@cache
def facts() -> dict[str, dict]:
    return {meter["id"]: meter for meter in yaml.safe_load(METER_FACTS.read_text(encoding="utf-8"))["meters"]}


def test_every_meter_of_the_facts_has_a_profile_or_a_reason_why_not():
    assert set(bundled_profiles()) | set(NOT_SHIPPED) == set(facts())
    assert not set(bundled_profiles()) & set(NOT_SHIPPED)


@pytest.mark.parametrize("profile_id", bundled_profiles())
def test_a_profile_is_as_the_facts_have_it(profile_id):
    meter, profile = facts()[profile_id], load_profile(profile_id)
    assert (profile.confidence, profile.word_order, profile.byte_order, profile.unit_id) == (
        meter["confidence"],
        meter["word_order"],
        meter["byte_order"],
        meter["unit_id_default"],
    )
    deviating = {name for name in NAMES if found(profile_id, name) != fact(profile_id, name)}
    assert deviating == {name for profile, name in DEVIATIONS if profile == profile_id}


@pytest.mark.parametrize("profile_id", bundled_profiles())
def test_what_the_facts_doubt_is_doubted_or_left_out(profile_id):
    doubted = {name for name in NAMES if "doubt" in facts()[profile_id]["registers"].get(NAMES[name], ())}
    registers = load_profile(profile_id).registers
    assert all(registers[name].doubt for name in doubted & set(registers))


def found(profile_id: str, name: str) -> tuple | None:
    """Return (function, addresses, type, factor or scale address) of the profile; the facts know no other."""
    register = load_profile(profile_id).registers.get(name)
    if register is None:
        return None
    scale = register.factor if register.scale_address is None else (register.factor, register.scale_address)
    if register.lin3:
        scale = "LIN3"
    return register.fc, register.addresses, register.type, scale


def fact(profile_id: str, name: str) -> tuple | None:
    row = facts()[profile_id]["registers"].get(NAMES[name])
    if row is None:
        return None
    unit = Fraction(PREFIXES.get(row["unit"][0], 1))
    scale = row["scale"]
    if isinstance(scale, str):
        scale = (unit, int(scale.split("@")[1])) if "@" in scale else scale
    else:
        scale = Fraction(str(scale)) * unit
    return row["fc"], (row["address0"],), row["type"], scale
