from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from drivers.errors import ConfigError
from simulators.authority import choose_moment
from simulators.curve import Curve, Replay, add_arguments, from_arguments, modelled, replayed
from simulators.worldlink import CurveSamples
from tests.recordings import LIANDER

PEAK_W = 790e3
EXPORTING = ("HAL", "LLS", "MNZL", "NRYN", "WEW", "WHF", "WWF")


def csv_file(folder: Path, values: list[object], *, step_min: float = 15.0) -> Path:
    """One sample each `step_min`; None leaves its line out."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [f"{begin + timedelta(minutes=step_min * i)},{v}\n" for i, v in enumerate(values) if v is not None]
    path = folder / "some.csv"
    path.write_text("datetime,load\n" + "".join(rows))
    return path


def replay(path: Path, *, duration_s: float = 120.0, **more: object) -> Curve:
    return replayed(Replay(path=path, column="load", **more), duration_s=duration_s, peak_w=PEAK_W)  # type: ignore[arg-type]


def test_a_curve_is_held_from_sample_to_sample() -> None:
    curve = Curve(t_s=np.array([0.0, 30.0, 60.0]), surplus_w=np.array([1.0, 2.0, 3.0]), label="")
    assert [curve.at(t) for t in (-1.0, 0.0, 29.9, 30.0, 59.9, 60.0, 1e9)] == [1, 1, 1, 2, 2, 3, 3]


def test_a_recording_is_scaled_and_sped_up_and_clipped_at_zero(tmp_path: Path) -> None:
    curve = replay(csv_file(tmp_path, [5, 8, 4, -3, 10, 6]))
    assert curve.t_s.tolist() == [0, 30, 60, 90, 120, 150]
    assert curve.surplus_w == pytest.approx(PEAK_W * np.array([0.5, 0.8, 0.4, 0.0, 1.0, 0.6]))


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ([5, 8, 4, 6, 9, 7, 10], "00:00:00"),
        ([0, 0, 0, 0, 5, 8, 4, 6, 10], "00:52:30"),  # the mean of the window counts, not each sample
        ([9, 9, 9, 9, 9, 8.9, 8, 10, 9], "01:07:30"),  # a rise and a fall of 10 % of the peak
        ([5, 8, None, 4, 6, 9, 5, 10], "00:52:30"),  # no window across a gap
    ],
)
def test_the_first_window_that_qualifies_is_found(tmp_path: Path, values: list[object], start: str) -> None:
    curve = replay(csv_file(tmp_path, values), duration_s=90.0)
    assert f"from 2026-01-01T{start}" in curve.label


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1, 2, 3, 4, 5, 6], "no window of 60 min"),  # no fall
        ([9, 8.9, 9, 8.9, 9.1, 9], "no window"),  # too level
        ([1, 2, 1, 2, 1, 100, 1], "the highest mean of a window is 26%"),
        ([5, 8, 4], "no window"),  # too short
        ([5, 8, 4, None, 5, 8, 4], "1 gap(s), the first: line 4: no sample for 30 min"),
        ([0, 0, 0, 0, 0, 0], "never any surplus"),
        ([-1, -2, -3, -1, -2, -3], "never any surplus"),
        ([0, 0.01, 0, 0.01, 0, 0.01], "a dead channel"),
    ],
)
def test_a_recording_without_a_window_is_refused_with_the_reason(
    tmp_path: Path, values: list[object], reason: str
) -> None:
    with pytest.raises(ConfigError) as error:
        replay(csv_file(tmp_path, values))
    assert reason in str(error.value)


def test_a_named_start_is_taken_as_it_is_unless_it_meets_a_gap(tmp_path: Path) -> None:
    path = csv_file(tmp_path, [1, 2, 3, 4, 5, 6, None, 7, 8, 9])
    curve = replay(path, start="2026-01-01T00:20:00")
    assert curve.t_s[:3] == pytest.approx([0.0, 20.0, 50.0])
    assert curve.surplus_w[:2] == pytest.approx([PEAK_W * 2 / 9, PEAK_W * 3 / 9])
    with pytest.raises(ConfigError, match="line 7: no sample for 30 min"):
        replay(path, start="2026-01-01T01:00:00")
    with pytest.raises(ConfigError, match="the recording ends"):
        replay(path, start="2026-01-01T02:00:00")


def test_a_faster_replay_needs_a_longer_window(tmp_path: Path) -> None:
    path = csv_file(tmp_path, [5, 8, 4, 6, 9, 7])
    assert replay(path, duration_s=60.0, speed=60.0).t_s.tolist() == [0, 15, 30, 45, 60, 75]
    with pytest.raises(ConfigError, match="240 min"):
        replay(path, speed=120.0)


def options(*args: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(args)


@pytest.mark.parametrize(("scale", "peak_w"), [("110 %", 1.1e6), ("50%", 0.5e6), ("700 kW", 0.7e6)])
def test_the_scale_is_a_share_of_the_fleet_or_a_power(tmp_path: Path, scale: str, peak_w: float) -> None:
    path = csv_file(tmp_path, [5, 8, 4, 6, 9, 7])
    args = options(f"--surplus-csv={path}", "--column=load", f"--scale={scale}")
    assert from_arguments(args, fleet_w=1e6, duration_s=120.0, seed=1).surplus_w.max() == pytest.approx(peak_w)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("--scale=2",), "--scale"),
        (("--scale=-5 %",), "above zero"),
        (("--scale=0 W",), "above zero"),
        (("--column=load",), "need --surplus-csv"),
        (("--start=2026-01-01",), "need --surplus-csv"),
        (("--surplus-csv=some.csv",), "needs --column"),
        (("--surplus-csv=some.csv", "--column=load", "--speed=0"), "--speed"),
        (("--surplus-csv=some.csv", "--column=load", "--speed=nan"), "--speed"),
    ],
)
def test_options_that_do_not_fit_are_refused(args: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_arguments(options(*args), fleet_w=1e6, duration_s=60.0, seed=1)
    assert reason in str(error.value)


def test_the_model_rises_falls_and_is_level() -> None:
    curve = modelled(seed=4, duration_s=180.0, peak_w=PEAK_W)
    assert 0.0 < curve.surplus_w.min() < 0.55 * PEAK_W < 0.8 * PEAK_W < curve.surplus_w.max() <= PEAK_W
    changes = np.diff(curve.surplus_w)
    assert changes.min() < 0.0 < changes.max()
    assert np.diff(curve.t_s).max() >= 30.0
    assert np.all(np.diff(curve.t_s) > 0.0)


def test_the_model_is_fixed_by_its_seed_and_a_longer_one_begins_alike() -> None:
    short, long = (modelled(seed=4, duration_s=d, peak_w=PEAK_W) for d in (60.0, 300.0))
    count = len(short.t_s)
    assert short.surplus_w.tolist() == long.surplus_w[:count].tolist()
    assert short.surplus_w.tolist() != modelled(seed=5, duration_s=60.0, peak_w=PEAK_W).surplus_w.tolist()


@pytest.mark.parametrize("duration_s", [60.0, 90.0, 180.0])
@pytest.mark.parametrize("name", EXPORTING)
def test_every_exporting_substation_has_a_window_and_a_moment_for_an_order(name: str, duration_s: float) -> None:
    replay = Replay(path=LIANDER / f"{name}.csv", column="-total_substation")
    curve = replayed(replay, duration_s=duration_s, peak_w=PEAK_W)
    assert np.mean([curve.at(t_s) for t_s in np.arange(0.0, duration_s, 0.5)]) >= 0.3 * PEAK_W
    samples = CurveSamples(t_s=curve.t_s.tolist(), surplus_w=curve.surplus_w.tolist(), firm_w=60e3)
    assert choose_moment(samples, duration_s=duration_s) is not None


@pytest.mark.parametrize("column", ["-total_substation", "total_substation"])
def test_the_dead_channel_of_wls_is_refused(column: str) -> None:
    with pytest.raises(ConfigError, match="a dead channel"):
        replayed(Replay(path=LIANDER / "WLS.csv", column=column), duration_s=180.0, peak_w=PEAK_W)
