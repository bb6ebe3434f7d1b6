"""OR-tools CP-SAT as a judge, in a process of its own because it cannot be loaded beside highspy.

`python -m tests.bench.cpsat SEED DEVICES PER_PDU SECONDS` prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

from controller.core.site import Devices, Tree
from tests.bench.referee import below
from tests.bench.trees import random_site

#: CP-SAT counts in whole numbers: value in steps of 1e-6 currency per hour.
_SCALE = 1e6


def judge(seed: int, devices: int, per_pdu: int, limit_s: float) -> dict[str, Any]:
    """Return value_per_h, bound_per_h, seconds and status for a generated site."""
    command = [sys.executable, "-m", "tests.bench.cpsat", str(seed), str(devices), str(per_pdu), str(limit_s)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def solve(tree: Tree, devices: Devices, limit_s: float) -> dict[str, Any]:
    """Return the best choice of one mode a device; watts have to be whole."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    room_w = np.floor(tree.limit_w - below(tree, devices.node, devices.off_w)).astype(np.int64).tolist()
    flow = [model.new_int_var(0, max(room, 0), "") for room in room_w]
    into: list[list[Any]] = [[] for _ in flow]
    for n in range(1, len(flow)):
        into[int(tree.parent[n])].append(flow[n])
    earned = []
    for i in range(len(devices.ids)):
        rows = range(int(devices.mode_start[i]), int(devices.mode_start[i + 1]))
        chosen = {row: model.new_bool_var("") for row in rows}
        model.add_exactly_one(chosen.values())
        for row, literal in chosen.items():
            into[int(devices.node[i])].append(int(devices.mode_w[row] - devices.mode_w[rows.start]) * literal)
            earned.append(round(float(devices.mode_value[row]) * _SCALE) * literal)
    for n, parts in enumerate(into):
        model.add(sum(parts) == flow[n])
    model.maximize(sum(earned))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limit_s
    begun_s = time.perf_counter()
    status = solver.solve(model)
    return {
        "value_per_h": solver.objective_value / _SCALE,
        "bound_per_h": solver.best_objective_bound / _SCALE,
        "seconds": time.perf_counter() - begun_s,
        "status": solver.status_name(status),
    }


if __name__ == "__main__":
    _site = random_site(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    json.dump(solve(*_site, float(sys.argv[4])), sys.stdout)
