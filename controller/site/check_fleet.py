"""Checks of the devices and of what their work is worth."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from controller.site.devices import Load
from controller.site.measures import Price
from controller.site.model import EconomicsSection, SiteFile
from controller.site.own_models import are_all_read
from controller.site.problems import Loc, Problem, kw, one_of, path_text, unless_known
from controller.site.tree import all_named, parents_of
from controller.site.unknown import UNKNOWN
from drivers.fleet.catalogue import DeviceKind, Model
from drivers.fleet.keys import CONTROLLER

_LONGEST_ID = 63


def fleet_problems(site: SiteFile, fleet: Sequence[Load], catalogue: Mapping[str, Model]) -> Iterator[Problem]:
    """Report references to nothing, repeated and too long ids, and failsafe watts that the device cannot hold."""
    nodes = parents_of(site.nodes)
    complete = all_named(site.nodes)
    if not fleet and UNKNOWN not in {site.fleet, site.fleet.groups, site.fleet.devices}:
        yield Problem(loc=("fleet",), found="no device", allowed="groups or devices", at_key=True)
    yield from _id_problems(fleet, nodes)
    for load in fleet:
        yield from unless_known((*load.loc, "node"), load.entry.node, nodes, "nodes", complete=complete)
        yield from unless_known(
            (*load.loc, "model"), load.entry.model, catalogue, "models", complete=are_all_read(site.models)
        )
        if load.entry.agent == CONTROLLER:
            yield Problem(loc=(*load.loc, "agent"), allowed="another name: the controller's key has this one")
        yield from _failsafe_problems(load, catalogue)
        yield from _change_problems(load, catalogue)


def _id_problems(fleet: Sequence[Load], nodes: Collection[str]) -> Iterator[Problem]:
    """Report devices that stand twice, names that are too long, and those that a node has too: a lock names the one or the other."""
    owners: dict[str, Load] = {}
    for load in fleet:
        loc = (*load.loc, "id")
        if load.ids and len(load.ids[-1]) > _LONGEST_ID:
            yield Problem(loc=loc, allowed=f"a shorter one: {load.ids[-1]!r} has more than {_LONGEST_ID} characters")
        clash = next((name for name in load.ids if name in owners), None)
        if clash is not None:
            found = f"the device {clash!r}, which {path_text(owners[clash].loc)} has too"
            yield Problem(loc=loc, found=found, allowed="every device once")
        owners.update(dict.fromkeys(load.ids, load))
        node = next((name for name in load.ids if name in nodes), None)
        if node is not None:
            found = f"the device {node!r}, as a node is called"
            yield Problem(loc=loc, found=found, allowed="an id that no node has: people lock either by its id")


def _failsafe_problems(load: Load, catalogue: Mapping[str, Model]) -> Iterator[Problem]:
    model, watts = catalogue.get(load.entry.model), load.entry.failsafe
    if model is None or watts == "off":
        return
    if watts < model.off_w or watts > model.max_w:
        yield Problem(
            loc=(*load.loc, "failsafe"), allowed=f"off, or {kw(model.off_w)} to {kw(model.max_w)} for {model.id}"
        )


def _change_problems(load: Load, catalogue: Mapping[str, Model]) -> Iterator[Problem]:
    """Report what is said of changes that the model does not make."""
    model = catalogue.get(load.entry.model)
    stated = load.entry.change_cost is not None and load.entry.change_cost is not UNKNOWN
    if model is not None and model.in_place and stated:
        allowed = f"no change_cost: {model.id} goes from mode to mode in place"
        yield Problem(loc=(*load.loc, "change_cost"), allowed=allowed, at_key=True)


def price_problems(
    economics: EconomicsSection, fleet: Sequence[Load], catalogue: Mapping[str, Model]
) -> Iterator[Problem]:
    """Report work without a price, priorities without one, and prices in several currencies."""
    yield from _currency_problems(economics, fleet)
    kinds = [(load, catalogue[load.entry.model].kind) for load in fleet if load.entry.model in catalogue]
    if economics.hashprice is None and any(kind is DeviceKind.ASIC for _, kind in kinds):
        found = "no hashprice, but miners"
        yield Problem(loc=("economics",), found=found, allowed="a hashprice such as 0.05 USD/TH/day", at_key=True)
    for load, kind in kinds:
        yield from _priority_problems(load, kind, economics)


def _priority_problems(load: Load, kind: DeviceKind, economics: EconomicsSection) -> Iterator[Problem]:
    priority, loc = load.entry.priority, (*load.loc, "priority")
    if kind is DeviceKind.ASIC:
        if priority is not None and priority is not UNKNOWN:
            yield Problem(loc=loc, allowed="no priority: a miner is worth its hashprice", at_key=True)
    elif priority is None:
        found = f"no priority for {load.entry.model}"
        yield Problem(loc=load.loc, found=found, allowed=f"one of economics.gpu: {one_of(economics.gpu, '')}")
    else:
        complete = economics.gpu is not UNKNOWN
        yield from unless_known(loc, priority, economics.gpu, "priorities in economics.gpu:", complete=complete)


def _currency_problems(economics: EconomicsSection, fleet: Sequence[Load]) -> Iterator[Problem]:
    if economics.tariff is UNKNOWN:
        return
    currency = economics.tariff.currency
    prices: list[tuple[Loc, Price | None]] = [(("economics", "hashprice"), economics.hashprice)]
    if economics.gpu is not UNKNOWN:
        prices += [(("economics", "gpu", name), price) for name, price in economics.gpu.items()]
    for load in fleet:
        prices += [((*load.loc, "start_cost"), load.entry.start_cost)]
        prices += [((*load.loc, "change_cost"), load.entry.change_cost)]
    for loc, price in prices:
        if price is not None and price is not UNKNOWN and price.currency != currency:
            yield Problem(loc=loc, allowed=f"the currency of the tariff, {currency}")
