"""HiGHS as the judge of whole modes and ranges: one choice a device, a point or a place in one range of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from controller.core.site import F64
from tests.bench.highs import Judgement, Model, run
from tests.bench.small_sites import Case, Row, curve_at

_KW: Final = 1e-3
_EPS_W: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """Watts and worth that a device may be set to: at `low_w`, or anywhere from there to `high_w`, on the line between."""

    low_w: float
    high_w: float
    low: float
    high: float


def options(rows: Sequence[Row], base_w: float, upper_w: float) -> list[Option]:
    """Return all that a device of such worth may be set to between its base and its upper watts; first its base."""
    table = tuple(rows)
    at_base = curve_at(table, base_w)
    found = [Option(low_w=base_w, high_w=base_w, low=at_base, high=at_base)]
    for (below_w, below, _), (watts, worth, continuous) in pairwise(table):
        if watts <= base_w + _EPS_W:
            continue
        low_w, high_w = max(below_w, base_w), min(watts, upper_w)
        if watts <= upper_w + _EPS_W:
            found.append(Option(low_w=watts, high_w=watts, low=worth, high=worth))
        if continuous and high_w > low_w + _EPS_W:
            low, high = (below + (w - below_w) / (watts - below_w) * (worth - below) for w in (low_w, high_w))
            found.append(Option(low_w=low_w, high_w=high_w, low=low, high=high))
    return found


def solve_mixed(case: Case, *, limit_s: float, gap: float = 1e-7) -> Judgement:
    """Return the most that any setting of the devices is worth, within the limits as the case relaxes them."""
    model, offset = _model(case)
    found = run(
        model, {"time_limit": limit_s, "mip_rel_gap": gap, "mip_abs_gap": 1e-9, "mip_feasibility_tolerance": 1e-9}
    )
    return Judgement(
        value_per_h=found.value_per_h + offset,
        bound_per_h=found.bound_per_h + offset,
        seconds=found.seconds,
        cpu_s=found.cpu_s,
        status=found.status,
    )


def _model(case: Case) -> tuple[Model, float]:
    """Return the model, and what all devices at their bases are worth: a binary an option but the base, then the ranges' places."""
    owner, chosen, offset, base_kw = [], [], 0.0, np.zeros(case.tree.parent.size)
    for i in range(len(case.devices.ids)):
        base, *others = options(case.worth_rows(i), float(case.base_w[i]), float(case.upper_w[i]))
        offset += base.low
        base_kw[case.devices.node[i]] += base.low_w * _KW
        owner += [i] * len(others)
        chosen += [(one, base) for one in others]
    step_kw = np.array([(one.low_w - base.low_w) * _KW for one, base in chosen])
    gain = np.array([one.low - base.low for one, base in chosen])
    ranges = [k for k, (one, _) in enumerate(chosen) if one.high_w > one.low_w]
    span_kw = np.array([(chosen[k][0].high_w - chosen[k][0].low_w) * _KW for k in ranges])
    slope = np.array([(chosen[k][0].high - chosen[k][0].low) for k in ranges]) / span_kw if ranges else np.zeros(0)
    return _rows(
        case,
        np.array(owner, dtype=np.int64),
        (step_kw, gain),
        (np.array(ranges, dtype=np.int64), span_kw, slope),
        base_kw,
    ), offset


def _rows(case: Case, owner: F64, points: tuple[F64, F64], ranges: tuple[F64, F64, F64], base_kw: F64) -> Model:
    tree, (step_kw, gain), (of, span_kw, slope) = case.tree, points, ranges
    nodes, whole, places = tree.parent.size, step_kw.size, of.size
    first_flow = whole + places
    node = case.devices.node[owner] if whole else np.zeros(0, dtype=np.int64)
    inner = np.arange(1, nodes)
    devices = len(case.devices.ids)
    # Rows: the balance of each node, at most one option a device, a range's place only where it is chosen.
    entries = [
        (np.arange(whole), node, step_kw),
        (whole + np.arange(places), node[of] if places else of, np.ones(places)),
        (first_flow + np.arange(nodes), np.arange(nodes), np.full(nodes, -1.0)),
        (first_flow + inner, tree.parent[inner], np.ones(nodes - 1)),
        (np.arange(whole), nodes + owner, np.ones(whole)),
        (whole + np.arange(places), nodes + devices + np.arange(places), np.ones(places)),
        (of, nodes + devices + np.arange(places), -span_kw),
    ]
    column, row, value = (np.concatenate([entry[k] for entry in entries]) for k in range(3))
    most_kw = np.where(np.isfinite(case.limit_w), case.limit_w, 1e9) * _KW
    return Model(
        cost=np.concatenate([gain, slope, np.zeros(nodes)]),
        upper=np.concatenate([np.ones(whole), span_kw, most_kw]),
        column=column.astype(np.int64),
        row=row.astype(np.int64),
        value=value,
        row_low=np.concatenate([-base_kw, np.full(devices + places, -np.inf)]),
        row_high=np.concatenate([-base_kw, np.ones(devices), np.zeros(places)]),
        whole=whole,
    )
