"""Memory of the allocator beside the site's columns, each size in a process of its own.

`python -m tests.bench.memory DEVICES` prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

from tests.bench.ours import Ours
from tests.bench.report import Row, Scale, show
from tests.bench.trees import random_site

_COLUMNS = {"devices": ",", "site_b": ".0f", "kept_b": ".0f", "peak_b": ".0f", "own_mb": ".1f", "all_mb": ".1f"}


def run(scale: Scale) -> list[Row]:
    """Measure and print; bytes a device: the site's columns, what the allocator keeps, the most while it solves.

    `own_mb` is that most in all, `all_mb` counts the site's columns too.
    """
    rows = []
    for devices in (10_000,) if scale.quick else (10_000, 100_000, 1_000_000):
        command = [sys.executable, "-m", "tests.bench.memory", str(devices)]
        rows.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
    show("memory, bytes a device", _COLUMNS, rows)
    return rows


def _measure(devices: int) -> Row:
    Ours(*random_site(1, 1_000, 40)).solve()
    tree, fleet = random_site(1, devices, 40)
    columns = [getattr(part, field.name) for part in (tree, fleet) for field in fields(part)]
    site_b = sum(column.nbytes for column in columns if isinstance(column, np.ndarray))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    before_b = _resident_b("VmRSS")
    ours = Ours(tree, fleet)
    ours.solve()
    kept_b, peak_b = _resident_b("VmRSS") - before_b, _resident_b("VmHWM") - before_b
    ours.at_site_limit(0.5 * float(tree.limit_w[0]))
    return {
        "devices": devices,
        "site_b": site_b / devices,
        "kept_b": kept_b / devices,
        "peak_b": peak_b / devices,
        "own_mb": peak_b / 1e6,
        "all_mb": (site_b + peak_b) / 1e6,
    }


def _resident_b(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return float(line.split()[1]) * 1024.0
    raise ValueError(name)


if __name__ == "__main__":
    json.dump(_measure(int(sys.argv[1])), sys.stdout)
