"""From the site file to the columns of the control core."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from controller.core.site import (
    F64,
    I64,
    CapGroup,
    Carrying,
    Contactors,
    DemandTerms,
    Devices,
    Meters,
    Rules,
    Site,
    SurplusModel,
    Tree,
)
from controller.site.contactors import NodeContactor, contactors_of, relay_agents
from controller.site.devices import Load, declared_failsafe_w, loads
from controller.site.measures import Price
from controller.site.model import DemandSection, EconomicsSection, MeterEntry, NodeEntry, SiteFile
from controller.site.own_models import catalogue_of
from controller.site.ranges import power_range
from controller.site.tree import parents_of, way_up
from drivers.errors import ConfigError
from drivers.fleet.catalogue import DeviceKind, DeviceMode, Model

_HOURS_A_DAY = 24.0
_SECONDS_AN_HOUR = 3600.0


def compile_site(site_file: SiteFile) -> Site:
    """Return the columns of a site file that `load` returned."""
    tree, catalogue = _tree(site_file.nodes), catalogue_of(site_file.models)
    fleet = tuple(loads(site_file.fleet))
    pairs = [(load, catalogue[load.entry.model]) for load in fleet]
    agents = tuple(sorted({load.entry.agent for load in fleet} | relay_agents(site_file.nodes)))
    meters = sorted(site_file.meters, key=lambda meter: meter.id)
    return Site(
        id=site_file.site,
        tree=tree,
        devices=_devices(pairs, tree.ids, agents, site_file.economics),
        meters=_meters(meters, tree.ids),
        agents=agents,
        rules=_rules(site_file),
        contactors=_contactors(contactors_in_order(site_file, tree), tree),
        caps=_caps(pairs),
        carries=tuple(_carries(site_file.nodes, meters, tree)),
        demand=_demand(site_file.economics.demand),
    )


def _demand(section: DemandSection | None) -> DemandTerms | None:
    if section is None:
        return None
    return DemandTerms(window_s=section.window_s, limit_w=section.limit_w, begins_s=section.begins_s)


def _carries(nodes: Sequence[NodeEntry], meters: Sequence[MeterEntry], tree: Tree) -> Iterator[Carrying]:
    """Yield what nodes may carry in A or VA, in the order of the tree."""
    by_id = {node.id: node.carries for node in nodes if node.carries is not None}
    for n, name in enumerate(tree.ids):
        if name in by_id:
            yield Carrying(
                node=n,
                meters=tuple(k for k, meter in enumerate(meters) if meter.node == name),
                most=by_id[name].most,
                apparent=by_id[name].current_a is None,
                phases=by_id[name].phases,
                imbalance=by_id[name].imbalance or 0.0,
                least_w=by_id[name].least_w,
                least_v=by_id[name].least_v,
            )


def contactors_in_order(site_file: SiteFile, tree: Tree) -> tuple[NodeContactor, ...]:
    """Return the contactors (C,) in the order of the site's columns."""
    place = {name: n for n, name in enumerate(tree.ids)}
    return tuple(sorted(contactors_of(site_file.nodes), key=lambda one: place[one.node.id]))


def _contactors(found: Sequence[NodeContactor], tree: Tree) -> Contactors:
    return Contactors(
        node=_positions([one.node.id for one in found], tree.ids),
        trip_after_s=np.array([one.entry.trip_after_s for one in found], dtype=np.float64),
    )


def _caps(pairs: Sequence[tuple[Load, Model]]) -> tuple[CapGroup, ...]:
    """Return the entries of the fleet whose setpoints only cap what jobs draw."""
    ids = sorted(name for load, _ in pairs for name in load.ids)
    place = {name: i for i, name in enumerate(ids)}
    return tuple(
        CapGroup(
            id=load.entry.id,
            devices=np.array([place[name] for name in load.ids], dtype=np.int64),
            headroom_w=_headroom_w(load.entry.cap),
        )
        for load, model in pairs
        if not model.steady and load.ids
    )


def _headroom_w(cap: float | str) -> float | None:
    if isinstance(cap, str):
        return math.inf if cap == "full" else None
    return cap


def _tree(nodes: Sequence[NodeEntry]) -> Tree:
    """Return the nodes by depth, then by id: every parent before its children."""
    parents = parents_of(nodes)
    by_id = {node.id: node for node in nodes}
    ids = tuple(sorted(by_id, key=lambda name: (len(way_up(name, parents)), name)))
    house_w = dict.fromkeys(ids, 0.0)
    for name in ids:
        for above in way_up(name, parents):
            house_w[above] += by_id[name].house_load_w
    index = {name: position for position, name in enumerate(ids)}
    return Tree(
        ids=ids,
        parent=np.array([index.get(parents[name] or "", -1) for name in ids], dtype=np.int64),
        limit_w=np.array([by_id[name].limit_w for name in ids], dtype=np.float64),
        house_w=np.array([house_w[name] for name in ids], dtype=np.float64),
    )


def _devices(
    pairs: Sequence[tuple[Load, Model]], nodes: Sequence[str], agents: Sequence[str], economics: EconomicsSection
) -> Devices:
    """Return the devices by id; what the devices of an entry share is worked out once and then spread over them."""
    fleet, models = [load for load, _ in pairs], [model for _, model in pairs]
    named = sorted((name, position) for position, load in enumerate(fleet) for name in load.ids)
    owner = np.array([position for _, position in named], dtype=np.int64)
    mode_start, modes = _mode_table([_modes(model, load.entry.priority, economics) for load, model in pairs], owner)

    def spread(values: Sequence[float]) -> F64:
        return np.array(values, dtype=np.float64)[owner]

    return Devices(
        ids=tuple(name for name, _ in named),
        node=_positions([load.entry.node for load in fleet], nodes)[owner],
        agent=_positions([load.entry.agent for load in fleet], agents)[owner],
        failsafe_w=spread([_failsafe_w(load, model) for load, model in pairs]),
        tolerance=spread([model.tolerance for model in models]),
        down_s=spread([model.down_s for model in models]),
        up_s=spread([model.up_s for model in models]),
        min_up_s=spread([_own(load.entry.min_up_s, model.min_up_s) for load, model in pairs]),
        min_down_s=spread([_own(load.entry.min_down_s, model.min_down_s) for load, model in pairs]),
        settle_s=spread([_own(load.entry.settle_s, model.settle_s) for load, model in pairs]),
        start_cost=spread(
            [_cost(load.entry.start_cost, model.start_wear_s, load, model, economics) for load, model in pairs]
        ),
        change_cost=spread(
            [_cost(load.entry.change_cost, model.change_wear_s, load, model, economics) for load, model in pairs]
        ),
        protected=np.array([load.entry.protected for load in fleet], dtype=np.bool_)[owner],
        restarts=np.array([model.restarts_on_change for model in models], dtype=np.bool_)[owner],
        report_error=spread([model.estimate_error for model in models]),
        steady=np.array([model.steady for model in models], dtype=np.bool_)[owner],
        mode_start=mode_start,
        mode_w=modes[:, 0].copy(),
        mode_value=modes[:, 1].copy(),
        mode_continuous=modes[:, 2] != 0.0,
    )


def _mode_table(tables: Sequence[F64], owner: I64) -> tuple[I64, F64]:
    """Return where each device's modes begin (D+1,), and the modes of all (M, 3); `owner` (D,): whose table it has."""
    lengths = np.array([len(table) for table in tables], dtype=np.int64)[owner]
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return start, np.concatenate([tables[position] for position in owner])


def _modes(model: Model, priority: str | None, economics: EconomicsSection) -> F64:
    """Return watts, currency per hour and continuity (0 or 1) of each mode, shape (modes, 3)."""
    rows = [(float(model.off_w), 0.0, 0.0)]
    rows += [
        (mode.watts, _value_h(model, mode, priority, economics), float(mode.continuous)) for mode in model.modes[1:]
    ]
    return np.array(rows, dtype=np.float64)


def _value_h(model: Model, mode: DeviceMode, priority: str | None, economics: EconomicsSection) -> float:
    """Return what an hour in a mode is worth: hashing by hashrate, all else by its price for energy, less the energy."""
    return _revenue_h(model, mode, priority, economics) - mode.watts / 1e3 * economics.tariff.amount


def _revenue_h(model: Model, mode: DeviceMode, priority: str | None, economics: EconomicsSection) -> float:
    if model.kind is DeviceKind.ASIC:
        return mode.hashrate_ths * _amount(economics.hashprice) / _HOURS_A_DAY
    return mode.watts / 1e3 * _amount(economics.gpu.get(priority or ""))


def _own(stated: float | None, of_model: float) -> float:
    return of_model if stated is None else stated


def _cost(stated: Price | None, wear_s: float, load: Load, model: Model, economics: EconomicsSection) -> float:
    """Return what a start or a change costs: as stated, else the revenue of so much time at full power."""
    if stated is not None:
        return stated.amount
    return wear_s / _SECONDS_AN_HOUR * _revenue_h(model, model.modes[-1], load.entry.priority, economics)


def _amount(price: Price | None) -> float:
    if price is None:
        raise ConfigError("work without a price; allowed is a site file that `load` has checked")
    return price.amount


def _failsafe_w(load: Load, model: Model) -> float:
    """Return the highest setpoint that the device has within its failsafe watts."""
    return float(model.at_most(declared_failsafe_w(load.entry.failsafe, model)))


def _meters(meters: Sequence[MeterEntry], nodes: Sequence[str]) -> Meters:
    return Meters(
        ids=tuple(meter.id for meter in meters),
        node=_positions([meter.node for meter in meters], nodes),
        rating_w=np.array([meter.rating_w for meter in meters], dtype=np.float64),
        accuracy=np.array([_accuracy(meter) for meter in meters], dtype=np.float64),
    )


def _accuracy(meter: MeterEntry) -> float:
    """Return the meter's class and one count of what it shows, as a share of its rating."""
    reach = power_range(meter.modbus)
    return meter.accuracy + (reach.count_w / meter.rating_w if reach else 0.0)


def _positions(names: Sequence[str], known: Sequence[str]) -> I64:
    index = {name: position for position, name in enumerate(known)}
    return np.array([index[name] for name in names], dtype=np.int64)


def _rules(site_file: SiteFile) -> Rules:
    grid, surplus, control = site_file.grid, site_file.surplus, site_file.control
    return Rules(
        contract_w=grid.contract_w,
        firm_w=grid.firm_w,
        failsafe_w=grid.failsafe_w,
        ramp_up_w_s=grid.ramp_up_w_s,
        ramp_down_w_s=grid.ramp_down_w_s,
        emergency_ramp_w_s=grid.emergency_ramp_w_s,
        settle_s=grid.settle_s,
        frequency_hz=grid.frequency_hz,
        lease_s=site_file.fleet.lease_s,
        surplus_model=SurplusModel[surplus.model.upper()],
        surplus_rating_w=math.inf if surplus.rating_w is None else surplus.rating_w,
        surplus_stale_s=surplus.stale_after_s,
        skew_s=surplus.skew_s,
        suspect_s=control.suspect_after_s,
        bad_s=control.bad_after_s,
        surplus_suspect_s=surplus.suspect_after_s,
        init_s=control.init_s,
        recover_s=control.recover_s,
    )
