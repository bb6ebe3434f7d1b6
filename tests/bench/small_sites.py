"""Small and mid sites for the judge of whole modes and ranges: catalogue and synthetic devices, any tree, any limits, locks.

Beyond the catalogue: ranges with a floor, ranges from off, several ranges with gaps, curves that bend the wrong way or not
at all, ties, values below zero, limits of zero and below what is drawn with everything off, trees one to six levels deep that
fan out evenly or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

import numpy as np

from controller.core.allocation.merit import HELD_BONUS, start_share
from controller.core.site import F64, I64, Devices, Tree
from drivers.fleet.catalogue import DeviceKind, Model, load_catalogue
from tests.bench.referee import below
from tests.bench.trees import HASHPRICE, TARIFF, fleet_of

#: USD per Wh that a GPU earns, and that heat is worth.
_GPU_PRICE: Final = 1.2e-3
_HEAT_PRICE: Final = 0.6e-4
#: A row of a mode table: watts, value per hour, continuous.
Row = tuple[float, float, bool]


class Kind(StrEnum):
    """Whose devices: the catalogue's models alone, or any."""

    CATALOGUE = "catalogue"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A site, and what the allocator is asked: limits (N,), base, upper and held watts (D,), and what modes are worth now (M,)."""

    tree: Tree
    devices: Devices
    base_w: F64
    upper_w: F64
    held_w: F64
    mode_value: F64

    @property
    def limit_w(self) -> F64:
        """Return the limits (N,), those that the bases break raised to what these draw."""
        return np.maximum(self.tree.limit_w, below(self.tree, self.devices.node, self.base_w))

    @property
    def kept_value(self) -> F64:
        """Return what each device (D,) earns at its held watts; 0 where it is off or earns nothing."""
        kept = [curve_at(self.rows(i), held) for i, held in enumerate(self.held_w)]
        runs = self.held_w > self.devices.off_w + 1e-6
        return np.where(runs, np.maximum(kept, 0.0), 0.0)

    def rows(self, device: int) -> tuple[Row, ...]:
        """Return the mode table of a device, by what its modes are worth now."""
        fleet = self.devices
        part = slice(int(fleet.mode_start[device]), int(fleet.mode_start[device + 1]))
        columns = (fleet.mode_w[part], self.mode_value[part], fleet.mode_continuous[part])
        return tuple((float(w), float(v), bool(c)) for w, v, c in zip(*columns, strict=True))

    def worth_rows(self, device: int) -> tuple[Row, ...]:
        """Return its mode table by worth: less for a start, more for what runs."""
        kept, share = self.kept_value[device], start_share(self.devices)[device]
        gained = lambda value: value * share if kept <= 0.0 else value + HELD_BONUS * min(max(value, 0.0), kept)  # noqa: E731
        return tuple((w, gained(v), c) for w, v, c in self.rows(device))


def curve_at(rows: tuple[Row, ...], watts: float) -> float:
    """Return the value at `watts`; between two discrete modes it is that of the lower one."""
    value = rows[0][1]
    for (low_w, low, _), (high_w, high, continuous) in pairwise(rows):
        if watts >= high_w - 1e-6:
            value = high
        elif continuous and watts > low_w:
            return low + (watts - low_w) / (high_w - low_w) * (high - low)
    return value


def small_case(seed: int, kind: Kind, *, least: int = 1, most: int = 128, locks: bool = False) -> Case:
    """Return a site of `least` to `most` devices; `locks`: with bases, uppers, what is held, and starts that cost."""
    random = np.random.default_rng((seed, least, len(kind), locks))
    count = int(np.exp(random.uniform(np.log(least), np.log(most + 1))))
    parent, node = _tree(random, min(count, most), levels=4 if kind is Kind.CATALOGUE else 6)
    tables = _catalogue_tables(random, node) if kind is Kind.CATALOGUE else _any_tables(random, node)
    rows = [row for table in tables for row in table]
    columns = np.array([[row[k] for row in rows] for k in range(2)])
    flags = np.array([row[2] for row in rows], dtype=np.bool_)
    fleet = fleet_of(node, np.array([len(table) for table in tables]), columns[0], columns[1], flags)
    tree = Tree(
        ids=tuple(f"n{n}" for n in range(parent.size)),
        parent=parent,
        limit_w=np.zeros(parent.size),
        house_w=np.zeros(parent.size),
    )
    tree.limit_w[:] = _limits(random, tree, fleet, strange=kind is Kind.ANY)
    off, full = fleet.off_w.copy(), fleet.max_w.copy()
    case = Case(tree=tree, devices=fleet, base_w=off, upper_w=full, held_w=off, mode_value=fleet.mode_value)
    return _locked(random, case) if locks else case


def _tree(random: np.random.Generator, devices: int, levels: int) -> tuple[I64, I64]:
    """Return the parents (N,) of a tree of at most so many levels, and the node of each device (D,)."""
    depth, parents, last = int(random.integers(1, levels + 1)), [-1], [0]
    skewed = random.random() < 0.3
    for _ in range(1, depth):
        fan = int(random.integers(1, 6)) if len(parents) < max(devices, 2) else 1
        now = []
        for above in last:
            for _ in range(int(random.integers(0 if skewed else 1, 2 * fan)) if skewed else fan):
                if len(parents) < 2 * devices + 6:
                    parents.append(above)
                    now.append(len(parents) - 1)
        last = now or last
    parent = np.array(parents, dtype=np.int64)
    place = np.array(last) if random.random() < 0.7 else np.arange(parent.size)
    weight = random.pareto(1.0, place.size) + 0.05 if skewed else np.ones(place.size)
    return parent, np.sort(random.choice(place, devices, p=weight / weight.sum())).astype(np.int64)


def _limits(random: np.random.Generator, tree: Tree, fleet: Devices, *, strange: bool) -> F64:
    """Return limits (N,) at 5-95 % of the most below each node, some of them none, zero or infeasible."""
    most = below(tree, fleet.node, fleet.max_w)
    drawn = random.uniform(0.05, 0.95, most.size) if random.random() < 0.5 else random.uniform(0.5, 0.95, most.size)
    limit = np.where(random.random(most.size) < random.choice([0.0, 0.3]), np.inf, most * drawn)
    if limit[0] == np.inf and random.random() < 0.8:
        limit[0] = most[0] * drawn[0]
    if strange:
        limit[random.random(most.size) < 0.02] = 0.0
        infeasible = random.random(most.size) < 0.02
        limit[infeasible] = 0.5 * below(tree, fleet.node, fleet.off_w)[infeasible]
    return limit


def _catalogue_tables(random: np.random.Generator, node: I64) -> list[tuple[Row, ...]]:
    """Return the mode tables of catalogue models, a few a site, at prices of the day."""
    models = list(load_catalogue().values())
    some = random.choice(len(models), size=int(random.integers(1, 5)))
    hashprice, tariff = HASHPRICE * random.uniform(0.8, 1.5), TARIFF * random.uniform(0.3, 1.2)
    return [_model_table(models[int(random.choice(some))], hashprice, tariff) for _ in node]


def _model_table(model: Model, hashprice: float, tariff: float) -> tuple[Row, ...]:
    price = {DeviceKind.ASIC: 0.0, DeviceKind.GPU: _GPU_PRICE, DeviceKind.RELAY: _HEAT_PRICE}[model.kind]
    rows = [(float(model.off_w), 0.0, False)]
    for mode in model.modes[1:]:
        earned = mode.hashrate_ths * hashprice + mode.watts * price
        rows.append((float(mode.watts), float(earned - mode.watts * tariff), mode.continuous))
    return tuple(rows)


def _any_tables(random: np.random.Generator, node: I64) -> list[tuple[Row, ...]]:
    """Return synthetic mode tables; on some sites there are few, so that many devices are the same."""
    few = [_any_table(random) for _ in range(int(random.integers(1, 4)))]
    same, models = random.random(), list(load_catalogue().values())
    tables = []
    for _ in node:
        drawn = random.random()
        if drawn < 0.15:
            tables.append(_model_table(models[int(random.integers(len(models)))], HASHPRICE, TARIFF))
        else:
            tables.append(few[int(random.integers(len(few)))] if same < 0.4 else _any_table(random))
    return tables


def _any_table(random: np.random.Generator) -> tuple[Row, ...]:
    count = int(random.integers(1, 7))
    off = float(random.choice([0.0, 10.0, 25.0, 150.0]))
    watts = off + np.cumsum(np.round(random.uniform(1.0, 1500.0, count), int(random.integers(0, 3))) + 1.0)
    if random.random() < 0.2:
        watts = off + 100.0 * np.arange(1, count + 1) * int(random.integers(1, 20))
    density = random.uniform(0.1, 1.0) * 1e-3
    bend = random.choice([0.0, 1.0, -1.0, 3.0])  # collinear, concave, convex, anything
    slopes = (
        density * (1.0 - bend * 0.5 * np.linspace(0.0, 1.0, count))
        if bend < 3.0
        else density * random.uniform(-0.5, 2.0, count)
    )
    value = np.cumsum(slopes * np.diff(watts, prepend=off)) - density * float(random.choice([0.0, 300.0]))
    if random.random() < 0.1:
        value = np.round(value, 1)
    continuous = random.random(count) < float(random.choice([0.0, 0.5, 1.0]))
    continuous[0] &= random.random() < 0.3
    rows = [(float(w), float(v), bool(c)) for w, v, c in zip(watts, value, continuous, strict=True)]
    return ((off, 0.0, False), *rows)


def _locked(random: np.random.Generator, case: Case) -> Case:
    """Return the case with locks, bonus and start costs, as the step asks it."""
    fleet, count = case.devices, len(case.devices.ids)
    fleet.up_s[:] = np.where(random.random(count) < 0.5, random.uniform(0.0, 320.0, count), 0.0)
    held = _anywhere(random, case)
    low, high = np.sort([_anywhere(random, case), _anywhere(random, case)], axis=0)
    base = np.where(random.random(count) < 0.2, low, fleet.off_w)
    upper = np.where(random.random(count) < 0.3, np.maximum(high, base), fleet.max_w)
    value = case.mode_value.copy()
    if random.random() < 0.5:  # Starts cost: what runs not is worth so much less in every running mode.
        first = fleet.mode_start[:-1]
        cost = np.repeat(np.where(held > fleet.off_w, 0.0, random.uniform(0.0, 0.05, count)), np.diff(fleet.mode_start))
        cost[first] = 0.0
        value -= cost
    return Case(
        tree=case.tree, devices=fleet, base_w=base, upper_w=upper,
        held_w=np.where(random.random(count) < 0.6, held, fleet.off_w), mode_value=value,
    )  # fmt: skip


def _anywhere(random: np.random.Generator, case: Case) -> F64:
    """Return watts (D,) that each device can be set to."""
    watts = []
    for i in range(len(case.devices.ids)):
        rows = case.rows(i)
        k = int(random.integers(len(rows)))
        share = random.random() if rows[k][2] else 1.0
        watts.append(rows[k][0] if share == 1.0 else rows[k - 1][0] + share * (rows[k][0] - rows[k - 1][0]))
    return np.array(watts)
