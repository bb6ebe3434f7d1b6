"""Ticks and solves of this version beside those of another one, in turns, so that what else runs slows both.

Both do the same repetitions in each turn, and of each of them the least CPU time of all turns counts: noise only ever adds. `ratio` is that of
the cheapest repetitions, `median` and `dearest` those of the medians and of the dearest. The watts show that both were asked the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.bench.report import Row, Scale, show

#: What, devices, and how many of it in a turn.
_KINDS: Final = (("tick", 1_000, 200), ("tick", 10_000, 60), ("solve", 10_000, 20), ("solve", 100_000, 4))
_COLUMNS: Final = {
    "what": "", "devices": ",", "before_us": ",.0f", "us": ",.0f", "ratio": ",.3f", "median": ",.3f", "dearest": ",.3f",
    "before_watts": ",.0f", "watts": ",.0f",
}  # fmt: skip
_HERE: Final = Path(__file__).parents[2]


def run(scale: Scale, other: Path) -> list[Row]:
    """Measure; `other`: the root of a checkout of the other version, with its environment in ``.venv``."""
    turns = scale.pick(4, 10, 30)
    rows = [_row(what, devices, count, turns, other) for what, devices, count in _KINDS[: scale.pick(1, 4, 4)]]
    show(f"this version beside {other}: CPU time of the cheapest, and its ratio", _COLUMNS, rows)
    return rows


def _row(what: str, devices: int, count: int, turns: int, other: Path) -> Row:
    sides = [_start(root, what, devices) for root in (other, _HERE)]
    found: list[list[list[float]]] = [[], []]
    watts = [0.0, 0.0]
    for _ in range(turns):
        for side, process in enumerate(sides):
            answer = _ask(process, count)
            found[side].append(answer["cpu_us"])
            watts[side] = answer["watts"]
    for process in sides:
        process.communicate()
    spent_us = np.min(found, axis=1)
    of_each = {"ratio": np.min, "median": np.median, "dearest": np.max}
    figures = {name: float(np.divide(*of(spent_us, axis=1)[::-1])) for name, of in of_each.items()}
    figures |= dict(zip(("before_us", "us"), spent_us.min(axis=1).tolist(), strict=True))
    return {"what": what, "devices": devices, "before_watts": watts[0], "watts": watts[1]} | figures


def _start(root: Path, what: str, devices: int) -> subprocess.Popen[str]:
    python = root / ".venv" / "bin" / "python"
    command = [str(python) if python.exists() else sys.executable, "-P", str(Path(__file__).with_name("repeated.py"))]
    environment = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.Popen(
        [*command, what, str(devices)],
        cwd=root,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _ask(process: subprocess.Popen[str], count: int) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{count}\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer
