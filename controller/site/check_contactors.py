"""Checks of contactors: none may cut off what has to see, decide and close again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from controller.site.contactor_parts import ContactorCoil
from controller.site.contactors import ELSEWHERE, NodeContactor, contactors_of, least_trip_s, relay_agents
from controller.site.devices import Load
from controller.site.model import SiteFile, SupplySection
from controller.site.problems import Loc, Problem, path_text, unless_known, unless_one
from controller.site.tree import all_named, parents_of, way_up
from controller.site.unknown import UNKNOWN
from drivers.fleet.catalogue import Model
from drivers.fleet.keys import CONTROLLER


def contactor_problems(site: SiteFile, fleet: Sequence[Load], catalogue: Mapping[str, Model]) -> Iterator[Problem]:
    """Report what is wrong with each contactor, and with what is said of the supply."""
    yield from _supply_problems(site, fleet)
    found = list(contactors_of(site.nodes))
    if not found:
        return
    if site.supply is None:
        yield Problem(
            loc=("supply",),
            found=f"nothing, but a contactor at {found[0].node.id!r}",
            allowed="what feeds the controller and the broker: a node, or elsewhere",
        )
    for index, node in enumerate(site.nodes):
        if node.id == ELSEWHERE:
            yield Problem(loc=("nodes", index, "id"), allowed="another name: what no node feeds is fed from elsewhere")
    known = [(load, catalogue[load.entry.model]) for load in fleet if load.entry.model in catalogue]
    for contactor in found:
        yield from unless_one(contactor.loc, {"modbus": contactor.entry.modbus, "relay": contactor.entry.relay})
        least_s = least_trip_s(site, contactor.node.id, known)
        if contactor.entry.trip_after_s < least_s:
            allowed = f"at least {least_s:g} s: the settle time, and what the slowest device below it takes to be brought down"
            yield Problem(loc=(*contactor.loc, "trip_after"), allowed=allowed)
        yield from _meter_problems(site, contactor)
        yield from _cut_problems(site, contactor)
        yield from _relay_problems(site, contactor, fleet)
    yield from _twice(found)


def _supply_problems(site: SiteFile, fleet: Sequence[Load]) -> Iterator[Problem]:
    """Report a supply by nothing, and that of agents that are none."""
    nodes, complete = {*parents_of(site.nodes), ELSEWHERE}, all_named(site.nodes)
    for loc, feeder in _stated(site):
        yield from unless_known(loc, feeder, nodes, "nodes, or elsewhere:", complete=complete)
    supply = site.supply
    if supply is None or supply is UNKNOWN or supply.agents is UNKNOWN:
        return
    agents = {load.entry.agent for load in fleet} | relay_agents(site.nodes)
    for name in supply.agents:
        yield from unless_known(("supply", "agents", name), name, agents, "agents", complete=UNKNOWN not in agents)


def _stated(site: SiteFile) -> Iterator[tuple[Loc, str]]:
    """Return every statement of what feeds something."""
    if site.supply is not None and site.supply is not UNKNOWN:
        yield ("supply", "controller"), site.supply.controller
        yield ("supply", "broker"), site.supply.broker
        if site.supply.agents is not UNKNOWN:
            for name, feeder in site.supply.agents.items():
                yield ("supply", "agents", name), feeder
    for index, meter in enumerate(site.meters):
        if meter.fed_from is not None:
            yield ("meters", index, "fed_from"), meter.fed_from
    for contactor in contactors_of(site.nodes):
        if contactor.entry.modbus is not None:
            yield (*contactor.loc, "modbus", "fed_from"), contactor.entry.modbus.fed_from


def _meter_problems(site: SiteFile, contactor: NodeContactor) -> Iterator[Problem]:
    """Report a node that nothing measures, and meters of it of which nobody says what feeds them."""
    name = contactor.node.id
    mine = [(index, meter) for index, meter in enumerate(site.meters) if meter.node == name]
    complete = site.meters is not UNKNOWN and all(meter.node is not UNKNOWN for meter in site.meters)
    if not mine and complete and name is not UNKNOWN:
        yield Problem(
            loc=contactor.loc,
            found=f"a contactor at {name!r}, which has no meter",
            allowed="one at a node with a meter of its own: it says when to open, and proves that it is",
            at_key=True,
        )
    for index, meter in mine:
        if meter.fed_from is None:
            yield Problem(
                loc=("meters", index),
                found=f"no fed_from, but a contactor at {name!r}",
                allowed="what feeds the meter itself: a node, or elsewhere",
                at_key=True,
            )


def _cut_problems(site: SiteFile, contactor: NodeContactor) -> Iterator[Problem]:
    """Report a contactor that cuts off what has to see, decide and close it again."""
    parents, name = parents_of(site.nodes), contactor.node.id
    for what, feeder in _needed(site, contactor):
        if feeder is not UNKNOWN and feeder is not None and name in way_up(feeder, parents):
            yield Problem(
                loc=contactor.loc,
                found=f"a contactor that cuts off {what}, fed from {feeder!r}",
                allowed="one below which nothing is that has to see, decide or close it again",
                at_key=True,
            )


def _needed(site: SiteFile, contactor: NodeContactor) -> Iterator[tuple[str, str | None]]:
    entry, supply = contactor.entry, site.supply
    if supply is not None and supply is not UNKNOWN:
        yield "the controller", supply.controller
        yield "the broker", supply.broker
        if entry.relay is not None and entry.relay.agent is not UNKNOWN and supply.agents is not UNKNOWN:
            yield f"its own agent {entry.relay.agent}", supply.agents.get(entry.relay.agent)
    for meter in site.meters:
        if meter.node == contactor.node.id:
            yield f"the node's own meter {meter.id}", meter.fed_from
    if entry.modbus is not None:
        yield "the device that switches it", entry.modbus.fed_from


def _relay_problems(site: SiteFile, contactor: NodeContactor, fleet: Sequence[Load]) -> Iterator[Problem]:
    """Report a relay of an agent that nothing is said of, or that is a device of the fleet already."""
    relay, supply = contactor.entry.relay, site.supply
    if relay is None or relay is UNKNOWN:
        return
    loc = (*contactor.loc, "relay")
    if relay.agent == CONTROLLER:
        yield Problem(loc=(*loc, "agent"), allowed="another name: the controller's key has this one")
    if any(relay.device in load.ids for load in fleet):
        yield Problem(loc=(*loc, "device"), allowed="an id of its own: a device of the fleet has this one")
    if supply is None or not isinstance(supply, SupplySection) or supply.agents is UNKNOWN or relay.agent is UNKNOWN:
        return
    if relay.agent not in supply.agents:
        yield Problem(
            loc=("supply", "agents"),
            found=f"nothing for {relay.agent!r}, which has the contactor of {contactor.node.id!r}",
            allowed="what feeds the agent: a node, or elsewhere",
            at_key=True,
        )


def _twice(found: Sequence[NodeContactor]) -> Iterator[Problem]:
    """Report two contactors that are one."""
    first: dict[object, NodeContactor] = {}
    for contactor in found:
        modbus, relay = contactor.entry.modbus, contactor.entry.relay
        if isinstance(modbus, ContactorCoil):
            key: object = (modbus.host, modbus.port, modbus.unit, modbus.coil)
        elif relay is not None and relay is not UNKNOWN:
            key = relay.agent, relay.device
        else:
            continue
        if UNKNOWN in key:  # type: ignore[operator]
            continue
        before = first.setdefault(key, contactor)
        if before is not contactor:
            yield Problem(
                loc=contactor.loc,
                found=f"the same contactor as {path_text(before.loc)}",
                allowed="a contactor of its own for each node",
                at_key=True,
            )
