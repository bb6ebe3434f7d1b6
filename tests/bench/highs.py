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


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`value_per_h` of the best solution found, `bound_per_h` that none exceeds; `seconds` and `cpu_s` that HiGHS took."""

    value_per_h: float
    bound_per_h: float
    seconds: float
    cpu_s: float
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Maximise ``cost @ x`` for 0 <= x <= `upper` (C,) and `row_low` <= A x <= `row_high` (R,).

    A has `value` (Z,) at `column`, `row` (Z,). The first `whole` columns are whole numbers.
    """

    cost: F64
    upper: F64
    column: I64
    row: I64
    value: F64
    row_low: F64
    row_high: F64
    whole: int = 0


def solve_lp(
    tree: Tree,
    devices: Devices,
    *,
    form: Literal["hull", "modes"] = "hull",
    solver: Literal["simplex", "ipm"] = "simplex",
) -> Judgement:
    """Return the optimum with every mode divisible: the bound that a certificate has to equal.

    `form` "modes" is the relaxation of the choice of one mode a device, "hull" has the hull's edges worked out for it.
    """
    model = _choice(tree, devices, whole=False) if form == "modes" else _hulls(tree, devices)
    return run(model, {"solver": solver})


def solve_milp(tree: Tree, devices: Devices, *, limit_s: float, gap: float = 1e-6) -> Judgement:
    """Return the best choice of one mode a device; it may stop at the time limit, with a bound."""
    if devices.mode_continuous.any():
        raise ValueError("the MILP judge takes discrete modes only")
    return run(_choice(tree, devices, whole=True), {"time_limit": limit_s, "mip_rel_gap": gap, "mip_abs_gap": 0.0})


def _hulls(tree: Tree, devices: Devices) -> Model:
    """Return the model with a column a hull edge that earns something, in kW."""
    edges = hull_edges(devices)
    worth = edges.density > 0.0
    node = devices.node[edges.device[worth]]
    return _flow(tree, devices, node, np.ones(node.size), edges.density[worth] / _KW, edges.length_w[worth] * _KW)


def _choice(tree: Tree, devices: Devices, *, whole: bool) -> Model:
    """Return the model with a column a mode that earns something, and at most one of them a device."""
    owner = np.repeat(np.arange(devices.node.size), np.diff(devices.mode_start))
    rows = np.flatnonzero(devices.mode_value > 0.0)
    of = owner[rows]
    kw = (devices.mode_w[rows] - devices.off_w[of]) * _KW
    flow = _flow(tree, devices, devices.node[of], kw, devices.mode_value[rows], np.ones(of.size))
    return Model(
        cost=flow.cost,
        upper=flow.upper,
        column=np.append(flow.column, np.arange(of.size)),
        row=np.append(flow.row, tree.parent.size + of),
        value=np.append(flow.value, np.ones(of.size)),
        row_low=np.append(flow.row_low, np.full(devices.node.size, -np.inf)),
        row_high=np.append(flow.row_high, np.ones(devices.node.size)),
        whole=of.size if whole else 0,
    )


def _flow(tree: Tree, devices: Devices, node: I64, kw: F64, cost: F64, upper: F64) -> Model:
    """Return the model of columns at `node`, `kw` each, then a column a node: the flow into it, within its limit."""
    nodes, columns = tree.parent.size, node.size
    room_kw = (tree.limit_w - below(tree, devices.node, devices.off_w)) * _KW
    inner = np.arange(1, nodes)
    return Model(
        cost=np.append(cost, np.zeros(nodes)),
        upper=np.append(upper, room_kw),
        column=np.concatenate([np.arange(columns), columns + np.arange(nodes), columns + inner]),
        row=np.concatenate([node, np.arange(nodes), tree.parent[inner]]),
        value=np.concatenate([kw, np.full(nodes, -1.0), np.ones(nodes - 1)]),
        row_low=np.zeros(nodes),
        row_high=np.zeros(nodes),
    )


def run(model: Model, options: dict[str, str | float]) -> Judgement:
    """Hand the model to HiGHS and return what it found."""
    highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy has no types for it
    highs.setOptionValue("output_flag", False)
    for name, value in options.items():
        highs.setOptionValue(name, value)
    lp = _highs_lp(model)
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    highs.passModel(lp)
    highs.run()
    seconds, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    info = highs.getInfo()
    return Judgement(
        value_per_h=info.objective_function_value,
        bound_per_h=info.mip_dual_bound if model.whole else info.objective_function_value,
        seconds=seconds,
        cpu_s=cpu_s,
        status=highs.modelStatusToString(highs.getModelStatus()),
    )


def _highs_lp(model: Model) -> highspy.HighsLp:
    columns, order = model.cost.size, np.argsort(model.column, kind="stable")
    lp = highspy.HighsLp()
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.num_col_, lp.num_row_ = columns, model.row_low.size
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = model.cost, np.zeros(columns), model.upper
    lp.row_lower_, lp.row_upper_ = model.row_low, model.row_high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.append(0, np.cumsum(np.bincount(model.column, minlength=columns)))
    lp.a_matrix_.index_ = model.row[order]
    lp.a_matrix_.value_ = model.value[order]
    if model.whole:
        kinds = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
        lp.integrality_ = [kinds[c >= model.whole] for c in range(columns)]
    return lp
