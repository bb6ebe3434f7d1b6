"""`surplusd meter new`, `test` and `profiles`: a profile from a manual, and what it shows."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from controller.cli import main
from controller.commands.meter.profile_writer import ProfileOptions, ask, profile_text
from drivers.errors import ConfigError
from drivers.meters.dlms.profiles import bundled_dlms_profiles
from drivers.meters.payloads.profiles import bundled_payloads
from drivers.meters.profiles import bundled_profiles, load_profile, parse_profile
from tests.controller.commands.substation import FULL_SCALE_W, Substation, unit

POWER = "active_power_w=3:3059:float32:kW"
FREQUENCY = "frequency_hz=3:3109:float32:Hz"


def new(path: Path, *options: str) -> int:
    return main(["meter", "new", str(path), *options])


def test_a_profile_is_written_and_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "My Meter-7.yaml"
    options = ["--vendor", "Acme: & Sons", "--model", "#7", "--source", "manual", "--word-order", "little"]
    assert new(path, "--register", POWER, "--register", "energy_import_wh=4:10:uint32:kWh:0.1", *options) == 0
    assert "profile my_meter_7, 2 quantities" in capsys.readouterr().out
    profile = load_profile(str(path))
    assert (profile.id, profile.vendor, profile.model, profile.word_order) == (
        "my_meter_7",
        "Acme: & Sons",
        "#7",
        "little",
    )
    assert profile.registers["energy_import_wh"].factor == 100
    assert profile.registers["energy_import_wh"].fc == 4


def test_it_is_tested_on_the_meter_and_what_looks_wrong_is_said(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = str(substation.serve(unit("schneider_pm5xxx")))
    assert (
        new(tmp_path / "a.yaml", "--register", POWER, "--register", FREQUENCY, "--host", "127.0.0.1", "--port", port)
        == 0
    )
    assert "812.5 kW" in capsys.readouterr().out
    off_by_one = ["--register", "active_power_w=3:3060:float32:kW", "--register", "frequency_hz=3:3110:float32:Hz"]
    assert new(tmp_path / "b.yaml", *off_by_one, "--host", "127.0.0.1", "--port", port) == 1
    assert "! " in capsys.readouterr().out
    too_small = ["--register", POWER, "--rating", "100 kW", "--host", "127.0.0.1", "--port", port]
    assert new(tmp_path / "c.yaml", *too_small) == 1
    assert "above 120% of the rating, 100 kW" in capsys.readouterr().out


def test_what_stands_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine\n")
    assert new(path, "--register", POWER) == 1
    assert path.read_text() == "mine\n"
    assert "stands already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("register", "said"),
    [
        ("power=3:3059:float32:kW", "QUANTITY is one of active_power_w"),
        ("active_power_w=5:3059:float32:kW", "allowed is QUANTITY=FC:ADDRESS:TYPE:UNIT[:SCALE]"),
        ("active_power_w=3:3059:flot32:kW", "active_power_w.type: found 'flot32'"),
        ("active_power_w=3:3059:float32:KW", "found 'KW'"),
        ("active_power_w=3:65535:float32:kW", "65535"),
        ("active_power_w=3:3059:float32:kW:0", "scale"),
        ("frequency_hz=3:3109:float32:Hz", "active_power_w"),
    ],
)
def test_a_wrong_register_is_said_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], register: str, said: str
) -> None:
    assert new(tmp_path / "a.yaml", "--register", register) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("profile", bundled_profiles())
def test_a_profile_like_another_reads_like_it(profile: str) -> None:
    copy, original = (
        parse_profile(profile_text("copy", ProfileOptions(like=profile)), "copy.yaml"),
        load_profile(profile),
    )
    assert copy.registers == original.registers
    assert (copy.largest_block, copy.largest_gap) == (original.largest_block, original.largest_gap)
    assert (copy.sunspec_models, copy.zero_not_ready) == (original.sunspec_models, original.zero_not_ready)
    assert (copy.secondary, copy.shortest_poll_s) == (original.secondary, original.shortest_poll_s)
    assert copy.identity == (), "another model is not identified by the same marks"


def test_a_register_replaces_that_of_the_profile_that_is_like_it() -> None:
    text = profile_text("own", ProfileOptions(like="schneider_pm5xxx", registers=["active_power_w=3:3059:float32:W"]))
    mine = parse_profile(text, "own.yaml")
    assert mine.registers["active_power_w"].factor == 1
    assert mine.registers["frequency_hz"] == load_profile("schneider_pm5xxx").registers["frequency_hz"]


def test_without_registers_a_terminal_is_asked() -> None:
    answers = {
        "Who makes": "Acme", "plate": "7", "manual": "page 3", "Word order": "", "active_power_w": "3:3059:float32:kW",
        "frequency_hz": "3:3109:float32:Hz",
    }  # fmt: skip
    options = ask(
        lambda question: next((text for part, text in answers.items() if part in question), ""), ProfileOptions()
    )
    profile = parse_profile(profile_text("asked", options), "asked.yaml")
    assert (profile.vendor, profile.model, profile.word_order) == ("Acme", "7", "big")
    assert set(profile.registers) == {"active_power_w", "frequency_hz"}


def test_a_slip_is_said_and_asked_again() -> None:
    asked: list[str] = []
    answers = iter(["Acme", "7", "page 3", "", "3:3059:flot32:kW", "3:3059:float32:Hz", "3:3059:float32:kW", "x"])

    def say(question: str) -> str:
        asked.append(question)
        return next(answers, "")

    assert ask(say, ProfileOptions()).registers == ["active_power_w=3:3059:float32:kW"]
    assert "found 'flot32', allowed is" in asked[5]
    assert "found 'Hz', allowed is" in asked[6]
    assert "found 'frequency_hz=x', allowed is" in asked[8]
    assert all(question.endswith(": ") for question in asked[4:])


def test_without_registers_and_without_a_terminal_is_a_wrong_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(SystemExit) as ended:
        new(tmp_path / "a.yaml")
    assert ended.value.code == 2
    assert "neither --register nor --like" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_test_needs_a_meter_or_a_capture(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["meter", "test", "schneider_pm5xxx"])
    assert ended.value.code == 2
    assert "neither --host nor --capture" in capsys.readouterr().err


def test_test_of_a_meter_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", "test", "schneider_pm5xxx", "--host", "127.0.0.1", "--port", "1"]) == 1
    assert "127.0.0.1:1 accepts no connection" in capsys.readouterr().err


def test_a_capture_of_another_meter_does_not_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.txt").write_text("fc 3 address 1 count 2 = 0000 0001\n")
    assert main(["meter", "test", "schneider_pm5xxx", "--capture", str(tmp_path / "c.txt")]) == 1
    assert "not in the capture" in capsys.readouterr().out


def test_a_sunspec_meter_is_found_at_its_place(substation: Substation, tmp_path: Path) -> None:
    at = [
        "--host",
        "127.0.0.1",
        "--port",
        str(substation.serve(unit("sunspec_203"))),
        "--capture",
        str(tmp_path / "c.txt"),
    ]
    assert main(["meter", "test", "sunspec_203", *at]) == 0
    assert main(["meter", "test", "sunspec_203", "--capture", str(tmp_path / "c.txt")]) == 0


def test_a_meter_of_shares_needs_its_full_scale(substation: Substation, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--host", "127.0.0.1", "--port", str(substation.serve(unit("satec_pm180")))]
    assert main(["meter", "test", "satec_pm180", *at]) == 1
    assert "full_scale" in capsys.readouterr().err
    main(["meter", "test", "satec_pm180", *at, "--full-scale", f"{FULL_SCALE_W:g} W"])
    assert "active power    812." in capsys.readouterr().out


def test_the_meters_that_are_known_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", "profiles"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == [
        "PROFILE",
        *bundled_profiles(),
        *bundled_dlms_profiles(),
        *bundled_payloads(),
    ]
    assert main(["meter", "profiles", "SCHNEIDER", "pm5560"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["PROFILE", "schneider_pm5xxx"]
    assert main(["meter", "profiles", "nobody"]) == 1


def test_a_profile_file_that_is_broken_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("id: x\n")
    with pytest.raises(ConfigError, match=r"x\.yaml:1"):
        load_profile(str(tmp_path / "x.yaml"))
    assert main(["meter", "test", str(tmp_path / "x.yaml"), "--host", "127.0.0.1"]) == 1
