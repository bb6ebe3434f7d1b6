"""The simulated SCADA has of the standard what a small server has, and no more."""

from __future__ import annotations

import asyncio

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds

from simulators.substation.address_space import SmallServer

#: What clients ask of any server before they ask it for values, and types that these are of.
ASKED = (
    ObjectIds.BaseVariableType,
    ObjectIds.ServerStatusDataType,
    ObjectIds.HasProperty,
    ObjectIds.Server_NamespaceArray,
    ObjectIds.Server_ServerStatus_State,
    ObjectIds.Server_ServiceLevel,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
)


async def browsed() -> set[ua.NodeId]:
    """Return every node that is found from the root; a reference that leads nowhere is answered with an error."""
    server = Server(SmallServer())
    await server.init()
    found: set[ua.NodeId] = set()
    waiting = {ua.NodeId(ObjectIds.RootFolder)}
    while waiting:
        node = waiting.pop()
        found.add(node)
        waiting |= {each.NodeId for each in await server.get_node(node).get_references()} - found
    return found


def test_from_the_root_everything_is_there_that_is_referred_to_types_included_and_nothing_that_it_cannot_do() -> None:
    found = asyncio.run(browsed())
    assert {ua.NodeId(ua.Int32(each)) for each in ASKED} <= found
    assert ua.NodeId(ua.Int32(ObjectIds.PublishSubscribe)) not in found
    assert 200 < len(found) < 500
