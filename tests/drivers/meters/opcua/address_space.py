"""The standard address space of OPC UA servers: built once in a process, which takes two seconds, then copied."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from asyncua import ua
from asyncua.server.address_space import AttributeValue, NodeData
from asyncua.server.internal_server import InternalServer

_build: Final = InternalServer.load_standard_address_space
_built: Final[dict[ua.NodeId, NodeData]] = {}


def share() -> None:
    """Let every server of this process start with a copy of the first one's standard nodes."""
    InternalServer.load_standard_address_space = _load  # type: ignore[method-assign]


async def _load(server: InternalServer, shelf_file: Path | None = None) -> None:
    space = server.aspace
    if not _built:
        await _build(server, shelf_file)
        _built.update(_copied(space._nodes))
    else:
        space._nodes = _copied(_built)


def _copied(nodes: dict[ua.NodeId, NodeData]) -> dict[ua.NodeId, NodeData]:
    """Return copies that share their values, which servers replace and never change."""
    return {node_id: _copy(node) for node_id, node in nodes.items()}


def _copy(node: NodeData) -> NodeData:
    copy = NodeData(node.nodeid)
    copy.attributes = {name: AttributeValue(attribute.value) for name, attribute in node.attributes.items()}
    copy.references = list(node.references)
    return copy
