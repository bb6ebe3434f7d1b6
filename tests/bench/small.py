"""Small and mid sites of all kinds beside the proven optimum (HiGHS MILP over modes and ranges), and their time.

`gap`: of what we decide to the best; `below`: sites whose certificate is below it, `broken`: sites with a limit that is
broken. A site whose optimum HiGHS has not proven in its time counts with the best that it found. `cpu`: of one solve, all data new.
"""

from __future__ import annotations

import time

import numpy as np

from controller.core.allocation.allocator import Allotment
from controller.core.site import F64
from tests.bench.highs import Judgement
from tests.bench.mixed import solve_mixed
from tests.bench.ours import answered
from tests.bench.referee import below
from tests.bench.report import Row, Scale, show
from tests.bench.small_sites import Case, Kind, small_case

_COLUMNS = {
    "devices": "", "kind": "", "locks": "", "sites": ",", "unproven": ",", "mean": ".5%", "p99": ".4%", "worst": ".4%", "worst_seed": "d",
    "certified": ".4%", "below": "d", "broken": "d", "cpu_ms": ",.3f", "p99_cpu_ms": ",.2f", "worst_cpu_ms": ",.2f", "judge_cpu_ms": ",.1f",
}  # fmt: skip
_JUDGE_S = 20.0
#: A certificate is told to be below the optimum by more than this share, which the judge's own tolerances explain.
_SURELY = 1e-7


def run(scale: Scale) -> list[Row]:
    """Measure and print."""
    many, some = scale.pick(15, 100, 500), scale.pick(2, 20, 150)
    rows = [_row(kind, 1, 128, many, locks=locks) for kind in Kind for locks in (False, True)]
    rows += [_row(kind, 130, 1_000, some, locks=False) for kind in Kind]
    show("small and mid sites beside the best setting of modes and ranges (HiGHS MILP)", _COLUMNS, rows)
    return rows


def _row(kind: Kind, least: int, most: int, sites: int, *, locks: bool) -> Row:
    gaps, certified, spent, judged, low, broken, unproven = [], [], [], [], 0, 0, 0
    for seed in range(sites):
        case = small_case(seed, kind, least=least, most=most, locks=locks)
        best = solve_mixed(case, limit_s=_JUDGE_S)
        answer, cpu_ms = _answered(case)
        unit = max(abs(best.value_per_h), 1e-6)
        gaps.append((best.value_per_h - answer.worth_per_h) / unit)
        certified.append((answer.bound_per_h - answer.worth_per_h) / unit)
        spent.append(cpu_ms)
        judged.append(1e3 * best.cpu_s)
        low += answer.bound_per_h < best.value_per_h - _SURELY * unit
        broken += _breaks(case, answer.watts)
        unproven += _unproven(best)
    return {
        "devices": f"{least}-{most}", "kind": kind.value, "locks": "yes" if locks else "no", "sites": sites,
        "unproven": unproven, "mean": float(np.mean(gaps)), "p99": float(np.quantile(gaps, 0.99)), "worst": max(gaps),
        "worst_seed": int(np.argmax(gaps)), "certified": float(np.mean(certified)), "below": low, "broken": broken,
        "cpu_ms": float(np.median(spent)), "p99_cpu_ms": float(np.quantile(spent, 0.99)), "worst_cpu_ms": max(spent),
        "judge_cpu_ms": float(np.median(judged)),
    }  # fmt: skip


def _answered(case: Case) -> tuple[Allotment, float]:
    """Return our answer, and the CPU time of the second time that it is asked for."""
    ask = answered(case)
    ask()
    begun_s = time.thread_time()
    answer = ask()
    return answer, 1e3 * (time.thread_time() - begun_s)


def _breaks(case: Case, watts: F64) -> bool:
    used_w = below(case.tree, case.devices.node, watts)
    return bool(np.isnan(watts).any() or np.any(used_w > case.limit_w + 1e-3))


def _unproven(best: Judgement) -> bool:
    return best.bound_per_h - best.value_per_h > 1e-6 * max(abs(best.value_per_h), 1e-9)
