from __future__ import annotations

import re
from pathlib import Path

import pytest

from drivers.meters import profiles
from drivers.meters.encodings import TYPES
from drivers.meters.profiles import parse_profile
from drivers.meters.reference import table

TEXT = (Path(__file__).parents[3] / "docs" / "meters.md").read_text(encoding="utf-8")


def test_the_example_profile_is_a_profile():
    example = next(
        block
        for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
        if block.startswith("id:") and "registers:" in block
    )
    assert set(parse_profile(example, "docs").registers) == {"active_power_w", "energy_import_wh", "frequency_hz"}


def test_every_key_and_type_of_a_profile_is_explained():
    keys = {*profiles._PROFILE, *profiles._REGISTER, "unit"}
    assert {
        key for key in keys if f"`{key}`" not in TEXT and f"\n{key}: " not in TEXT and f"\n{key}:" not in TEXT
    } == set()
    assert {name for name in TYPES if name not in TEXT} == set()


@pytest.mark.parametrize("quantity", profiles.QUANTITIES)
def test_every_quantity_is_named(quantity):
    first = re.sub(r"l[23]_(n_v|a|w)$", r"l1_\1", quantity)
    assert f"`{first}`" in TEXT


@pytest.mark.parametrize(
    ("profile_id", "cells"),
    [
        ("abb_b23_b24", ("int32 * 0.01 W", "21.475 MW", "uint64 * 0.01 kWh")),
        ("siemens_pac2200", ("float32 W", "-", "float64 Wh, 801 + 805")),
        ("satec_pm180", ("LIN3", "full scale", "mod10000_32 kWh")),
        ("sunspec_203", ("int16 * 10^SF W", "-", "acc32 * 10^SF Wh")),
        ("dzg_dvh4013", ("uint32 * 0.1 W, less another", "429.497 MW", "uint32 * 0.001 kWh")),
        ("ccs_wattnode", ("float32 W", "-", "float32 kWh")),
        ("artemes_am2", ("int64 * 0.001 W", "-", "uint64 * 0.1 Wh")),
    ],
)
def test_the_table_says_how_power_and_energy_are_written_and_where_power_ends(profile_id, cells):
    row = next(line for line in table().splitlines() if line.startswith(f"| `{profile_id}` |"))
    assert tuple(cell.strip() for cell in row.split("|")[5:8]) == cells


def test_what_is_in_doubt_stands_in_the_table():
    row = next(line for line in table().splitlines() if "`iskra_mc3x0`" in line)
    assert row.endswith("| `active_power_w`: the source does not name the function code: 4 is likely |")
