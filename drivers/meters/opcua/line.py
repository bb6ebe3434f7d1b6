"""The requests that this driver makes over one session.

Not asyncua's own subscriptions: they stay silent for ever after some losses (a server that forgot the subscription), and
make a task of every single value.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, TypeVar

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import struct_from_binary

from drivers.meters.opcua import wire
from drivers.meters.opcua.wire import Published, Value

_T = TypeVar("_T")

#: Nodes that are asked for at once where the server names no smaller number; small controllers must answer in time.
CHUNK: Final = 200

_LIMITS: Final = (
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
)


class OpcuaLine:
    """One session's requests; every one raises TimeoutError, OSError, UaError or DriverLoss where it fails."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.chunk = CHUNK

    async def learn_limits(self) -> None:
        """Ask how many nodes the server takes at once."""
        told = await self._read([ua.NodeId(ua.Int32(each)) for each in _LIMITS], AttributeIds.Value)
        self.chunk = min([CHUNK, *(each.raw for each in told if isinstance(each.raw, int) and each.raw > 0)])

    async def ask(self, request: Any) -> Any:
        """Return the answer to a request, which is good."""
        answer = await self._send(request)
        kind = type(request).__name__.removesuffix("Request")
        response = struct_from_binary(getattr(ua, f"{kind}Response"), answer)
        response.ResponseHeader.ServiceResult.check()
        return response

    async def publish(self, acknowledged: Sequence[ua.SubscriptionAcknowledgement]) -> Published:
        """Wait for the server's next message, however long that takes."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = list(acknowledged)
        return wire.published(await self._send(request, timeout_s=0))

    async def read(self, nodes: Sequence[ua.NodeId], attribute: AttributeIds = AttributeIds.Value) -> list[Value]:
        """Read an attribute of all nodes."""
        return [value async for part in self.in_chunks(nodes) for value in await self._read(part, attribute)]

    async def in_chunks(self, every: Sequence[_T]) -> AsyncIterator[Sequence[_T]]:
        """Yield parts that the server takes at once."""
        for begin in range(0, len(every), self.chunk):
            yield every[begin : begin + self.chunk]

    async def _read(self, nodes: Sequence[ua.NodeId], attribute: AttributeIds) -> list[Value]:
        request = ua.ReadRequest()
        request.Parameters.NodesToRead = [ua.ReadValueId(NodeId=node, AttributeId=attribute) for node in nodes]
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Source
        return wire.read(await self._send(request), len(nodes))

    async def _send(self, request: Any, timeout_s: float | None = None) -> Buffer:
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise ConnectionError("the connection is closed")
        return await protocol.send_request(request, timeout_s)
