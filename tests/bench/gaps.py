"""How far from optimal: the certified gap over many random trees, and the true gap of small lumpy sites to the MILP.

`over_limit`: trees on which a limit is broken; `lp_off`: how far our linear program is from HiGHS's optimum at most.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from controller.core.site import Devices, Tree
from tests.bench.highs import solve_lp, solve_milp
from tests.bench.ours import Ours
from tests.bench.referee import Answer, Verdict, verdict
from tests.bench.report import Row, Scale, show, timed_ms
from tests.bench.trees import random_site

_COLUMNS = {
    "devices": "", "per_pdu": "d", "modes": "d", "against": "", "trees": ",", "median": ".5%", "p90": ".5%",
    "p99": ".5%", "worst": ".5%", "worst_seed": "d", "ms": ",.3f", "worst_ms": ",.3f", "over_limit": "d", "lp_off": ".1e",
    "judge_worst_ms": ",.0f",
}  # fmt: skip
#: Trees whose bound is held against the HiGHS LP as well.
_LP_TREES = 5


def run(scale: Scale) -> list[Row]:
    """Measure and print."""
    rows = [
        _certified(1_000, 40, scale.pick(10, 200, 1_000)),
        _certified(1_000, 4, scale.pick(10, 200, 1_000)),
        _true("30-100", 3, 2, scale.pick(10, 50, 250), lambda seed: 30 + 7 * seed % 71),
        _true("30-100", 4, 2, scale.pick(10, 50, 250), lambda seed: 30 + 7 * seed % 71),
        _true("100", 4, 3, scale.pick(2, 10, 100), lambda seed: 100),
    ]
    if not scale.quick:
        rows += [_certified(10_000, per_pdu, scale.pick(0, 20, 1_000)) for per_pdu in (40, 4)]
        rows += [_certified(100_000, per_pdu, scale.pick(0, 2, 50)) for per_pdu in (40, 4)]
    show("gap to our certificate (bound) and to the proven optimum (MILP)", _COLUMNS, rows)
    return rows


def _certified(devices: int, per_pdu: int, trees: int) -> Row:
    gaps, spent, off, over = [], [], [], 0
    for seed in range(trees):
        tree, fleet = random_site(seed, devices, per_pdu)
        answer, seen, ms = _solved(tree, fleet)
        if answer.bound_per_h is None or answer.program_per_h is None:
            raise ValueError("no certificate")
        gaps.append((answer.bound_per_h - seen.value_per_h) / answer.bound_per_h)
        spent.append(ms)
        over += seen.over_limit > 0
        if seed < _LP_TREES and devices <= 10_000:
            off.append(abs(answer.program_per_h / solve_lp(tree, fleet).value_per_h - 1.0))
    case = {"devices": f"{devices:,}", "per_pdu": per_pdu, "modes": 7, "against": "bound"}
    return case | _spread(gaps, spent) | {"over_limit": over, "lp_off": max(off, default=None)}


def _true(devices: str, per_pdu: int, modes: int, trees: int, size: Callable[[int], int]) -> Row:
    gaps, spent, judged, over = [], [], [], 0
    for seed in range(trees):
        tree, fleet = random_site(seed, size(seed), per_pdu, modes=modes)
        _, seen, ms = _solved(tree, fleet)
        best = solve_milp(tree, fleet, limit_s=20.0)
        gaps.append((best.value_per_h - seen.value_per_h) / best.value_per_h)
        spent.append(ms)
        over += seen.over_limit > 0
        judged.append(1e3 * best.seconds)
    case = {"devices": devices, "per_pdu": per_pdu, "modes": modes, "against": "MILP"}
    return case | _spread(gaps, spent) | {"over_limit": over, "judge_worst_ms": max(judged)}


def _solved(tree: Tree, fleet: Devices) -> tuple[Answer, Verdict, float]:
    answer: Answer
    answer, ms = timed_ms(Ours(tree, fleet).solve)
    seen = verdict(tree, fleet, answer.watts)
    return answer, seen, ms


def _spread(gaps: list[float], spent: list[float]) -> Row:
    median, p90, p99 = np.quantile(gaps, (0.5, 0.9, 0.99))
    return {
        "trees": len(gaps),
        "median": float(median),
        "p90": float(p90),
        "p99": float(p99),
        "worst": max(gaps),
        "worst_seed": int(np.argmax(gaps)),
        "ms": float(np.median(spent)),
        "worst_ms": max(spent),
    }
