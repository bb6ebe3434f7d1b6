"""One value of an OPC UA server, by subscription for promptness and by a periodic read for certainty.

What a subscription alone cannot tell, and is done here instead:

- Silence is normal while a value does not move, and asyncua's subscription stays silent for ever after a server restart.
  So the node is read at every heartbeat; the answer confirms the value at that moment, and its absence ends the session. A
  new one is then built, namespaces and subscription included.
- How old the value is, and how good, is judged in `opcua_watch`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.node import Node
from asyncua.crypto import security_policies
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError
from cryptography import x509

from drivers.clock import Clock, boottime_s
from drivers.errors import ConfigError, DriverLoss
from drivers.meters.opcua_watch import Watch
from drivers.meters.sessions import run_sessions
from drivers.quantities import UNITS, Kind
from drivers.readings import Publish

# asyncua reports every step of every failed attempt; this driver tells a loss once, with its reason.
logging.getLogger("asyncua").setLevel(logging.CRITICAL)

#: Policies that are not deprecated (OPC 10000-7).
POLICIES: Final = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")

#: After how long a server may forget a session that we left without a word.
SESSION_TIMEOUT_S: Final = 30.0
#: How long the closing of a session may keep the next one waiting.
CLOSING_S: Final = 0.5

_CURRENT_TIME: Final = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime))


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Signed and encrypted messages with mutual certificates.

    Certificates end in ``.pem`` or ``.der``, and so does the key: asyncua tells the format by the name alone.
    """

    policy: str
    certificate: Path
    private_key: Path
    server_certificate: Path

    def __post_init__(self) -> None:
        """Raise ConfigError for what asyncua would misread."""
        if self.policy not in POLICIES:
            raise ConfigError(f"security policy: found {self.policy!r}, allowed is {', '.join(POLICIES)}")
        for path in (self.certificate, self.private_key, self.server_certificate):
            if path.suffix not in {".pem", ".der"}:
                raise ConfigError(f"security: found {str(path)!r}, allowed is a file that ends in .pem or .der")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpcuaPoint:
    """One node of an OPC UA server.

    `node`: ``nsu=URI;s=...`` (the namespace is looked up at every connect) or ``ns=2;s=...``. `quantity`: name under which
    the value is published, in W. `unit`: unit of the server's value; `sign`: -1 where it counts power into the site as
    negative. `publish_interval_s`: asked for changes, the server may make it longer. `heartbeat_s`: between two reads that
    confirm the value. `timeout_s`: for connecting, and for every request. `source_max_age_s`: see `Watch`; None where the server
    stamps changes only. `password` is never shown.
    """

    id: str
    endpoint: str
    node: str
    quantity: str
    unit: str
    sign: int = 1
    security: Security | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    publish_interval_s: float = 0.2
    heartbeat_s: float = 1.0
    timeout_s: float = 2.0
    source_max_age_s: float | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for a unit that is none of power, and for a node that is no node id."""
        if self.unit not in UNITS[Kind.POWER]:
            raise ConfigError(f"{self.id}.unit: found {self.unit!r}, allowed is {', '.join(UNITS[Kind.POWER])}")
        try:
            ua.NodeId.from_string(self.node)
        except UaError as error:
            raise ConfigError(
                f"{self.id}.node: found {self.node!r}, allowed is nsu=URI;s=NAME or ns=2;s=NAME"
            ) from error


async def subscribe_forever(point: OpcuaPoint, publish: Publish, clock: Clock = boottime_s) -> None:
    """Watch `point`; publish a Sample a change and a heartbeat, a Loss when the server is lost. Never returns."""
    await run_sessions(point.id, lambda see: _session(point, see, clock), publish, clock)


async def _session(point: OpcuaPoint, see: Publish, clock: Clock) -> None:
    async with _connected(point) as client:
        node = client.get_node(await _resolve(client, point.node))
        watch = Watch(
            meter=point.id,
            quantity=point.quantity,
            watts_per_unit=UNITS[Kind.POWER][point.unit] * point.sign,
            source_max_age_s=point.source_max_age_s,
            see=see,
            clock=clock,
        )
        await _heartbeat(client, node, watch, point.timeout_s)
        async with asyncio.timeout(point.timeout_s):
            interval_ms = point.publish_interval_s * 1000
            subscription = await client.create_subscription(interval_ms, watch)
            await subscription.subscribe_data_change(node, queuesize=1, sampling_interval=ua.Double(interval_ms))
        while True:
            await asyncio.sleep(point.heartbeat_s)
            await _heartbeat(client, node, watch, point.timeout_s)


async def _heartbeat(client: Client, node: Node, watch: Watch, timeout_s: float) -> None:
    started_s = watch.clock()
    async with asyncio.timeout(timeout_s):
        value, time = await client.read_attributes([node, client.get_node(_CURRENT_TIME)])
    watch.confirm(value, time, started_s)


@asynccontextmanager
async def _connected(point: OpcuaPoint) -> AsyncIterator[Client]:
    client = Client(point.endpoint, timeout=point.timeout_s, watchdog_intervall=point.timeout_s)
    client.session_timeout = int(SESSION_TIMEOUT_S * 1000)
    try:
        async with asyncio.timeout(point.timeout_s):
            await _secure(client, point)
            await client.connect()
        yield client
    except TimeoutError as error:
        raise DriverLoss(f"{point.endpoint} does not answer within {point.timeout_s:g} s") from error
    except (OSError, UaError, ValueError) as error:  # ValueError: a certificate or key that is none
        raise DriverLoss(f"{point.endpoint}: {error or type(error).__name__}") from error
    finally:
        await _close(client)


async def _secure(client: Client, point: OpcuaPoint) -> None:
    if point.username is not None:
        client.set_user(point.username)
        client.set_password(point.password or "")
    if point.security is None:
        return
    client.application_uri = _application_uri(point.security.certificate)
    await client.set_security(
        getattr(security_policies, f"SecurityPolicy{point.security.policy}"),
        certificate=point.security.certificate,
        private_key=point.security.private_key,
        server_certificate=str(point.security.server_certificate),
    )


def _application_uri(certificate: Path) -> str:
    """Return the URI that the certificate names; servers refuse a client that calls itself otherwise."""
    content = certificate.read_bytes()
    load = x509.load_der_x509_certificate if certificate.suffix == ".der" else x509.load_pem_x509_certificate
    extensions = [extension.value for extension in load(content).extensions]
    names = [value for value in extensions if isinstance(value, x509.SubjectAlternativeName)]
    uris = [uri for value in names for uri in value.get_values_for_type(x509.UniformResourceIdentifier)]
    if not uris:
        raise DriverLoss(f"{certificate} names no application URI, which OPC UA asks of a certificate")
    return str(uris[0])


async def _close(client: Client) -> None:
    """Close politely for a moment, then plainly, in a task of its own: asyncua's closing swallows a cancellation."""
    closing = asyncio.create_task(client.disconnect())
    _, unfinished = await asyncio.wait({closing}, timeout=CLOSING_S)
    for task in unfinished:
        task.cancel()
    client.disconnect_socket()


async def _resolve(client: Client, text: str) -> ua.NodeId:
    """Return the node id; the index of its namespace is asked of the server, because it may change with a restart."""
    node_id = ua.NodeId.from_string(text)
    if not isinstance(node_id, ua.ExpandedNodeId) or node_id.NamespaceUri is None:
        return node_id
    namespaces = await client.get_namespace_array()
    if node_id.NamespaceUri not in namespaces:
        raise DriverLoss(f"the server has no namespace {node_id.NamespaceUri}, only {', '.join(namespaces)}")
    return ua.NodeId(node_id.Identifier, ua.Int16(namespaces.index(node_id.NamespaceUri)))
