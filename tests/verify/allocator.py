"""The allocator on random trees with random locks, asked again and again at other limits: it breaks none, and never fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np

from controller.core.allocation.allocator import Allocator, make_allocator
from controller.core.site import F64
from tests.bench.referee import below
from tests.bench.small_sites import Case, Kind, small_case

TREES: Final = 10_000
#: Calls after the first solve, each at another limit or with another lock.
CALLS: Final = 4


def walked(out: Path, trees: int = TREES) -> dict[str, str]:
    """Walk all trees and return whether all went well; what did not is in ``OUT/allocator.json``, by seed."""
    wrong = {}
    for seed in range(trees):
        try:
            told = list(walk(seed))
        except Exception as error:  # noqa: BLE001  # whatever it is, the campaign says which tree it was
            told = [f"{type(error).__name__}: {error}"]
        if told:
            wrong[seed] = told
    (out / "allocator.json").write_text(json.dumps({"trees": trees, "wrong": wrong}, indent=2) + "\n")
    return {"allocator": "failed" if wrong else "passed"}


def walk(seed: int) -> list[str]:
    """Ask for one tree at several limits and return what was wrong."""
    random = np.random.default_rng(seed)
    kind = Kind.CATALOGUE if seed % 4 == 0 else Kind.ANY
    case = small_case(seed, kind, most=1_000 if seed % 50 == 0 else 128, locks=seed % 3 > 0)
    allocator = make_allocator(case.tree, case.devices)
    found = allocator.solve(
        limit_w=case.tree.limit_w,
        base_w=case.base_w,
        upper_w=case.upper_w,
        held_w=case.held_w,
        stuck_w=case.base_w,
        mode_value=case.mode_value,
    )
    limit_w, base_w = case.tree.limit_w.copy(), case.base_w.copy()
    wrong = _wrong("solve", case, found.watts, limit_w, base_w)
    for _ in range(CALLS):
        what = _change(random, case, allocator, limit_w, base_w)
        wrong += _wrong(what, case, allocator.site_limit(float(limit_w[0])), limit_w, base_w)
        found = allocator.refined()
        wrong += _wrong(f"{what}, refined", case, found.watts, limit_w, base_w)
        if (
            not found.worth_per_h
            <= found.bound_per_h
            <= found.program_per_h + 1e-9 * max(1.0, abs(found.program_per_h))
        ):
            wrong.append(f"{what}: worth {found.worth_per_h}, bound {found.bound_per_h}, program {found.program_per_h}")
    return wrong


def _change(random: np.random.Generator, case: Case, allocator: Allocator, limit_w: F64, base_w: F64) -> str:
    """Ask for another limit, or another lock of one device, and write it into the columns; return what it was."""
    most_w = float(case.devices.max_w.sum())
    node = int(random.integers(limit_w.size)) if random.random() < 0.5 else 0
    if random.random() < 0.7:
        limit_w[node] = random.choice([0.0, np.inf, most_w * random.random(), most_w * random.random()])
        allocator.node_limit(node, float(limit_w[node]))
        return f"node {node} at {limit_w[node]} W"
    device = int(random.integers(base_w.size))
    rows = [row[0] for row in case.rows(device)]
    low, high, held = (float(random.choice(rows)) for _ in range(3))
    base_w[device] = min(low, high)
    allocator.device(device, base_w=min(low, high), upper_w=max(low, high), held_w=held)
    return f"device {device} from {min(low, high)} to {max(low, high)} W"


def _wrong(what: str, case: Case, watts: F64, limit_w: F64, base_w: F64) -> list[str]:
    allowed_w = np.maximum(limit_w, below(case.tree, case.devices.node, base_w))
    over_w = below(case.tree, case.devices.node, watts) - allowed_w
    if np.all(over_w <= 1e-3) and np.all(watts >= base_w - 1e-6):
        return []
    return [
        f"{what}: {np.nanmax(over_w)} W above a limit, {np.count_nonzero(np.isnan(watts))} devices without a number"
    ]
