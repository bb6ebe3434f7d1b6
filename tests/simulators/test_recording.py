from __future__ import annotations

from pathlib import Path

import pytest

from drivers.errors import ConfigError
from simulators.recording import read_recording

GOOD = "datetime,load\n2026-01-01 00:00:00+00:00,1\n2026-01-01 00:15:00+00:00,-2\n2026-01-01 00:30:00+00:00,3.5\n"


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "some.csv"
    path.write_text(text)
    return path


def test_times_values_and_sign(tmp_path: Path) -> None:
    path = csv_file(tmp_path, GOOD)
    recording = read_recording(path, "load")
    assert recording.t_s.tolist() == [0.0, 900.0, 1800.0]
    assert recording.values.tolist() == [1.0, -2.0, 3.5]
    assert recording.step_s == 900.0
    assert read_recording(path, "-load").values.tolist() == [-1.0, 2.0, -3.5]
    assert recording.time_at(900.0) == "2026-01-01T00:15:00+00:00"


def test_offsets_of_the_clock_and_a_byte_order_mark_are_understood(tmp_path: Path) -> None:
    text = "\ufeffTime,x\n2026-01-01T02:00:00+02:00,1\n2026-01-01T00:15:00,2\n"
    recording = read_recording(csv_file(tmp_path, text), "x")
    assert recording.t_s.tolist() == [0.0, 900.0]


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("datetime", "when", ":1:", "no column of time"),
        ("load", "other", ":1:", "no column 'load'; found datetime, other"),
        (",-2", ",two", ":3:", "found 'two', allowed is a number"),
        (",-2", ",inf", ":3:", "not finite"),
        (",-2", ",1e999", ":3:", "not finite"),
        ("00:15:00", "00:99:00", ":3:", "ISO 8601"),
        ("2026-01-01 00:15:00+00:00", "", ":3:", "ISO 8601"),
        ("00:15:00", "00:45:00", ":4:", "not after the one before"),
        ("00:15:00", "00:00:00", ":3:", "not after the one before"),
        (",-2\n2026-01-01 00:30:00+00:00,3.5", ",", "", "has 1 samples"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, old: str, new: str, where: str, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_recording(csv_file(tmp_path, GOOD.replace(old, new)), "load")
    assert where in str(error.value)
    assert what in str(error.value)


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recording(tmp_path / name, "load")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_bytes(b"datetime,load\n\xff\xfe,1\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recording(path, "load")


@pytest.mark.parametrize("missing", ["2026-01-01 00:30:00+00:00,\n", "2026-01-01 00:30:00+00:00,nan\n", ""])
def test_a_gap_ends_a_run_of_samples(tmp_path: Path, missing: str) -> None:
    times = [0, 15, 45, 60]
    rows = [f"2026-01-01 00:{m:02d}:00+00:00,{m}\n" if m < 60 else f"2026-01-01 01:00:00+00:00,{m}\n" for m in times]
    text = "datetime,load\n" + "".join([*rows[:2], missing, *rows[2:]])
    recording = read_recording(csv_file(tmp_path, text), "load")
    assert recording.gap_after.tolist() == [1]
    assert recording.run_end_s(0.0) == 1800.0
    assert recording.run_end_s(1800.0) == -float("inf")
    assert recording.run_end_s(2700.0) == 4500.0
    assert "line 3: no sample for 30 min after 2026-01-01T00:15:00+00:00" in recording.why_run_ends(0.0)
    assert "the recording ends" in recording.why_run_ends(2700.0)
    assert "1 gap(s)" in recording.gaps_in_words()


def test_a_start_is_a_time_within_the_recording(tmp_path: Path) -> None:
    recording = read_recording(csv_file(tmp_path, GOOD), "load")
    assert recording.seconds_at("2026-01-01T00:20:00+00:00") == 1200.0
    for text in ("2025-12-31T23:59:00", "2026-01-01T00:45:00", "noon"):
        with pytest.raises(ConfigError, match="start"):
            recording.seconds_at(text)
