"""Repeats one thing of whatever version of the project it is run in, as often as it is told, and says what each time took.

Run as a file with ``PYTHONPATH`` at the root of that version: ``tick`` or ``solve``, and how many devices. Each number
on standard input is answered with a line of JSON: the CPU time of so many repetitions in µs, and the watts of the last. All
begins anew each time, so that the k-th repetition is always the same.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

#: Carries one repetition out: CPU time in µs, and the watts that come of it.
Once: TypeAlias = Callable[[], tuple[float, float]]
#: Ticks before those that count: a site that starts has little to decide.
_SETTLING = 10


def main(what: str, devices: int) -> None:
    """Answer until the input ends."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    begin = {"tick": _ticks, "solve": _solves}[what](devices)
    for line in sys.stdin:
        once = begin()
        found = [once() for _ in range(int(line))]
        print(json.dumps({"cpu_us": [each for each, _ in found], "watts": found[-1][1]}), flush=True)  # noqa: T201


def _ticks(devices: int) -> Callable[[], Once]:
    from tests.bench.fleet import Loop, read_site

    site = read_site(devices)

    def begin() -> Once:
        loop = Loop(site)
        for _ in range(_SETTLING):
            loop.tick(loop.snapshot())

        def once() -> tuple[float, float]:
            snapshot = loop.snapshot()
            begun_ns = time.thread_time_ns()
            loop.tick(snapshot)
            spent_ns = time.thread_time_ns() - begun_ns
            return spent_ns / 1e3, float(loop._draw_w.sum())

        return once

    return begin


def _solves(devices: int) -> Callable[[], Once]:
    from tests.bench.ours import Ours
    from tests.bench.trees import random_site

    tree, fleet = random_site(1, devices, 40)
    ours, values = Ours(tree, fleet), fleet.mode_value.copy()

    def begin() -> Once:
        random = np.random.default_rng(1)

        def once() -> tuple[float, float]:
            shares = random.uniform(0.8, 1.2, fleet.node.size)
            fleet.mode_value[:] = values * np.repeat(shares, np.diff(fleet.mode_start))
            begun_ns = time.thread_time_ns()
            watts = ours.solve().watts
            return (time.thread_time_ns() - begun_ns) / 1e3, float(watts.sum())

        return once

    return begin


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
