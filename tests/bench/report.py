"""How a part of the bench is scaled, timed, printed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: One line of a table, and of the JSON file.
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured: `quick` seconds, else minutes, `full` the figures that issue and release name."""

    quick: bool = False
    full: bool = False

    def pick(self, quick: int, usual: int, full: int) -> int:
        """Return the figure of this scale."""
        return quick if self.quick else full if self.full else usual


def timed_ms(call: Callable[[], Any], repeats: int = 1) -> tuple[Any, float]:
    """Return the last answer and the shortest time."""
    spent_s = []
    for _ in range(repeats):
        begun_s = time.perf_counter()
        answer = call()
        spent_s.append(time.perf_counter() - begun_s)
    return answer, 1e3 * min(spent_s)


def show(title: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Print a table; `columns`: key and format of its values, `-` where a row has none."""
    cells = [[_cell(row.get(key), form) for key, form in columns.items()] for row in rows]
    widths = [max(len(key), *(len(line[k]) for line in cells)) for k, key in enumerate(columns)]
    say(f"\n{title}")
    for line in [list(columns), *cells]:
        say("  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True)))


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201


def _cell(value: Any, form: str) -> str:
    return "-" if value is None else format(value, form)
