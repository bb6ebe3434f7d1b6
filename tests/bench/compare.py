"""Ours beside judges and peers on the same random sites: what each earns, draws, breaks, and takes.

"HiGHS LP" gets the same data as we do (modes); "with hulls" has the hulls worked out for it, outside its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from controller.core.site import Devices, Tree
from tests.bench import columns, cpsat, plain
from tests.bench.highs import Judgement, solve_lp, solve_milp
from tests.bench.ours import Ours
from tests.bench.policies import POLICIES, thunderbolt
from tests.bench.referee import Answer, verdict
from tests.bench.report import Row, Scale, show, timed_ms
from tests.bench.trees import random_site

_SEED = 1
_SITES = ((1_000, 40), (1_000, 4), (10_000, 40), (10_000, 4), (100_000, 40))
_COLUMNS = {
    "devices": ",", "per_pdu": "d", "who": "", "ms": ",.3f", "times_ours": ",.1f", "of_lp": ".4%",
    "limit_used": ".2%", "over_limit": ".0f", "note": "",
}  # fmt: skip


def run(scale: Scale) -> list[Row]:
    """Measure and print."""
    rows: list[Row] = []
    for devices, per_pdu in _SITES[: scale.pick(2, len(_SITES), len(_SITES))]:
        rows += _site(scale, devices, per_pdu)
    if not scale.quick:
        rows.append(_ours(1_000_000, 40, 1))
    show("allocation, all data new", _COLUMNS, rows)
    return rows


def _site(scale: Scale, devices: int, per_pdu: int) -> list[Row]:
    tree, fleet = random_site(_SEED, devices, per_pdu)
    rows = [_ours(devices, per_pdu, 5 if devices < 100_000 else 3)]
    for who, solve in (("NumPy", columns.solve), ("plain loop", plain.solve)):
        answer, ms = timed_ms(partial(solve, tree, fleet), 3 if devices <= 10_000 else 1)
        rows.append({"who": who, "ms": ms} | _judged(tree, fleet, answer))
    rows += [{"who": who, "ms": 1e3 * found.seconds} | _found(found) for who, found in _judges(scale, tree, fleet)]
    if devices <= scale.pick(0, 1_000, 10_000):
        found = cpsat.judge(_SEED, devices, per_pdu, scale.pick(0, 15, 60))
        rows.append({"who": "CP-SAT", "ms": 1e3 * found.pop("seconds"), "note": found.pop("status")} | found)
    for who, policy in POLICIES.items():
        watts, ms = timed_ms(partial(policy, tree, fleet))
        rows.append({"who": who, "ms": ms} | _judged(tree, fleet, Answer(watts=watts)))
    rows.append(_thunderbolt(tree, fleet))
    program_per_h = rows[0]["program_per_h"]
    for row in rows:
        row |= {"devices": devices, "per_pdu": per_pdu, "times_ours": row["ms"] / rows[0]["ms"]}
        row["of_lp"] = row["value_per_h"] / program_per_h
    return rows


def _ours(devices: int, per_pdu: int, repeats: int) -> Row:
    """Return the median time over as many sites, each solved once so that nothing can be remembered."""
    spent = []
    for seed in range(_SEED + repeats - 1, _SEED - 1, -1):
        tree, fleet = random_site(seed, devices, per_pdu)
        ours = Ours(tree, fleet)
        answer, ms = timed_ms(ours.solve)
        spent.append(ms)
    row: Row = {"who": "ours", "devices": devices, "per_pdu": per_pdu, "ms": float(np.median(spent))}
    row |= _judged(tree, fleet, answer)
    return row | {"of_lp": row["value_per_h"] / row["program_per_h"], "times_ours": 1.0}


def _judges(scale: Scale, tree: Tree, fleet: Devices) -> Iterator[tuple[str, Judgement]]:
    size = fleet.node.size
    yield "HiGHS LP", solve_lp(tree, fleet, form="modes")
    yield "HiGHS LP with hulls", solve_lp(tree, fleet, form="hull")
    if scale.full:
        yield "HiGHS LP by IPM", solve_lp(tree, fleet, form="modes", solver="ipm")
    if size <= scale.pick(0, 1_000, 10_000):
        yield "HiGHS MILP", solve_milp(tree, fleet, limit_s=scale.pick(0, 15, 60))


def _judged(tree: Tree, fleet: Devices, answer: Answer) -> Row:
    seen = verdict(tree, fleet, answer.watts)
    return {
        "value_per_h": seen.value_per_h,
        "bound_per_h": answer.bound_per_h,
        "program_per_h": answer.program_per_h,
        "limit_used": seen.used_w / float(tree.limit_w[0]),
        "over_limit": seen.over_limit,
    }


def _found(found: Judgement) -> Row:
    return {"value_per_h": found.value_per_h, "bound_per_h": found.bound_per_h, "note": found.status}


def _thunderbolt(tree: Tree, fleet: Devices) -> Row:
    cycle, ms = timed_ms(lambda: thunderbolt(tree, fleet))
    return {
        "who": "Thunderbolt",
        "ms": ms / 600.0,
        "value_per_h": cycle.value_per_h,
        "limit_used": cycle.used_w / float(tree.limit_w[0]),
        "note": f"a round; above a limit in {cycle.over_limit_share:.0%} of seconds",
    }
