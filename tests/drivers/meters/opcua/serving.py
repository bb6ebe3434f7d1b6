"""What the OPC UA tests share: the truth as a test wants it, a server that shows it, certificates good and bad."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drivers.errors import DriverLoss
from drivers.meters.opcua.points import Point, Server
from drivers.readings import Loss, Sample
from simulators.substation.opcua_server import APPLICATION, NAMESPACE, Scada
from simulators.worldlink import Truth
from tests.drivers.meters.watching import running
from tests.ports import free_port

SURPLUS = f"nsu={NAMESPACE};s=Grid.Surplus"
METER = f"/nsu={NAMESPACE};Meter"


def endpoint() -> str:
    return f"opc.tcp://127.0.0.1:{free_port()}/"


def point(**changes) -> Point:
    fields = {"id": "scada", "node": SURPLUS, "quantity": "surplus_w", "unit": "kW", "publish_interval_s": 0.1}
    return Point(**fields | changes)


def server(at: str, **changes) -> Server:
    return Server(**{"endpoint": at, "heartbeat_s": 0.1, "timeout_s": 1.0} | changes)


class Grid:
    """The truth as the test wants it."""

    def __init__(self) -> None:
        self.surplus_w = 500_000.0
        self.site_w = 812_500.0
        self.gone = False

    async def read(self) -> Truth:
        if self.gone:
            raise DriverLoss("no world")
        return Truth(
            t_s=0.0,
            ready=True,
            site_w=self.site_w,
            node_w={},
            surplus_w=self.surplus_w,
            export_w=-312_500.0,
            feeder_load_w=0.0,
            frequency_hz=50.0,
            devices_by_state={},
            envelope_w=0.0,
            binding="contract",
        )


@asynccontextmanager
async def serving(scada: Scada, grid: Grid | None = None) -> AsyncIterator[Grid]:
    started, grid = asyncio.Event(), grid or Grid()
    async with running(scada.run(grid.read, 0.05, started)):
        await started.wait()
        yield grid


def shows(watts: float, quantity: str = "surplus_w") -> Callable[[Sample | Loss], bool]:
    return lambda seen: isinstance(seen, Sample) and seen.values.get(quantity) == watts


def of(meter: str, fits: Callable[[Sample | Loss], bool]) -> Callable[[Sample | Loss], bool]:
    return lambda seen: seen.meter == meter and fits(seen)


def loss(seen: Sample | Loss) -> bool:
    return isinstance(seen, Loss)


@dataclass(frozen=True)
class Made:
    """A certificate with its key, and the files that hold them."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    path: Path
    key_path: Path


class Authority:
    """Makes certificates of servers, and revocation lists; what it makes lies in one folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self.root = make(folder, name, ca=True)

    def issue(self, name: str, **changes) -> Made:
        return make(self.folder, name, issuer=self.root, **changes)

    def revoke(self, *revoked: Made, days: float = 30) -> bytes:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.root.certificate.subject)
            .last_update(now - dt.timedelta(days=60))
            .next_update(now + dt.timedelta(days=days))
        )
        for each in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.root.key, hashes.SHA256()).public_bytes(Encoding.DER)


@cache
def _key(_name: str) -> rsa.RSAPrivateKey:
    """Return the key of that name; they are slow to make."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def make(
    folder: Path,
    name: str,
    *,
    issuer: Made | None = None,
    ca: bool = False,
    days: tuple[float, float] = (-1, 30),
    hosts: tuple[str, ...] = ("127.0.0.1",),
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    uri: str | None = APPLICATION,
) -> Made:
    """Write NAME.der and NAME-key.pem; `days`: from when to when it is valid, from now."""
    key = _key(f"{folder.name}/{name}")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(each)) for each in hosts]
    if uri is not None:
        names.append(x509.UniformResourceIdentifier(uri))
    builder = (
        x509.CertificateBuilder(
            issuer.certificate.subject if issuer else subject, subject, key.public_key(), x509.random_serial_number()
        )
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    path, key_path = folder / f"{name}.der", folder / f"{name}-key.pem"
    path.write_bytes(certificate.public_bytes(Encoding.DER))
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Made(certificate, key, path, key_path)
