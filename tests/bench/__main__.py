"""`make bench`: a table of ratios, and a JSON file where one is asked for."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

#: Devices, ticks that count with compiled kernels, ticks that count in the plain loop.
_SIZES = ((1_000, 200, 5), (10_000, 200, 3), (100_000, 30, 1))


def measure(devices: int, ticks: int, *, compiled: bool) -> dict[str, Any]:
    """Return the figures of one size, taken in a process of its own."""
    environment = os.environ | ({} if compiled else {"NUMBA_DISABLE_JIT": "1"})
    command = [sys.executable, "-m", "tests.bench.tick", str(devices), str(ticks)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603  our own module
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Measure every size, compiled and plain side by side, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    rows = []
    print("whole control tick on one core: compiled kernels beside the same loops in plain Python")  # noqa: T201
    print(f"{'devices':>9} {'median':>10} {'worst':>10} {'plain loop':>12} {'ratio':>7}")  # noqa: T201
    for devices, ticks, plain_ticks in _SIZES:
        fast, slow = measure(devices, ticks, compiled=True), measure(devices, plain_ticks, compiled=False)
        ratio = slow["median_ms"] / fast["median_ms"]
        rows.append({"compiled": fast, "plain": slow, "ratio": ratio})
        line = f"{devices:>9} {fast['median_ms']:>7.2f} ms {fast['max_ms']:>7.2f} ms {slow['median_ms']:>9.1f} ms"
        print(f"{line} {ratio:>6.0f}x", flush=True)  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


main()
