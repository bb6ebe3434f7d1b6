"""Ours beside judges and peers on the same random sites: what each earns, draws, breaks, and takes.

"HiGHS LP" gets the same data as we do (modes); "with hulls" has the hulls worked out for it, outside its time.
`of_lp`: value as a share of our linear program's optimum; `lp_off`: how far HiGHS's optimum is from ours. `cpu_ms` and
`times_cpu` count processor time, which other processes on the machine do not lengthen.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
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
_SITES = ((1_000, 40), (1_000, 4), (10_000, 40), (10_000, 4), (100_000, 40), (1_000_000, 40))
_COLUMNS = {
    "devices": ",", "per_pdu": "d", "who": "", "ms": ",.3f", "times_ours": ",.1f", "cpu_ms": ",.3f", "times_cpu": ",.1f", "of_lp": ".4%", "lp_off": ".0e",
    "limit_used": ".2%", "over_limit": ".0f", "note": "",
}  # fmt: skip


def run(scale: Scale) -> list[Row]:
    """Measure and print."""
    rows: list[Row] = []
    for devices, per_pdu in _SITES[: scale.pick(2, len(_SITES), len(_SITES))]:
        rows += _site(scale, devices, per_pdu)
    show("allocation, all data new", _COLUMNS, rows)
    return rows


def _site(scale: Scale, devices: int, per_pdu: int) -> list[Row]:
    tree, fleet = random_site(_SEED, devices, per_pdu)
    if devices == 1_000_000:
        rows = [_ours(tree, fleet, 3)]
    else:
        rows = _in_turns(tree, fleet) + _others(scale, tree, fleet, per_pdu)
    for row in rows:
        row |= {"devices": devices, "per_pdu": per_pdu, "times_ours": row["ms"] / rows[0]["ms"]}
        if "cpu_ms" in row:
            row["times_cpu"] = row["cpu_ms"] / rows[0]["cpu_ms"]
        row["of_lp"] = row["value_per_h"] / rows[0]["program_per_h"]
        if row["who"].startswith("HiGHS LP"):
            row["lp_off"] = abs(row["of_lp"] - 1.0)
    return rows


def _in_turns(tree: Tree, fleet: Devices) -> list[Row]:
    """Return ours and HiGHS on the same linear program, on small sites in turns: the speed of a machine swings."""
    turns = range(4 if fleet.node.size <= 10_000 else 1)
    rows = [(_ours(tree, fleet, 7), _found("HiGHS LP", solve_lp(tree, fleet, form="modes"))) for _ in turns]
    return [_middle(column) for column in zip(*rows, strict=True)]


def _middle(rows: Sequence[Row]) -> Row:
    return rows[-1] | {name: float(np.median([row[name] for row in rows])) for name in ("ms", "cpu_ms")}


def _others(scale: Scale, tree: Tree, fleet: Devices, per_pdu: int) -> list[Row]:
    devices, rows = fleet.node.size, []
    for who, solve in (("NumPy", columns.solve), ("plain loop", plain.solve)):
        answer, ms = timed_ms(partial(solve, tree, fleet), 3 if devices <= 10_000 else 1)
        rows.append({"who": who, "ms": ms} | _judged(tree, fleet, answer))
    rows += [_found(who, found) for who, found in _judges(scale, tree, fleet)]
    if devices <= scale.pick(0, 1_000, 10_000):
        found = cpsat.judge(_SEED, devices, per_pdu, scale.pick(0, 15, 60))
        rows.append({"who": "CP-SAT", "ms": 1e3 * found.pop("seconds"), "note": found.pop("status")} | found)
    for who, policy in POLICIES.items():
        watts, ms = timed_ms(partial(policy, tree, fleet))
        rows.append({"who": who, "ms": ms} | _judged(tree, fleet, Answer(watts=watts)))
    rows.append(_thunderbolt(tree, fleet))
    return rows


def _ours(tree: Tree, fleet: Devices, repeats: int) -> Row:
    """Return the median time: every time all values and limits are new, the last time they are the site's own."""
    random, values, limits_w = np.random.default_rng(_SEED), fleet.mode_value.copy(), tree.limit_w.copy()
    ours, spent, cpu_s = Ours(tree, fleet), [], []
    for last in [False] * repeats + [True]:
        by_device = 1.0 if last else np.repeat(random.uniform(0.8, 1.2, fleet.node.size), np.diff(fleet.mode_start))
        fleet.mode_value[:] = values * by_device
        tree.limit_w[:] = limits_w * (1.0 if last else random.uniform(0.9, 1.0, limits_w.size))
        begun_s = time.process_time()
        answer, ms = timed_ms(ours.solve)
        cpu_s.append(time.process_time() - begun_s)
        spent.append(ms)
    row: Row = {"who": "ours", "ms": float(np.median(spent[1:])), "first_ms": spent[0]}
    row["cpu_ms"] = 1e3 * float(np.median(cpu_s[1:]))
    return row | _judged(tree, fleet, answer)


def _judges(scale: Scale, tree: Tree, fleet: Devices) -> Iterator[tuple[str, Judgement]]:
    size = fleet.node.size
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


def _found(who: str, found: Judgement) -> Row:
    return {
        "who": who,
        "ms": 1e3 * found.seconds,
        "cpu_ms": 1e3 * found.cpu_s,
        "value_per_h": found.value_per_h,
        "bound_per_h": found.bound_per_h,
        "note": found.status,
    }


def _thunderbolt(tree: Tree, fleet: Devices) -> Row:
    cycle, ms = timed_ms(lambda: thunderbolt(tree, fleet))
    return {
        "who": "Thunderbolt",
        "ms": ms / 600.0,
        "value_per_h": cycle.value_per_h,
        "limit_used": cycle.used_w / float(tree.limit_w[0]),
        "note": f"a round; above a limit in {cycle.over_limit_share:.0%} of seconds",
    }
