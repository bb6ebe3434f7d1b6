"""The true surplus over the judged window: drawn from a seed, or replayed from recorded data.

A curve is held from sample to sample. Surplus is what the grid can spare, so it is never negative: where a recorded
column is below zero, nothing can be spared.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from drivers.quantities import QuantityError, QuantityKind, parse_quantity
from simulators.recording import Recording, read_recording

F64 = NDArray[np.float64]

#: Peak of the curve as a share of the fleet, unless it is named.
PEAK_SHARE: Final = 1.1
#: What a replayed window must show: a mean, a rise and a fall, as shares of the recording's peak.
MEAN_SHARE: Final = 0.3
SWING_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """``surplus_w[i]`` (n,), W, holds from ``t_s[i]`` (n,), s into the window, until the next, the last for ever.

    `label` says in words where the curve comes from.
    """

    t_s: F64
    surplus_w: F64
    label: str

    def at(self, t_s: float) -> float:
        """Return the surplus in W; before the first sample it is the first."""
        return float(self.surplus_w[max(0, int(np.searchsorted(self.t_s, t_s, side="right")) - 1)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How a recording is replayed: `speed` times faster, its peak scaled to `peak_w`, from `start` (None: found)."""

    path: Path
    column: str
    speed: float = 30.0
    start: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `from_arguments` reads."""
    group = parser.add_argument_group("surplus")
    group.add_argument("--surplus-csv", metavar="FILE", type=Path, help="replay a recording instead of the model")
    group.add_argument("--column", metavar="NAME", help="its column; a leading minus inverts the sign")
    group.add_argument("--speed", type=float, default=30.0, help="replay so many times faster (default: %(default)s)")
    group.add_argument("--scale", metavar="PEAK", default="110 %", help="peak: a power, or a share of the fleet "
                       "(default: 110 %%)")  # fmt: skip
    group.add_argument("--start", metavar="TIME", help="where the replay starts (default: the first window with a "
                       "mean of 30 %% of the peak, a rise and a fall)")  # fmt: skip


def from_arguments(args: argparse.Namespace, *, fleet_w: float, duration_s: float, seed: int) -> Curve:
    """Return the curve that the options of `add_arguments` describe; raises ConfigError."""
    peak_w = _peak_w(args.scale, fleet_w)
    if args.surplus_csv is None:
        if args.column or args.start:
            raise ConfigError("--column and --start need --surplus-csv")
        return modelled(seed=seed, duration_s=duration_s, peak_w=peak_w)
    if not args.column:
        raise ConfigError("--surplus-csv needs --column")
    replay = Replay(path=args.surplus_csv, column=args.column, speed=args.speed, start=args.start)
    return replayed(replay, duration_s=duration_s, peak_w=peak_w)


def _peak_w(scale: str, fleet_w: float) -> float:
    try:
        peak_w = (
            parse_quantity(scale, QuantityKind.FRACTION) * fleet_w
            if "%" in scale
            else parse_quantity(scale, QuantityKind.POWER)
        )
    except QuantityError as error:
        raise ConfigError(f"--scale: {error}; or a share of the fleet in %") from error
    if peak_w <= 0.0:
        raise ConfigError(f"--scale: found {scale!r}, allowed is a peak above zero")
    return peak_w


def modelled(*, seed: int, duration_s: float, peak_w: float) -> Curve:
    """Return level stretches of 30 to 38 s between high and low, joined by rises and falls of 4 to 8 s.

    The same seed gives the same curve; a longer duration only adds to its end.
    """
    rng = np.random.default_rng(seed)
    high = bool(rng.integers(2))
    times, shares, t_s = [0.0], [rng.uniform(0.62, 0.72)], 0.0
    while t_s < duration_s:
        t_s += rng.uniform(30.0, 38.0)
        steps = int(rng.integers(4, 9))
        level = rng.uniform(0.8, 1.0) if high else rng.uniform(0.4, 0.52)
        times.extend(t_s + np.arange(steps))
        shares.extend(np.linspace(shares[-1], level, steps + 1)[1:])
        t_s, high = t_s + steps, not high
    return Curve(t_s=np.asarray(times), surplus_w=peak_w * np.asarray(shares), label="built-in model")


def replayed(replay: Replay, *, duration_s: float, peak_w: float) -> Curve:
    """Return the recording's window of ``duration_s * speed`` seconds, and what follows it without a gap.

    Raises ConfigError with the reason where the file, the column or every window of it is not usable.
    """
    if not replay.speed > 0.0:
        raise ConfigError(f"--speed: found {replay.speed:g}, allowed is a number above zero")
    recording = read_recording(replay.path, replay.column)
    spare = np.maximum(recording.values, 0.0)
    _refuse_dead(recording)
    window_s = duration_s * replay.speed
    start_s = _find_start(recording, window_s) if replay.start is None else recording.seconds_at(replay.start)
    end_s = recording.run_end_s(start_s)
    if not start_s + window_s <= end_s:
        raise ConfigError(
            f"{replay.path}: a window of {window_s / 60.0:.0f} min from {recording.time_at(start_s)} does not fit: "
            f"{recording.why_run_ends(start_s)}"
        )
    first = int(np.searchsorted(recording.t_s, start_s, side="right")) - 1
    last = int(np.searchsorted(recording.t_s, end_s, side="left"))
    t_s = np.maximum(recording.t_s[first:last] - start_s, 0.0) / replay.speed
    return Curve(
        t_s=t_s,
        surplus_w=spare[first:last] * (peak_w / spare.max()),
        label=f"{replay.path.name} {replay.column} from {recording.time_at(start_s)}, {replay.speed:g}x",
    )


def _refuse_dead(recording: Recording) -> None:
    """Refuse a column that never shows surplus, or that only toggles: a dead channel measures nothing."""
    levels = len(np.unique(recording.values))
    what = f"{recording.path}: column {recording.column!r} has {levels} distinct values, the largest {recording.values.max():g}"
    if recording.values.max() <= 0.0:
        raise ConfigError(f"{what}: never any surplus; a dead channel, or a column of the other sign")
    if levels < 3:
        raise ConfigError(f"{what}: a dead channel")


def _find_start(recording: Recording, window_s: float) -> float:
    """Return the first start, on a sample or halfway to the next, whose window qualifies (see the module's shares)."""
    spare = np.maximum(recording.values, 0.0)
    peak = float(spare.max())
    best = 0.0
    for start_s in np.sort(np.concatenate([recording.t_s, recording.t_s + recording.step_s / 2.0])):
        if start_s + window_s > recording.run_end_s(start_s):
            continue
        first = int(np.searchsorted(recording.t_s, start_s, side="right")) - 1
        last = int(np.searchsorted(recording.t_s, start_s + window_s, side="left"))
        edges = np.concatenate([[start_s], recording.t_s[first + 1 : last], [start_s + window_s]])
        window = spare[first:last]
        mean = float(window @ np.diff(edges)) / window_s
        rise = float(np.max(window - np.minimum.accumulate(window)))
        fall = float(np.max(np.maximum.accumulate(window) - window))
        if mean >= MEAN_SHARE * peak and min(rise, fall) >= SWING_SHARE * peak:
            return float(start_s)
        best = max(best, mean / peak)
    raise ConfigError(
        f"{recording.path}: no window of {window_s / 60.0:.0f} min without a gap has a mean surplus of at least "
        f"{MEAN_SHARE:.0%} of the peak with a rise and a fall of at least {SWING_SHARE:.0%} of it "
        f"(the highest mean of a window is {best:.0%}){recording.gaps_in_words()}"
    )
