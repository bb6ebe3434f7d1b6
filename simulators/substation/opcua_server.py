"""The SCADA of the substation on OPC UA: what the grid can spare, and a meter, as nodes with status and source time."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, Final

from asyncua import ua
from asyncua.common.node import Node
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from drivers.errors import DriverLoss
from simulators.substation.address_space import SmallServer
from simulators.substation.meter import ReadTruth
from simulators.substation.scada_units import UNITS
from simulators.worldlink import Truth

NAMESPACE: Final = "urn:surplusd:substation"
APPLICATION: Final = "urn:surplusd:simulated-scada"
ECM: Final = "http://opcfoundation.org/UA/ECM/"

#: Node name -> the field of the truth that it shows, in the unit of the behaviour.
POINTS: Final[Mapping[str, str]] = {
    "Grid.Surplus": "surplus_w",
    "Grid.Export": "export_w",
    "Grid.FeederLoad": "feeder_load_w",
}
#: The object of the companion model, and its variables: type, UnitId and name of the unit.
ECM_METER: Final = "Meter"
ECM_VARIABLES: Final[Mapping[str, tuple[ua.VariantType, int, str]]] = {
    "AcActivePowerTotal": (ua.VariantType.Float, UNITS["W"][1], "W"),
    "AcFrequency": (ua.VariantType.Float, 4740186, "Hz"),
    "AcActiveEnergyTotalImportLp": (ua.VariantType.Float, 5720146, "Wh"),
    "AcActiveEnergyTotalExportLp": (ua.VariantType.Float, 5720146, "Wh"),
    "AcActiveEnergyTotalImportHp": (ua.VariantType.Double, 5720146, "Wh"),
    "AcActiveEnergyTotalExportHp": (ua.VariantType.Double, 5720146, "Wh"),
}

_UNECE: Final = "http://www.opcfoundation.org/UA/units/un/cefact"
#: Info type "data value" with the overflow bit.
_OVERFLOW: Final = 0x0480

POLICIES: Final = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
MODES: Final = ("SignAndEncrypt", "Sign")


@dataclass(slots=True, kw_only=True)
class Behaviour:
    """What the server does to its values, switchable while it runs.

    `status`: status of the values, by its name in OPC UA; a bad one comes with the last value all the same.
    `frozen`: values and their stamps stay as they are. `stuck`: values stay, Good and with fresh stamps, though the field
    has moved on. `stamp_age_s`: how old SourceTimestamp is. `utc_offset_s`: how far the server's clock is ahead.
    `on_change`: stamps move with the value only. `deadband_w`: smaller changes are not shown. `overflow`: the flag that the
    server's queue has lost values. `waiting_s`: BadWaitingForInitialData for so long after the start. `clock_refresh_s`: how
    seldom its CurrentTime moves; 0: with every read.
    """

    status: str = "Good"
    frozen: bool = False
    stuck: bool = False
    stamp_age_s: float = 0.0
    utc_offset_s: float = 0.0
    on_change: bool = False
    deadband_w: float = 0.0
    overflow: bool = False
    waiting_s: float = 0.0
    clock_refresh_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Scada:
    """One server. `namespaces_before` take the indices before its own, and may differ after a restart.

    `unit`: of the values of `POINTS`. `stated_unit`: what their EngineeringUnits say, which may be a lie; None for no such
    property. `unit_name`, `unit_id`: name and UnitId in them, where they are others. `counts`: values are int32, this many counts a unit; None for doubles. `fastest_publishing_s`,
    `fastest_sampling_s`: shorter intervals are revised to these. `max_sessions`, `max_items`: more are
    refused. `no_subscriptions`: the status code by which it refuses a subscription, by its name; `mute_subscriptions`: it
    makes them and publishes nothing.
    With `certificate`, only secure policies are served, in `modes`; `trusted_clients`: the certificates (DER) of clients that
    somebody has accepted, None where all are; `users`: those of the users who may log in, by a certificate alone.
    """

    endpoint: str
    behaviour: Behaviour = field(default_factory=Behaviour)
    certificate: Path | None = None
    private_key: Path | None = None
    trusted_clients: set[bytes] | None = None
    modes: tuple[str, ...] = MODES[:1]
    users: frozenset[bytes] | None = None
    namespaces_before: tuple[str, ...] = ()
    unit: str = "kW"
    stated_unit: str | None = None
    unit_name: str | None = None
    unit_id: int | None = None
    counts: float | None = None
    fastest_publishing_s: float = 0.0
    fastest_sampling_s: float = 0.0
    max_sessions: int | None = None
    max_items: int | None = None
    no_subscriptions: str = ""
    mute_subscriptions: bool = False
    _server: Server = field(init=False, default_factory=lambda: Server(SmallServer()))
    _index: int = field(init=False, default=0)
    _grid: Node | None = field(init=False, default=None)
    _nodes: dict[str, ua.NodeId] = field(init=False, default_factory=dict)
    _ecm: dict[str, ua.NodeId] = field(init=False, default_factory=dict)
    _shown: dict[str, tuple[float, ua.DateTime]] = field(init=False, default_factory=dict)
    _energy_wh: dict[str, float] = field(init=False, default_factory=lambda: dict.fromkeys(("Import", "Export"), 1e6))
    _measured_s: float = field(init=False, default=0.0)

    async def run(self, read_truth: ReadTruth, refresh_s: float, started: asyncio.Event) -> None:
        """Serve until cancelled, refreshing the values every `refresh_s`."""
        await self._prepare()
        async with self._server:
            started.set()
            begun_s = time.monotonic()
            while True:
                if time.monotonic() - begun_s >= self.behaviour.waiting_s:
                    await self._refresh(read_truth)
                await asyncio.sleep(refresh_s)

    async def remove(self, name: str) -> None:
        """Take a node out of the address space, as a download to the PLC does."""
        node_id, space = self._nodes.pop(name), self._server.iserver.aspace
        # asyncua would tell the monitored items in a way that fails; a real server tells them nothing.
        for handle in list(space[node_id].attributes[AttributeIds.Value].datachange_callbacks):
            space.delete_datachange_callback(handle)
        await self._server.delete_nodes([self._server.get_node(node_id)])

    async def restore(self, name: str) -> None:
        """Put a node back."""
        await self._add_point(name)

    def watchers(self, name: str) -> int:
        """Return how many monitored items watch a node."""
        return self._watching(self._nodes[name])

    async def lose_subscriptions(self) -> None:
        """Forget every subscription, and leave the sessions as they are."""
        service = self._server.iserver.subscription_service
        await service.delete_subscriptions(list(service.subscriptions))

    async def _prepare(self) -> None:
        self._server.disable_clock()
        # Of the standard nodes none is ever garbage: to look for it takes as long as to make them.
        gc.disable()
        await self._server.init()
        gc.enable()
        self._server.set_endpoint(self.endpoint)
        await self._server.set_application_uri(APPLICATION)
        await self._secure()
        for uri in self.namespaces_before:
            await self._server.register_namespace(uri)
        self._index = await self._server.register_namespace(NAMESPACE)
        self._grid = await self._server.nodes.objects.add_object(self._index, "Grid")
        for name in POINTS:
            await self._add_point(name)
        await self._add_ecm_meter()
        self._revise_intervals()
        self._limit_sessions()
        self._server.set_attribute_value_callback(
            ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime)),
            lambda *_: ua.DataValue(ua.Variant(self._current_time())),
        )

    async def _secure(self) -> None:
        if self.certificate is None or self.private_key is None:
            self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
            return
        kinds = [ua.SecurityPolicyType[f"{policy}_{mode}"] for policy in POLICIES for mode in self.modes]
        self._server.set_security_policy(kinds)
        if self.users is not None:
            self._server.set_identity_tokens([ua.X509IdentityToken])
            self._server.iserver.set_user_manager(_Users(self.users))
        await self._server.load_certificate(self.certificate)
        await self._server.load_private_key(self.private_key)
        self._server.set_certificate_validator(self._check_client)

    async def _check_client(self, certificate: x509.Certificate, _description: ua.ApplicationDescription) -> None:
        if self.trusted_clients is not None and certificate.public_bytes(Encoding.DER) not in self.trusted_clients:
            raise ServiceError(StatusCodes.BadCertificateUntrusted)

    async def _add_point(self, name: str) -> None:
        assert self._grid is not None  # noqa: S101  for the type alone
        node_id = ua.NodeId(ua.String(name), ua.Int16(self._index))
        kind = ua.VariantType.Double if self.counts is None else ua.VariantType.Int32
        browse_name = ua.QualifiedName(name.rpartition(".")[2], ua.Int16(self._index))
        node = await self._grid.add_variable(node_id, browse_name, ua.Variant(0, kind) if self.counts else 0.0)
        called = self.unit_name or self.stated_unit
        if called is not None:
            of_name = UNITS[self.stated_unit][1] if self.stated_unit else -1
            await _state_unit(node, of_name if self.unit_id is None else self.unit_id, called)
        await self._wait(node_id, kind)
        self._nodes[name] = node_id

    async def _add_ecm_meter(self) -> None:
        ecm = await self._server.register_namespace(ECM)
        meter = await self._server.nodes.objects.add_object(
            ua.NodeId(ua.String(ECM_METER), ua.Int16(self._index)), ua.QualifiedName(ECM_METER, ua.Int16(self._index))
        )
        for name, (kind, unit_id, unit) in ECM_VARIABLES.items():
            node_id = ua.NodeId(ua.String(f"{ECM_METER}.{name}"), ua.Int16(self._index))
            browse_name = ua.QualifiedName(name, ua.Int16(ecm))
            node = await meter.add_variable(node_id, browse_name, ua.Variant(0.0, kind))
            await _state_unit(node, unit_id, unit)
            await self._wait(node_id, kind)
            self._ecm[name] = node_id

    async def _wait(self, node_id: ua.NodeId, kind: ua.VariantType) -> None:
        status = ua.StatusCode(ua.UInt32(StatusCodes.BadWaitingForInitialData))
        await self._server.write_attribute_value(node_id, ua.DataValue(ua.Variant(0, kind), StatusCode=status))

    def _revise_intervals(self) -> None:
        service = self._server.iserver.subscription_service
        subscribe, monitor = service.create_subscription, service.create_monitored_items

        async def say_nothing(*_: object) -> None:
            """Take what should be published."""

        async def slower(
            params: ua.CreateSubscriptionParameters, callback: Any, session_id: Any, request_callback: Any = None
        ) -> Any:
            if self.no_subscriptions:
                raise ServiceError(getattr(StatusCodes, self.no_subscriptions))
            fastest_ms = 1000 * self.fastest_publishing_s
            params.RequestedPublishingInterval = max(params.RequestedPublishingInterval, fastest_ms)
            publish = say_nothing if self.mute_subscriptions else callback
            return await subscribe(params, publish, session_id, request_callback)

        async def sampled(params: ua.CreateMonitoredItemsParameters) -> Any:
            more = params.ItemsToCreate
            room = len(more) if self.max_items is None else max(self.max_items - self._items(), 0)
            params.ItemsToCreate = more[:room]
            results = await monitor(params)
            for result in results:
                fastest_ms = 1000 * self.fastest_sampling_s
                result.RevisedSamplingInterval = max(result.RevisedSamplingInterval, fastest_ms)
            refused = ua.StatusCode(ua.UInt32(StatusCodes.BadTooManyMonitoredItems))
            return results + [ua.MonitoredItemCreateResult(StatusCode=refused) for _ in more[room:]]

        service.create_subscription = slower  # type: ignore[method-assign]
        service.create_monitored_items = sampled  # type: ignore[method-assign]

    def _limit_sessions(self) -> None:
        server = self._server.iserver
        create = server.create_session

        def limited(*arguments: Any, **more: Any) -> Any:
            if self.max_sessions is not None and self.sessions() >= self.max_sessions:
                raise ServiceError(StatusCodes.BadTooManySessions)
            return create(*arguments, **more)

        server.create_session = limited  # type: ignore[method-assign]

    def _items(self) -> int:
        return sum(map(self._watching, (*self._nodes.values(), *self._ecm.values())))

    def _watching(self, node_id: ua.NodeId) -> int:
        attributes = self._server.iserver.aspace[node_id].attributes
        return len(attributes[AttributeIds.Value].datachange_callbacks)

    def sessions(self) -> int:
        """Return how many sessions the server keeps, left ones included."""
        return len(self._server.iserver._external_sessions)  # noqa: SLF001  asyncua tells it nowhere else

    async def _refresh(self, read_truth: ReadTruth) -> None:
        if self.behaviour.frozen:
            return
        try:
            truth: Truth | None = await read_truth()
        except DriverLoss:
            truth = None
        code = self._status(self.behaviour.status if truth else "BadNoCommunication")
        for name, node_id in list(self._nodes.items()):
            watts = float(getattr(truth, POINTS[name])) if truth else 0.0
            shown = self._held(name, watts)
            value = ua.DataValue(self._variant(shown), StatusCode=code, SourceTimestamp=self._stamp(name, shown))
            await self._server.write_attribute_value(node_id, value)
        for name, number in self._ecm_values(truth).items():
            variant = ua.Variant(number, ECM_VARIABLES[name][0])
            value = ua.DataValue(variant, StatusCode=code, SourceTimestamp=self._stamp(name, number))
            await self._server.write_attribute_value(self._ecm[name], value)

    def _status(self, name: str) -> ua.StatusCode:
        flags = _OVERFLOW if self.behaviour.overflow else 0
        return ua.StatusCode(ua.UInt32(getattr(StatusCodes, name) | flags))

    def _held(self, name: str, watts: float) -> float:
        """Return what is shown of the true value."""
        before = self._shown.get(name)
        if before is None:
            return watts
        held = self.behaviour.stuck or abs(watts - before[0]) < self.behaviour.deadband_w
        return before[0] if held else watts

    def _variant(self, watts: float) -> ua.Variant:
        value = watts / UNITS[self.unit][0]
        if self.counts is None:
            return ua.Variant(value)
        return ua.Variant(round(value * self.counts), ua.VariantType.Int32)

    def _ecm_values(self, truth: Truth | None) -> dict[str, float]:
        site_w, frequency_hz = (truth.site_w, truth.frequency_hz) if truth else (0.0, 0.0)
        now_s = time.monotonic()
        hours = (now_s - self._measured_s) / 3600 if self._measured_s else 0.0
        self._measured_s = now_s
        self._energy_wh["Import" if site_w >= 0 else "Export"] += abs(site_w) * hours
        values = {"AcActivePowerTotal": site_w, "AcFrequency": frequency_hz}
        return values | {
            f"AcActiveEnergyTotal{way}{precision}": self._energy_wh[way]
            for way in self._energy_wh
            for precision in ("Lp", "Hp")
        }

    def _stamp(self, name: str, shown: float) -> ua.DateTime:
        now = self._utc() - timedelta(seconds=self.behaviour.stamp_age_s)
        before = self._shown.get(name)
        if before is not None and self.behaviour.on_change and before[0] == shown:
            return before[1]
        self._shown[name] = (shown, now)
        return now

    def _current_time(self) -> ua.DateTime:
        now, every_s = self._utc(), self.behaviour.clock_refresh_s
        return now - timedelta(seconds=now.timestamp() % every_s) if every_s else now

    def _utc(self) -> ua.DateTime:
        return ua.DateTime.now(UTC) + timedelta(seconds=self.behaviour.utc_offset_s)


class _Users(UserManager):
    """Lets those in who show one of these certificates (DER) and have its key."""

    def __init__(self, certificates: frozenset[bytes]) -> None:
        self._certificates = certificates

    def get_user(
        self, iserver: InternalServer, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        del iserver, username, password
        return User(role=UserRole.User) if certificate in self._certificates else None


async def _state_unit(node: Node, unit_id: int, name: str) -> None:
    text = ua.LocalizedText(name)
    unit = ua.EUInformation(NamespaceUri=_UNECE, UnitId=ua.Int32(unit_id), DisplayName=text, Description=text)
    await node.add_property(ua.NodeId(), ua.QualifiedName("EngineeringUnits"), unit)
