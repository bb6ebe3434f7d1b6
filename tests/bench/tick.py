"""Times ticks of one site and prints a line of JSON; under NUMBA_DISABLE_JIT=1 the same code is the plain loop."""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

from tests.bench.fleet import Loop, read_site


def main(devices: int, ticks: int) -> None:
    """Run on one core: a few ticks to settle, then `ticks` that count."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    begun_s = time.perf_counter()
    loop = Loop(read_site(devices))
    prepared_s = time.perf_counter() - begun_s
    spent_s = []
    for _ in range(ticks + 3):
        snapshot = loop.snapshot()
        begun_s = time.perf_counter()
        loop.tick(snapshot)
        spent_s.append(time.perf_counter() - begun_s)
    counted_s = np.array(spent_s[3:])
    figures = {"median_ms": 1e3 * float(np.median(counted_s)), "max_ms": 1e3 * float(counted_s.max())}
    json.dump({"devices": devices, "ticks": ticks, "prepare_ms": 1e3 * prepared_s} | figures, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
