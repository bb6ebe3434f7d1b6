"""The SCADA of the substation on OPC UA: what the grid can spare, as nodes with status and source time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from pathlib import Path
from typing import Final

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from drivers.errors import DriverLoss
from simulators.substation.meter import ReadTruth

NAMESPACE: Final = "urn:surplusd:substation"
APPLICATION: Final = "urn:surplusd:simulated-scada"

#: Node name -> the field of the truth that it shows, in kW.
POINTS: Final[Mapping[str, str]] = {
    "Grid.Surplus": "surplus_w",
    "Grid.Export": "export_w",
    "Grid.FeederLoad": "feeder_load_w",
}


@dataclass(slots=True, kw_only=True)
class Behaviour:
    """What the server does to its values, switchable while it runs.

    `status`: status of the values, by its name in OPC UA. `frozen`: values and their stamps stay as they are.
    `stamp_age_s`: how old SourceTimestamp is. `utc_offset_s`: how far the server's clock is ahead.
    `on_change`: stamps move with the value only.
    """

    status: str = "Good"
    frozen: bool = False
    stamp_age_s: float = 0.0
    utc_offset_s: float = 0.0
    on_change: bool = False


@dataclass(slots=True, kw_only=True)
class Scada:
    """One server; `namespaces_before` take the indices before its own, and may differ after a restart."""

    endpoint: str
    behaviour: Behaviour = field(default_factory=Behaviour)
    certificate: Path | None = None
    private_key: Path | None = None
    namespaces_before: tuple[str, ...] = ()
    _server: Server = field(init=False, default_factory=Server)
    _nodes: dict[str, ua.NodeId] = field(init=False, default_factory=dict)
    _shown: dict[str, tuple[float, ua.DateTime]] = field(init=False, default_factory=dict)

    async def run(self, read_truth: ReadTruth, refresh_s: float, started: asyncio.Event) -> None:
        """Serve until cancelled, refreshing the values every `refresh_s`."""
        await self._prepare()
        async with self._server:
            started.set()
            while True:
                await self._refresh(read_truth)
                await asyncio.sleep(refresh_s)

    async def _prepare(self) -> None:
        self._server.disable_clock()
        await self._server.init()
        self._server.set_endpoint(self.endpoint)
        await self._server.set_application_uri(APPLICATION)
        await self._secure()
        for uri in self.namespaces_before:
            await self._server.register_namespace(uri)
        index = await self._server.register_namespace(NAMESPACE)
        grid = await self._server.nodes.objects.add_object(index, "Grid")
        waiting = ua.DataValue(
            ua.Variant(0.0), StatusCode=ua.StatusCode(ua.UInt32(StatusCodes.BadWaitingForInitialData))
        )
        for name in POINTS:
            node = await grid.add_variable(ua.NodeId(ua.String(name), ua.Int16(index)), name, 0.0)
            self._nodes[name] = node.nodeid
            await self._server.write_attribute_value(node.nodeid, waiting)
        self._server.set_attribute_value_callback(
            ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime)),
            lambda *_: ua.DataValue(ua.Variant(self._utc())),
        )

    async def _secure(self) -> None:
        if self.certificate is None or self.private_key is None:
            self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
            return
        self._server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        await self._server.load_certificate(self.certificate)
        await self._server.load_private_key(self.private_key)

    async def _refresh(self, read_truth: ReadTruth) -> None:
        if self.behaviour.frozen:
            return
        status = self.behaviour.status
        try:
            truth = await read_truth()
            watts = {name: float(getattr(truth, source)) for name, source in POINTS.items()}
        except DriverLoss:
            watts, status = dict.fromkeys(POINTS, 0.0), "BadNoCommunication"
        code = ua.StatusCode(ua.UInt32(getattr(StatusCodes, status)))
        for name, node_id in self._nodes.items():
            value = ua.DataValue(
                ua.Variant(watts[name] / 1e3), StatusCode=code, SourceTimestamp=self._stamp(name, watts[name])
            )
            await self._server.write_attribute_value(node_id, value)

    def _stamp(self, name: str, watts: float) -> ua.DateTime:
        now = self._utc() - timedelta(seconds=self.behaviour.stamp_age_s)
        before = self._shown.get(name)
        if before is not None and self.behaviour.on_change and before[0] == watts:
            return before[1]
        self._shown[name] = (watts, now)
        return now

    def _utc(self) -> ua.DateTime:
        return ua.DateTime.now(UTC) + timedelta(seconds=self.behaviour.utc_offset_s)
