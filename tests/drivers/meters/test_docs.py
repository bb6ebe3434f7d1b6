from __future__ import annotations

import re
from pathlib import Path

import pytest

from drivers.meters.blocks import plan
from drivers.meters.profiles import bundled_profiles, load_profile, parse_profile

TEXT = (Path(__file__).parents[3] / "docs" / "meters.md").read_text(encoding="utf-8")


def test_the_example_profile_is_a_profile():
    example = next(block for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if block.startswith("id:"))
    assert set(parse_profile(example, "docs").registers) == {"active_power_w", "energy_import_wh", "frequency_hz"}


@pytest.mark.parametrize("profile_id", bundled_profiles())
def test_the_table_tells_the_truth_about_every_profile(profile_id):
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{profile_id}` |"))
    _, _, word_order, power, _, requests, _ = [cell.strip() for cell in row.strip("|").split("|")]
    profile = load_profile(profile_id)
    assert word_order.strip("*") == profile.word_order
    assert power.startswith(profile.registers["active_power_w"].type)
    assert int(requests.split(",")[0]) == len(plan(profile))
