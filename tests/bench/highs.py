"""HiGHS as a judge: the LP over hull edges and the MILP over modes, both in flow form (one row and one flow a node).

The time is HiGHS's alone: hulls and the model are built before the clock starts. It cannot share a process with OR-tools.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

import highspy
import numpy as np

from controller.core.site import F64, I64, Devices, Tree
from tests.bench.referee import below, hull_edges

_KW = 1e-3
Form = Literal["hull", "modes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`value_per_h` of the best solution found, `bound_per_h` that none exceeds."""

    value_per_h: float
    bound_per_h: float
    seconds: float
    status: str


def solve_lp(
    tree: Tree, devices: Devices, *, form: Form = "hull", solver: Literal["simplex", "ipm"] = "simplex"
) -> Judgement:
    """Return the optimum with every mode divisible: the bound that a certificate has to equal.

    `form` "modes" is the relaxation of the choice of one mode a device, "hull" has the hull's edges worked out for it.
    """
    if form == "modes":
        return _run(_choice(tree, devices), {"solver": solver})
    edges = hull_edges(devices)
    worth = edges.density > 0.0
    node, density, length_w = devices.node[edges.device[worth]], edges.density[worth], edges.length_w[worth]
    lp = highspy.HighsLp()
    _flow(lp, tree, devices, node, np.ones(node.size), density / _KW, length_w * _KW)
    return _run(lp, {"solver": solver})


def solve_milp(tree: Tree, devices: Devices, *, limit_s: float, gap: float = 1e-6) -> Judgement:
    """Return the best choice of one mode a device; it may stop at the time limit, with a bound."""
    if devices.mode_continuous.any():
        raise ValueError("the MILP judge takes discrete modes only")
    lp = _choice(tree, devices)
    integer = lp.num_col_ - tree.parent.size
    lp.integrality_ = [highspy.HighsVarType.kInteger] * integer + [highspy.HighsVarType.kContinuous] * tree.parent.size
    return _run(lp, {"time_limit": limit_s, "mip_rel_gap": gap, "mip_abs_gap": 0.0})


def _choice(tree: Tree, devices: Devices) -> highspy.HighsLp:
    """Return the model with a column a mode that earns something, and at most one of them a device."""
    owner = np.repeat(np.arange(devices.node.size), np.diff(devices.mode_start))
    rows = np.flatnonzero(devices.mode_value > 0.0)
    of = owner[rows]
    watts_kw = (devices.mode_w[rows] - devices.off_w[of]) * _KW
    lp = highspy.HighsLp()
    _flow(lp, tree, devices, devices.node[of], watts_kw, devices.mode_value[rows], np.ones(rows.size), of)
    return lp


def _flow(
    lp: highspy.HighsLp,
    tree: Tree,
    devices: Devices,
    node: I64,
    weight: F64,
    cost: F64,
    upper: F64,
    of: I64 | None = None,
) -> None:
    """Fill the model: C columns at `node` with `weight` kW each, then a flow a node; `of`: at most one of a device."""
    nodes, columns = tree.parent.size, node.size
    room_kw = (tree.limit_w - below(tree, devices.node, devices.off_w)) * _KW
    inner = np.arange(1, nodes)
    entries = np.concatenate([np.arange(columns), columns + np.arange(nodes), columns + inner])
    rows = np.concatenate([node, np.arange(nodes), tree.parent[inner]])
    values = np.concatenate([weight, np.full(nodes, -1.0), np.ones(nodes - 1)])
    choices = 0 if of is None else devices.node.size
    if of is not None:
        entries = np.concatenate([entries, np.arange(columns)])
        rows = np.concatenate([rows, nodes + of])
        values = np.concatenate([values, np.ones(columns)])
    order = np.argsort(entries, kind="stable")
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.num_col_, lp.num_row_ = columns + nodes, nodes + choices
    lp.col_cost_ = np.concatenate([cost, np.zeros(nodes)])
    lp.col_lower_ = np.zeros(columns + nodes)
    lp.col_upper_ = np.concatenate([upper, room_kw])
    lp.row_lower_ = np.concatenate([np.zeros(nodes), np.full(choices, -np.inf)])
    lp.row_upper_ = np.concatenate([np.zeros(nodes), np.ones(choices)])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(np.bincount(entries, minlength=columns + nodes))])
    lp.a_matrix_.index_ = rows[order]
    lp.a_matrix_.value_ = values[order]


def _run(lp: highspy.HighsLp, options: dict[str, str | float]) -> Judgement:
    highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy ships no types for it
    highs.setOptionValue("output_flag", False)
    for name, value in options.items():
        highs.setOptionValue(name, value)
    begun_s = time.perf_counter()
    highs.passModel(lp)
    highs.run()
    seconds = time.perf_counter() - begun_s
    info = highs.getInfo()
    whole = len(lp.integrality_) == 0
    return Judgement(
        value_per_h=info.objective_function_value,
        bound_per_h=info.objective_function_value if whole else info.mip_dual_bound,
        seconds=seconds,
        status=highs.modelStatusToString(highs.getModelStatus()),
    )
