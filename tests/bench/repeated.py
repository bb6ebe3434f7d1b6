"""Repeats one thing of whatever version of the project it is run in, as often as it is told, and says what each time took.

Run as a file with ``PYTHONPATH`` at the root of that version: ``tick`` or ``solve``, and how many devices. Each number
on standard input is answered with a line of JSON: the CPU time of so many repetitions in µs, and the watts of the last.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np


def main(what: str, devices: int) -> None:
    """Answer until the input ends."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    once = {"tick": _tick, "solve": _solve}[what](devices)
    for line in sys.stdin:
        found = [once() for _ in range(int(line))]
        print(json.dumps({"cpu_us": [each for each, _ in found], "watts": found[-1][1]}), flush=True)  # noqa: T201


def _tick(devices: int) -> Callable[[], tuple[float, float]]:
    from tests.bench.fleet import Loop, read_site

    loop = Loop(read_site(devices))

    def once() -> tuple[float, float]:
        snapshot = loop.snapshot()
        begun_ns = time.thread_time_ns()
        loop.tick(snapshot)
        spent_ns = time.thread_time_ns() - begun_ns
        return spent_ns / 1e3, float(loop._draw_w.sum())

    return once


def _solve(devices: int) -> Callable[[], tuple[float, float]]:
    from tests.bench.ours import Ours
    from tests.bench.trees import random_site

    tree, fleet = random_site(1, devices, 40)
    ours, random, values = Ours(tree, fleet), np.random.default_rng(1), fleet.mode_value.copy()

    def once() -> tuple[float, float]:
        fleet.mode_value[:] = values * np.repeat(random.uniform(0.8, 1.2, fleet.node.size), np.diff(fleet.mode_start))
        begun_ns = time.thread_time_ns()
        watts = ours.solve().watts
        return (time.thread_time_ns() - begun_ns) / 1e3, float(watts.sum())

    return once


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
