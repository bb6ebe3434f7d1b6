"""The standard address space of OPC UA servers: built once in a process, which takes two seconds, then lent."""

from __future__ import annotations

from collections import UserDict
from pathlib import Path
from typing import Final

from asyncua import ua
from asyncua.server.address_space import AttributeValue, NodeData
from asyncua.server.internal_server import InternalServer

_build: Final = InternalServer.load_standard_address_space
_built: Final[dict[ua.NodeId, NodeData]] = {}


class _Lent(UserDict[ua.NodeId, NodeData]):
    """The standard nodes; a server gets a copy of its own of each that it asks for, which are few of six thousand."""

    def __missing__(self, node_id: ua.NodeId) -> NodeData:
        self.data[node_id] = _copy(_built[node_id])
        return self.data[node_id]

    def __contains__(self, node_id: object) -> bool:
        return node_id in self.data or node_id in _built


def share() -> None:
    """Let every server of this process start with the first one's standard nodes."""
    InternalServer.load_standard_address_space = _load  # type: ignore[method-assign]


async def _load(server: InternalServer, shelf_file: Path | None = None) -> None:
    if not _built:
        first = InternalServer()
        await _build(first, shelf_file)
        _built.update(first.aspace._nodes)
    server.aspace._nodes = _Lent()


def _copy(node: NodeData) -> NodeData:
    """Return a copy that shares its values, which servers replace and never change."""
    copy = NodeData(node.nodeid)
    copy.attributes = {name: AttributeValue(attribute.value) for name, attribute in node.attributes.items()}
    copy.references = list(node.references)
    return copy
