"""What a server has that may be a meter's power: objects of the companion model ECM, and variables that state a unit.

For a person who is finding out what a server has; the daemon reads what the site file names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from drivers.meters.opcua.line import OpcuaLine
from drivers.meters.opcua.resolve import ECM, POWER, namespaces_of

#: Nodes that are looked at, and how far below Objects: a plant has tens of thousands, a person looks at a few.
MOST: Final = 3000
DEEPEST: Final = 10

_OBJECTS: Final = ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
_PREFIXES: Final = {
    ua.NodeIdType.TwoByte: "i",
    ua.NodeIdType.FourByte: "i",
    ua.NodeIdType.Numeric: "i",
    ua.NodeIdType.String: "s",
    ua.NodeIdType.Guid: "g",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found, as nodes of a site file. `unstated`: variables that state no unit. `all`: whether nothing is left out."""

    meters: tuple[str, ...] = ()
    stated: tuple[str, ...] = ()
    unstated: tuple[str, ...] = ()
    all: bool = True


@dataclass(frozen=True, slots=True)
class _Step:
    node: ua.NodeId
    parent: ua.NodeId
    name: ua.QualifiedName
    variable: bool


async def find(line: OpcuaLine) -> Found:
    """Look through what stands below Objects; raises DriverLoss and UaError."""
    namespaces = await namespaces_of(line)
    ecm = namespaces.index(ECM) if ECM in namespaces else -1
    seen, level, steps, whole = {_OBJECTS}, [_OBJECTS], list[_Step](), True
    for _ in range(DEEPEST):
        told, all_of_it = await _below(line, level)
        below, whole = [each for each in told if each.node not in seen], whole and all_of_it
        steps += below[: MOST - len(steps)]
        seen.update(each.node for each in below)
        # What stands below OPC UA's own nodes is about the server.
        level = [each.node for each in below if each.node.NamespaceIndex]
        if not level or len(steps) >= MOST:
            break
    return _sorted(steps, ecm, namespaces, complete=whole and not level)


def _sorted(steps: Sequence[_Step], ecm: int, namespaces: Sequence[str], *, complete: bool) -> Found:
    meters = {each.parent for each in steps if (each.name.NamespaceIndex, each.name.Name) == (ecm, POWER)}
    with_unit = {each.parent for each in steps if (each.name.NamespaceIndex, each.name.Name) == (0, "EngineeringUnits")}
    variables = [
        each.node for each in steps if each.variable and each.name.NamespaceIndex and each.parent not in meters
    ]
    return Found(
        meters=_texts(dict.fromkeys(each.parent for each in steps if each.parent in meters), namespaces),
        stated=_texts((each for each in variables if each in with_unit), namespaces),
        unstated=_texts((each for each in variables if each not in with_unit), namespaces),
        all=complete,
    )


def _texts(nodes: Iterable[ua.NodeId], namespaces: Sequence[str]) -> tuple[str, ...]:
    """Return nodes as the site file names them, without those that it cannot name."""
    texts = (
        f"nsu={namespaces[node.NamespaceIndex]};{_PREFIXES[node.NodeIdType]}={node.Identifier!s}"
        for node in nodes
        if node.NodeIdType in _PREFIXES and 0 < node.NamespaceIndex < len(namespaces)
    )
    return tuple(text for text in texts if text.isprintable())


async def _below(line: OpcuaLine, nodes: Sequence[ua.NodeId]) -> tuple[list[_Step], bool]:
    """Return what stands one level below the nodes, and whether that is all."""
    found, whole = list[_Step](), True
    async for part in line.in_chunks(nodes):
        request = ua.BrowseRequest()
        request.Parameters.NodesToBrowse = [_description(node) for node in part]
        request.Parameters.RequestedMaxReferencesPerNode = MOST
        for node, result in zip(part, (await line.ask(request)).Results, strict=True):
            found += [_step(node, each) for each in result.References or ()]
            whole = whole and not result.ContinuationPoint
    return found, whole


def _step(parent: ua.NodeId, reference: ua.ReferenceDescription) -> _Step:
    target = reference.NodeId
    node = ua.NodeId(target.Identifier, target.NamespaceIndex, target.NodeIdType)
    return _Step(node, parent, reference.BrowseName, reference.NodeClass == ua.NodeClass.Variable)


def _description(node: ua.NodeId) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences)),
        IncludeSubtypes=True,
        NodeClassMask=ua.UInt32(ua.NodeClass.Object | ua.NodeClass.Variable),
        ResultMask=ua.UInt32(ua.BrowseResultMask.All),
    )
