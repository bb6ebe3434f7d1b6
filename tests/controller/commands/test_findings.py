"""What looks wrong in one look: a row a trap; and nothing does where nothing is."""

from __future__ import annotations

import pytest

from controller.commands.meter.findings import absent, doubts, look
from drivers.meters.profiles import load_profile
from drivers.modbus.answers import Refusal
from tests.controller.commands.substation import SOUND

RATING_W = 1.2e6
REFUSED = Refusal(2, "exception 2 (illegal data address) for 2 registers at 3059")
BUSY = Refusal(6, "exception 6 (server device busy) for 2 registers at 3059")


def test_a_sound_meter_looks_right() -> None:
    assert look(SOUND, {}, RATING_W) == []
    assert look(SOUND, {}) == []


def test_a_sound_meter_that_exports_looks_right() -> None:
    turned = {name: -value if name.startswith("active_power") else value for name, value in SOUND.items()}
    assert look(turned | {"energy_export_wh": 5e6}, {}, RATING_W) == []


@pytest.mark.parametrize(
    ("trap", "changed", "said"),
    [
        ("word order", {"frequency_hz": 2.4e-41}, "2.4e-41 Hz is no 50 Hz grid (45 to 55 Hz)"),
        ("an end of LIN3", {"frequency_hz": 45.0}, "45 Hz is no 50 Hz grid"),
        ("a 60 Hz grid", {"frequency_hz": 60.0}, "60 Hz is no 50 Hz grid (45 to 55 Hz)"),
        ("not ready", dict.fromkeys(SOUND, 0.0), "everything is zero"),
        ("above the rating", {"active_power_w": 1.5e6}, "1.5 MW is above 120% of the rating, 1.2 MW"),
        ("kW taken for W", {"active_power_w": 812.5e6}, "(1000 times less would fit: kW taken for W?)"),
        ("W taken for kW", {"active_power_w": 812.5}, "volts times amperes 829.8 kVA, 1000 times as much"),
        ("a phase for the total", {"active_power_w": 271_000.0}, "not the sum of its phases (271 kW"),
        ("a fuse", {"voltage_l2_n_v": 3.0}, "the phases are uneven (230.5 / 3 / 230.5 V)"),
        ("no voltage", {f"voltage_l{n}_n_v": 2.3e9 for n in (1, 2, 3)}, "is no voltage of a grid"),
        ("L-N at the address of L-L", {f"voltage_{n}_v": 230.5 for n in ("l1_l2", "l2_l3", "l3_l1")}, "voltage L-L is 1 times"),
        ("backwards", {"active_power_w": -812_500.0} | {f"active_power_l{n}_w": -270_833.0 for n in (1, 2, 3)}, "power flows out of the site, yet the export counter"),
        ("counters swapped", {"energy_import_wh": 10.0, "energy_export_wh": 12e6}, "power flows into the site, yet the import counter"),
    ],
)  # fmt: skip
def test_what_looks_wrong_is_said(trap: str, changed: dict[str, float], said: str) -> None:
    found = look(SOUND | changed, {}, RATING_W, (50.0,))
    assert any(said in text for text in found), (trap, found)


def test_where_the_grid_is_not_known_50_hz_and_60_hz_are_right() -> None:
    assert look(SOUND | {"frequency_hz": 60.0}, {}) == []
    (text,) = look(SOUND | {"frequency_hz": 66.0}, {})
    assert "66 Hz is no 50 Hz or 60 Hz grid (45 to 65 Hz)" in text


def test_a_surplus_is_measured_by_nothing_but_its_rating() -> None:
    assert look({"surplus_w": -5e9}, {}) == []


def test_volts_between_phases_do_where_there_are_none_to_neutral() -> None:
    between = {name: value for name, value in SOUND.items() if "_n_v" not in name}
    assert look(between, {}, RATING_W) == []
    (text,) = look(
        {name: value for name, value in between.items() if "power_l" not in name} | {"active_power_w": 900.0},
        {},
        RATING_W,
    )
    assert "1000 times as much" in text


def test_what_was_dropped_is_said_once_for_all_its_phases() -> None:
    invalid = {f"current_l{n}_a": "saturated: 65535 is the end of uint16" for n in (1, 2, 3)}
    values = {name: value for name, value in SOUND.items() if not name.startswith("current")}
    assert look(values, invalid, RATING_W) == ["current: saturated: 65535 is the end of uint16"]


def test_what_a_meter_does_not_have_is_not_wrong_unless_it_is_its_power() -> None:
    values = {name: value for name, value in SOUND.items() if name != "energy_export_wh"}
    assert look(values, {"energy_export_wh": REFUSED}) == []
    assert absent(values, {"energy_export_wh": REFUSED}) == {"energy_export_wh": REFUSED}
    assert look({"frequency_hz": 50.0}, {"active_power_w": REFUSED}) == [
        "active power: exception 2 (illegal data address)"
    ]


@pytest.mark.parametrize("reason", [BUSY, "no complete answer within 1 s, not a byte"])
def test_what_a_meter_does_not_give_now_is_not_said_to_be_missing_for_good(reason: str) -> None:
    values = {name: value for name, value in SOUND.items() if name != "energy_export_wh"}
    assert absent(values, {"energy_export_wh": reason}) == {}
    (told,) = look(values, {"energy_export_wh": reason})
    assert told in {"export counter: refused for now, exception 6 (server device busy)", f"export counter: {reason}"}


def test_the_doubts_of_a_profile_name_what_they_are_about() -> None:
    (text,) = doubts(load_profile("schneider_pm8000"))
    assert text.startswith("verify active power, power L1 L2 L3, reactive power: ")
    assert doubts(None) == doubts(load_profile("schneider_pm5xxx")) == []
