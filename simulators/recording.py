"""A recorded column of a CSV file: times and values, checked line by line. A gap is never held over.

Columns: one of `TIME_COLUMNS` (ISO 8601; without an offset it is UTC) and the named one. A blank cell, or NaN, is a
missing sample; a gap is where the next sample comes later than one and a half regular steps.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError

F64 = NDArray[np.float64]

TIME_COLUMNS: Final = ("datetime", "time", "timestamp", "date")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Samples ``values`` (n,), in the file's unit, taken ``t_s`` (n,) seconds after `begin`, one every `step_s`.

    `line` (n,): where each stands in the file. `gap_after` (g,): indices of the samples that a gap follows.
    """

    path: Path
    column: str
    begin: datetime
    t_s: F64
    values: F64
    line: NDArray[np.int64]
    step_s: float
    gap_after: NDArray[np.int64]

    def time_at(self, t_s: float) -> str:
        """Return the recorded time, ISO 8601."""
        return (self.begin + timedelta(seconds=t_s)).isoformat()

    def seconds_at(self, text: str) -> float:
        """Return seconds since `begin`; raises ConfigError for what is no time, or none of this recording."""
        try:
            t_s = (_parse_time(text) - self.begin).total_seconds()
        except ValueError as error:
            raise ConfigError(f"start {text!r} is no ISO 8601 time") from error
        if not 0.0 <= t_s < self.t_s[-1] + self.step_s:
            span = f"{self.time_at(0.0)} to {self.time_at(self.t_s[-1])}"
            raise ConfigError(f"{self.path}: start {text} is outside of the recording, {span}")
        return t_s

    def run_end_s(self, t_s: float) -> float:
        """Return until when samples follow each other without a gap from `t_s` on; -inf where `t_s` is in a gap."""
        first = int(np.searchsorted(self.t_s, t_s, side="right")) - 1
        later = self.gap_after[np.searchsorted(self.gap_after, first) :]
        last = int(later[0]) if len(later) else len(self.t_s) - 1
        end_s = float(self.t_s[last]) + self.step_s
        return end_s if t_s < end_s else -math.inf

    def why_run_ends(self, t_s: float) -> str:
        """Return in words what follows the samples around `t_s`: a gap with its line, or the end of the file."""
        first = int(np.searchsorted(self.t_s, t_s, side="right")) - 1
        later = self.gap_after[np.searchsorted(self.gap_after, first) :]
        return self._gap(int(later[0])) if len(later) else f"the recording ends at {self.time_at(self.t_s[-1])}"

    def gaps_in_words(self) -> str:
        """Return an addition to a message: the first gap and how many there are; empty where there is none."""
        return (
            f"; {len(self.gap_after)} gap(s), the first: {self._gap(int(self.gap_after[0]))}"
            if len(self.gap_after)
            else ""
        )

    def _gap(self, index: int) -> str:
        missing_s = self.t_s[index + 1] - self.t_s[index]
        return f"line {self.line[index]}: no sample for {missing_s / 60.0:g} min after {self.time_at(self.t_s[index])}"


def read_recording(path: Path, column: str) -> Recording:
    """Read `column` of `path`; a leading minus inverts its sign. Raises ConfigError with the line."""
    name, sign = (column[1:], -1.0) if column.startswith("-") else (column, 1.0)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(_rows(path, file, name))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if len(rows) < 2:
        raise ConfigError(f"{path}: column {name!r} has {len(rows)} samples, at least two are needed")
    begin = rows[0][1]
    t_s = np.array([(taken - begin).total_seconds() for _, taken, _ in rows])
    line = np.array([number for number, _, _ in rows])
    steps = np.diff(t_s)
    if steps.min() <= 0.0:
        raise ConfigError(f"{path}:{line[int(steps.argmin()) + 1]}: its time is not after the one before")
    step_s = float(np.median(steps))
    gap_after = np.flatnonzero(steps > 1.5 * step_s)
    values = sign * np.array([value for _, _, value in rows])
    return Recording(
        path=path, column=column, begin=begin, t_s=t_s, values=values, line=line, step_s=step_s, gap_after=gap_after
    )


def _rows(path: Path, file: Iterator[str], name: str) -> Iterator[tuple[int, datetime, float]]:
    reader = csv.DictReader(file)
    columns = reader.fieldnames or ()
    clock = next((c for c in columns if c.lower() in TIME_COLUMNS), None)
    if clock is None:
        raise ConfigError(f"{path}:1: no column of time ({', '.join(TIME_COLUMNS)}); found {', '.join(columns)}")
    if name not in columns:
        raise ConfigError(f"{path}:1: no column {name!r}; found {', '.join(columns)}")
    for row in reader:
        taken = _cell_time(path, reader.line_num, row[clock])
        value = _cell_value(path, reader.line_num, name, row[name])
        if value is not None:
            yield reader.line_num, taken, value


def _cell_time(path: Path, line: int, text: str | None) -> datetime:
    try:
        return _parse_time(text or "")
    except ValueError as error:
        raise ConfigError(f"{path}:{line}: found {text!r}, allowed is an ISO 8601 time") from error


def _parse_time(text: str) -> datetime:
    taken = datetime.fromisoformat(text)
    return taken.replace(tzinfo=UTC) if taken.tzinfo is None else taken


def _cell_value(path: Path, line: int, name: str, text: str | None) -> float | None:
    if not (text or "").strip():
        return None
    try:
        value = float(text or "")
    except ValueError as error:
        raise ConfigError(f"{path}:{line}: column {name!r}: found {text!r}, allowed is a number") from error
    if math.isinf(value):
        raise ConfigError(f"{path}:{line}: column {name!r}: found {text!r}, which is not finite")
    return None if math.isnan(value) else value
