"""Values and tables as a person reads them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.commands.meter.layout import LINES, age, fold, note, one, table, together
from drivers.meters.profiles import QUANTITIES


@pytest.mark.parametrize(
    ("quantity", "value", "text"),
    [
        ("active_power_w", 0.0, "0 W"),
        ("active_power_w", -812_500.0, "-812.5 kW"),
        ("active_power_w", 1.5e6, "1.5 MW"),
        ("energy_import_wh", 12_345_678_900.0, "12.3457 GWh"),
        ("frequency_hz", 50.02, "50.02 Hz"),
        ("frequency_hz", 50_000.0, "50000 Hz"),
        ("reactive_power_var", 1200.0, "1.2 kvar"),
        ("voltage_l1_l2_v", 110_250.0, "110.25 kV"),
        ("current_l1_a", 0.25, "0.25 A"),
        ("surplus_w", 999_999.9, "1000 kW"),
    ],
)
def test_a_value_has_its_unit(quantity: str, value: float, text: str) -> None:
    assert one(quantity, value) == text


def test_phases_share_a_unit_and_a_missing_one_is_no_zero() -> None:
    assert together("current_l1_a", (1200.0, 0.5, math.nan)) == "1.2 / 0.0005 / - kA"
    assert together("current_l1_a", (math.nan, math.nan, math.nan)) == "- / - / - A"


def test_every_quantity_that_a_profile_can_give_has_its_line() -> None:
    in_lines = [quantity for quantities in LINES.values() for quantity in quantities]
    assert set(in_lines) == set(QUANTITIES) | {"surplus_w"}
    assert len(in_lines) == len(set(in_lines))


def test_ages() -> None:
    assert (age(0.04), age(12.34), age(99.9), age(600.0)) == ("0.0 s", "12.3 s", "99.9 s", "10 min")


@given(st.lists(st.tuples(st.text("ab", max_size=5), st.text("ab", max_size=9), st.text("ab", max_size=3)), min_size=1))
def test_columns_are_aligned(rows: list[tuple[str, str, str]]) -> None:
    first = max(len(row[0]) for row in rows)
    for line, row in zip(table(rows), rows, strict=True):
        assert line[:first].rstrip() == row[0]
        assert line == line.rstrip()


@pytest.mark.parametrize(("columns", "most"), [("40", 80), ("100", 100), ("400", 120)])
def test_long_words_are_folded_to_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: str, most: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    lines = note("!", "one two three four " * 30)
    assert max(map(len, lines)) <= most
    assert max(map(len, lines)) > most - 10
    assert lines[0].startswith("  ! one")
    assert all(line.startswith("    ") for line in lines[1:])


def test_what_a_meter_calls_itself_only_says_something():
    typed = "PM5\x1b[2J\x9b2J\u202e"
    for lines in (table([("id", typed)]), fold(typed), note("!", typed)):
        assert all(line.isprintable() for line in lines)
        assert "PM5\\x1b[2J" in "".join(lines)
