"""`make bench`: tables of ratios beside baselines of the same run; a JSON file and a plot where they are asked for."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench import before, compare, curtail, gaps, memory, meters, opcua, rolling, small, wire
from tests.bench.plot import plot_cost
from tests.bench.report import Row, Scale, show

#: Devices, ticks that count with compiled kernels, ticks that count in the plain loop.
_SIZES = ((1_000, 200, 5), (10_000, 200, 3), (100_000, 30, 1))
_TICK_COLUMNS = {"devices": ",", "median_ms": ",.2f", "worst_ms": ",.2f", "plain_ms": ",.1f", "ratio": ",.0f"}


def ticks(scale: Scale) -> list[Row]:
    """Measure the whole control tick on one core, compiled kernels beside the same loops in plain Python."""
    rows = []
    for devices, count, plain_count in _SIZES[: scale.pick(1, 3, 3)]:
        fast, slow = _tick(devices, count, compiled=True), _tick(devices, plain_count, compiled=False)
        row = {"devices": devices, "median_ms": fast["median_ms"], "worst_ms": fast["max_ms"]}
        row |= {"plain_ms": slow["median_ms"], "ratio": slow["median_ms"] / fast["median_ms"]}
        rows.append(row | {"compiled": fast, "plain": slow})
    show("whole control tick on one core: compiled kernels beside the same loops in plain Python", _TICK_COLUMNS, rows)
    return rows


def _tick(devices: int, count: int, *, compiled: bool) -> Row:
    environment = os.environ | ({} if compiled else {"NUMBA_DISABLE_JIT": "1"})
    command = [sys.executable, "-m", "tests.bench.tick", str(devices), str(count)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    figures: Row = json.loads(done.stdout)
    return figures


PARTS: dict[str, Callable[[Scale], list[Row]]] = {
    "tick": ticks,
    "compare": compare.run,
    "curtail": curtail.run,
    "gaps": gaps.run,
    "memory": memory.run,
    "opcua": opcua.run,
    "meters": meters.run,
    "rolling": rolling.run,
    "small": small.run,
    "wire": wire.run,
}


def main() -> None:
    """Run the parts and write what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="this part only; may be given again")
    parser.add_argument("--quick", action="store_true", help="small sites only, under a minute")
    parser.add_argument("--full", action="store_true", help="all trees and judges, about half an hour")
    parser.add_argument(
        "--before", type=Path, help="only this: ours beside another version; the root of its checkout, with its .venv"
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--plot", type=Path, help="write a picture of cost against devices there (part compare)")
    arguments = parser.parse_args()
    scale = Scale(quick=arguments.quick, full=arguments.full)
    if arguments.before:
        figures = {"before": before.run(scale, arguments.before)}
    else:
        figures = {name: PARTS[name](scale) for name in arguments.only or PARTS}
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    if arguments.plot and "compare" in figures:
        plot_cost(figures["compare"], arguments.plot)


if __name__ == "__main__":
    main()
