"""The contactors of a site file: where each is, what it may cut off, and how long it has to wait at the least."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from controller.core.figures import SETTLE_FACTOR
from controller.site.contactor_parts import ContactorEntry
from controller.site.devices import Load
from controller.site.model import NodeEntry, SiteFile
from controller.site.problems import Loc
from controller.site.tree import parents_of, way_up
from controller.site.unknown import UNKNOWN
from drivers.fleet.agent.ladder import SILENT_CUT_S
from drivers.fleet.catalogue import MAX_W, Model

#: What is fed by none of the nodes.
ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeContactor:
    """A contactor with its place in the file and its node."""

    loc: Loc
    node: NodeEntry
    entry: ContactorEntry

    @property
    def closed_w(self) -> int:
        """What an agent that has it is told where it is to be closed: the rating of the node; 0 is open."""
        return int(min(self.node.limit_w, MAX_W))


def contactors_of(nodes: Iterable[NodeEntry]) -> Iterator[NodeContactor]:
    """Return the contactors that a file names, in its order."""
    for index, node in enumerate(nodes):
        if node.contactor is not None and node.contactor is not UNKNOWN:
            yield NodeContactor(loc=("nodes", index, "contactor"), node=node, entry=node.contactor)


def relay_agents(nodes: Iterable[NodeEntry]) -> set[str]:
    """Return the agents that have a contactor."""
    relays = (contactor.entry.relay for contactor in contactors_of(nodes))
    return {relay.agent for relay in relays if relay is not None and relay.agent is not UNKNOWN}


def least_trip_s(site: SiteFile, node: str, pairs: Iterable[tuple[Load, Model]]) -> float:
    """Return the shortest time after which a node may be cut off: what follows a limit by itself never is.

    Its power follows a limit within the settle time. A device that does not is told again, put to sleep, stopped and cut off by
    its own relay; an agent has done all of that `SILENT_CUT_S` after the device's own time. By then devices that do have proven it,
    so that a meter that does not show it is accused before it cuts them off.
    """
    parents = parents_of(site.nodes)
    below = [model.down_s for load, model in pairs if node in way_up(load.entry.node, parents)]
    return site.grid.settle_s + (SETTLE_FACTOR * max(below) + SILENT_CUT_S if below else 0.0)
