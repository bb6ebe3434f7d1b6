"""The standard part of the simulated SCADA's address space: as much of it as a PLC has.

asyncua gives every server all six thousand nodes of the standard, which takes most of the time of its start. Here are those of
the server itself and the types that they are of, without what nothing of it can do: roles, PubSub, its own configuration, and the
schemas of what came before OPC UA 1.04.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from asyncua import ua
from asyncua.server.internal_server import InternalServer
from asyncua.server.standard_address_space.standard_address_space_services import create_standard_address_space_Services
from asyncua.ua.object_ids import ObjectIds

_ROOT: Final = ua.NodeId(ua.Int32(ObjectIds.RootFolder))
_LEFT_OUT: Final = frozenset(
    ua.NodeId(ua.Int32(number))
    for number in (
        ObjectIds.Server_ServerCapabilities_RoleSet,
        ObjectIds.PublishSubscribe,
        ObjectIds.ServerConfiguration,
        ObjectIds.OPCBinarySchema_TypeSystem,
        ObjectIds.XmlSchema_TypeSystem,
    )
)

_Nodes = Mapping[ua.NodeId, ua.AddNodesItem]


class SmallServer(InternalServer):
    """The inside of a server, with the nodes of `_standard` instead of all."""

    async def load_standard_address_space(self, _shelf_file: Path | None = None) -> None:
        """Add them; those that stand before their parent come again after it."""
        nodes, references = _standard()
        service = self.node_mgt_service
        early = list(service.try_add_nodes(nodes, check=False))
        if [*service.try_add_nodes(early, check=False), *service.try_add_references(references)]:
            raise RuntimeError("the nodes of the standard do not hang together")


class _Collected:
    """All nodes and references of the standard, as asyncua gives them to a server."""

    def __init__(self) -> None:
        self.nodes: list[ua.AddNodesItem] = []
        self.references: list[ua.AddReferencesItem] = []

    def add_nodes(self, nodes: Iterable[ua.AddNodesItem]) -> None:
        self.nodes += nodes

    def add_references(self, references: Iterable[ua.AddReferencesItem]) -> None:
        self.references += references


@cache
def _standard() -> tuple[list[ua.AddNodesItem], list[ua.AddReferencesItem]]:
    """Return the nodes, and the references between them."""
    collected = _Collected()
    create_standard_address_space_Services(collected)  # type: ignore[no-untyped-call]  # generated
    nodes = {node.RequestedNewNodeId: node for node in collected.nodes}
    kept = _with_types(nodes, {id_ for id_ in nodes if _is_below_root(nodes, id_)})
    references = [each for each in collected.references if {each.SourceNodeId, each.TargetNodeId} <= kept]
    return [node for node in collected.nodes if node.RequestedNewNodeId in kept], references


def _is_below_root(nodes: _Nodes, id_: ua.NodeId) -> bool:
    """Return whether a node is the root or below it, and below none that is left out."""
    while id_ in nodes and id_ not in _LEFT_OUT:
        if id_ == _ROOT:
            return True
        id_ = nodes[id_].ParentNodeId
    return False


def _with_types(nodes: _Nodes, kept: set[ua.NodeId]) -> set[ua.NodeId]:
    """Return these nodes, with every type that one is of and what that is derived from, and all types of references."""
    kept = kept | {id_ for id_, node in nodes.items() if node.NodeClass is ua.NodeClass.ReferenceType}
    waiting = list(kept)
    while waiting:
        node = nodes[waiting.pop()]
        named = {node.ParentNodeId, node.TypeDefinition, getattr(node.NodeAttributes, "DataType", None)}
        new = (named & nodes.keys()) - kept
        kept |= new
        waiting += new
    return kept
