"""From points to variables: namespaces by URI, browse paths, objects of the companion model ECM, engineering units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from drivers.errors import DriverLoss
from drivers.meters.opcua.line import OpcuaLine
from drivers.meters.opcua.points import Step, parse_node
from drivers.meters.opcua.status import name_of
from drivers.meters.opcua.units import UnitRefusedError, factor
from drivers.meters.opcua.watch import Item, PointWatch

ECM: Final = "http://opcfoundation.org/UA/ECM/"
POWER: Final = "AcActivePowerTotal"

#: Variable of an ECM object (OPC 34100) -> our quantity. High precision stands before low; the first that is there counts.
_ECM: Final[Mapping[str, str]] = {
    POWER: "active_power_w",
    "AcFrequency": "frequency_hz",
    "AcActiveEnergyTotalImportHp": "energy_import_wh",
    "AcActiveEnergyTotalImportLp": "energy_import_wh",
    "AcActiveEnergyTotalExportHp": "energy_export_wh",
    "AcActiveEnergyTotalExportLp": "energy_export_wh",
}
_SI: Final = {"frequency_hz": "Hz", "energy_import_wh": "Wh", "energy_export_wh": "Wh"}
_SWAPPED: Final = {"energy_import_wh": "energy_export_wh", "energy_export_wh": "energy_import_wh"}

_OBJECTS: Final = ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
_NAMESPACES: Final = ua.NodeId(ua.Int32(ObjectIds.Server_NamespaceArray))
_UNITS_STEP: Final = Step("", "EngineeringUnits")


@dataclass(slots=True)
class _Found:
    """A variable before its unit is known; `wanted`: the unit that the site file, or the companion model, names."""

    watch: PointWatch
    quantity: str
    node: ua.NodeId
    wanted: str | None
    of_model: bool


class _LookupFailedError(Exception):
    """One point cannot be looked up; the text says why."""


async def namespaces_of(line: OpcuaLine) -> list[str]:
    """Return the URIs of the server's namespaces in the order of their indices; raises DriverLoss where it tells none."""
    (told,) = await line.read([_NAMESPACES])
    if not isinstance(told.raw, list):
        raise DriverLoss("the server does not tell its namespaces")
    return [str(each) for each in told.raw]


class Resolver:
    """Looks up points in one session; what is wrong with one of them stays with it."""

    def __init__(self, line: OpcuaLine, namespaces: Sequence[str]) -> None:
        self._line = line
        self._namespaces = namespaces

    @classmethod
    async def ask(cls, line: OpcuaLine) -> Resolver:
        """Ask the server for its namespaces, whose indices may change with a restart."""
        return cls(line, await namespaces_of(line))

    async def resolve(self, watches: Sequence[PointWatch]) -> None:
        """Give every point its items, or the reason why it has none."""
        found = await self._variables(watches)
        stated = await self._units([each.node for each in found])
        for watch in watches:
            mine = [(each, unit) for each, unit in zip(found, stated, strict=True) if each.watch is watch]
            if mine:
                watch.items, watch.unresolved = _items(watch, mine)

    async def _variables(self, watches: Sequence[PointWatch]) -> list[_Found]:
        nodes = await self._nodes(watches)
        classes = await self._line.read(list(nodes.values()), AttributeIds.NodeClass)
        found: list[_Found] = []
        objects: list[tuple[PointWatch, ua.NodeId]] = []
        for (watch, node), kind in zip(nodes.items(), classes, strict=True):
            point = watch.point
            if kind.raw == ua.NodeClass.Variable:
                found.append(_Found(watch, point.quantity, node, point.unit, of_model=False))
            elif kind.raw == ua.NodeClass.Object:
                objects.append((watch, node))
            else:
                _fail(watch, f"{point.node} is neither a variable nor an object: {name_of(kind.status)}")
        return found + await self._of_model(objects)

    async def _nodes(self, watches: Sequence[PointWatch]) -> dict[PointWatch, ua.NodeId]:
        """Return the node of each point, without those that cannot be looked up."""
        nodes: dict[PointWatch, ua.NodeId] = {}
        paths: list[tuple[PointWatch, ua.NodeId, Sequence[Step]]] = []
        for watch in watches:
            try:
                node = parse_node(watch.point.node)
                if isinstance(node, tuple):
                    for step in node:
                        self._index(step.uri)
                    paths.append((watch, _OBJECTS, node))
                else:
                    nodes[watch] = self._in_this_session(node)
            except _LookupFailedError as error:
                _fail(watch, str(error))
        ends = await self._follow([(start, steps) for _, start, steps in paths])
        for (watch, _, _), end in zip(paths, ends, strict=True):
            if isinstance(end, str):
                _fail(watch, f"{watch.point.node} leads nowhere: {end}")
            else:
                nodes[watch] = end
        return nodes

    async def _of_model(self, objects: Sequence[tuple[PointWatch, ua.NodeId]]) -> list[_Found]:
        if not objects:
            return []
        if ECM not in self._namespaces:
            for watch, _ in objects:
                _fail(watch, f"{watch.point.node} is an object, and the server has no {ECM}: name a variable")
            return []
        wanted = [(watch, node, name) for watch, node in objects for name in _ECM]
        ends = await self._follow([(node, (Step(ECM, name),)) for _, node, name in wanted])
        there: dict[tuple[PointWatch, str], _Found] = {}
        for (watch, _, name), end in zip(wanted, ends, strict=True):
            if not isinstance(end, str):
                quantity = watch.point.quantity if name == POWER else _ECM[name]
                unit = watch.point.unit if name == POWER else None
                there.setdefault((watch, quantity), _Found(watch, quantity, end, unit, of_model=True))
        for watch, _ in objects:
            if (watch, watch.point.quantity) not in there:
                _fail(watch, f"{watch.point.node} is an object without {POWER} of {ECM}: name a variable")
        return [each for each in there.values() if (each.watch, each.watch.point.quantity) in there]

    async def _units(self, nodes: Sequence[ua.NodeId]) -> list[object]:
        """Return the EngineeringUnits of every node, None where it has none."""
        ends = await self._follow([(node, (_UNITS_STEP,)) for node in nodes], properties=True)
        there = [end for end in ends if not isinstance(end, str)]
        values = iter(await self._line.read(there)) if there else iter(())
        return [None if isinstance(end, str) else next(values).raw for end in ends]

    async def _follow(
        self, paths: Sequence[tuple[ua.NodeId, Iterable[Step]]], *, properties: bool = False
    ) -> list[ua.NodeId | str]:
        """Return where each path ends, or the name of the status code with which the server refuses it."""
        reference = ObjectIds.HasProperty if properties else ObjectIds.HierarchicalReferences
        ends: list[ua.NodeId | str] = []
        async for part in self._line.in_chunks(paths):
            request = ua.TranslateBrowsePathsToNodeIdsRequest()
            request.Parameters.BrowsePaths = [self._browse_path(start, steps, reference) for start, steps in part]
            for result in (await self._line.ask(request)).Results:
                if result.StatusCode.is_good() and result.Targets:
                    target = result.Targets[0].TargetId
                    ends.append(ua.NodeId(target.Identifier, target.NamespaceIndex, target.NodeIdType))
                else:
                    ends.append(str(result.StatusCode.name))
        return ends

    def _browse_path(self, start: ua.NodeId, steps: Iterable[Step], reference: int) -> ua.BrowsePath:
        path = ua.BrowsePath(StartingNode=start)
        path.RelativePath.Elements = [
            ua.RelativePathElement(
                ReferenceTypeId=ua.NodeId(ua.Int32(reference)),
                IsInverse=False,  # type: ignore[arg-type]
                IncludeSubtypes=True,  # type: ignore[arg-type]
                TargetName=ua.QualifiedName(step.name, ua.Int16(self._index(step.uri))),
            )
            for step in steps
        ]
        return path

    def _in_this_session(self, node: ua.NodeId) -> ua.NodeId:
        if not isinstance(node, ua.ExpandedNodeId) or node.NamespaceUri is None:
            return node
        return ua.NodeId(node.Identifier, ua.Int16(self._index(node.NamespaceUri)))

    def _index(self, uri: str) -> int:
        if not uri:
            return 0
        if uri not in self._namespaces:
            raise _LookupFailedError(f"the server has no namespace {uri}, only {', '.join(self._namespaces)}")
        return self._namespaces.index(uri)


def _items(watch: PointWatch, found: Sequence[tuple[_Found, object]]) -> tuple[list[Item], str | None]:
    """Return the items of a point, or why it has none: a power of doubtful unit is no power."""
    point, items = watch.point, []
    for each, stated in found:
        counts = each.quantity == point.quantity
        si = _SI.get(each.quantity, "W")
        # ECM fixes the units of its variables, so that one that states none is not in doubt.
        wanted = each.wanted or (si if each.of_model and stated is None else None)
        try:
            by_unit = factor(stated, wanted, si, point.unit_stated_as if counts else None)
        except UnitRefusedError as error:
            if counts:
                return [], f"{point.node}: {error}"
            watch.tell(f"{each.quantity} is not used: {error}")
            continue
        quantity = _SWAPPED.get(each.quantity, each.quantity) if point.sign < 0 else each.quantity
        by_point = point.scale * point.sign if counts else 1.0
        items.append(Item(point=watch, quantity=quantity, node=each.node, factor=by_unit * by_point))
    return items, None


def _fail(watch: PointWatch, why: str) -> None:
    watch.items, watch.unresolved = [], why
