"""The OPC UA driver against a real server."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drivers.clock import boottime_s
from drivers.errors import ConfigError, DriverLoss
from drivers.meters.opcua import OpcuaPoint, Security, subscribe_forever
from drivers.readings import Loss, Quality, Sample
from simulators.substation.opcua_server import NAMESPACE, Behaviour, Scada
from simulators.worldlink import Truth
from tests.drivers.meters.watching import Seen, free_port, running


def point(**changes) -> OpcuaPoint:
    fields = {
        "id": "scada",
        "endpoint": "opc.tcp://127.0.0.1:4840/",
        "node": f"nsu={NAMESPACE};s=Grid.Surplus",
        "quantity": "surplus_w",
        "unit": "kW",
        "publish_interval_s": 0.1,
        "heartbeat_s": 0.1,
        "timeout_s": 1.0,
    }
    return OpcuaPoint(**fields | changes)


def test_a_unit_or_a_policy_that_is_none_is_refused_at_once(tmp_path: Path):
    with pytest.raises(ConfigError, match="found 'kWh', allowed is W, kW"):
        point(unit="kWh")
    with pytest.raises(ConfigError, match=r"found 'Grid\.Surplus', allowed is nsu="):
        point(node="Grid.Surplus")
    pem = tmp_path / "a.pem"
    with pytest.raises(ConfigError, match="found 'Basic128Rsa15', allowed is Basic256Sha256"):
        Security(policy="Basic128Rsa15", certificate=pem, private_key=pem, server_certificate=pem)
    with pytest.raises(ConfigError, match=r"a file that ends in \.pem or \.der"):
        Security(policy="Basic256Sha256", certificate=pem, private_key=tmp_path / "a.key", server_certificate=pem)


def test_a_certificate_that_names_no_application_uri_or_is_none_is_a_loss_that_says_so(tmp_path: Path):
    async def scenario() -> None:
        broken = tmp_path / "broken.pem"
        broken.write_text("not a certificate")
        security = Security(policy="Basic256Sha256", certificate=broken, private_key=broken, server_certificate=broken)
        for path, reason in ((broken, "PEM"), (plain_certificate(tmp_path), "names no application URI")):
            seen = Seen()
            async with running(
                subscribe_forever(point(security=dataclasses.replace(security, certificate=path)), seen)
            ):
                loss = await seen.loss()
                assert reason in loss.reason
                assert "the driver failed" not in loss.reason

    asyncio.run(scenario())


def plain_certificate(folder: Path) -> Path:
    """Write a certificate without alternative names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "plain.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_password_is_never_shown():
    assert "hunter2" not in repr(point(username="u", password="hunter2"))


class Grid:
    """The truth as the test wants it."""

    def __init__(self) -> None:
        self.surplus_w = 500_000.0
        self.gone = False

    async def read(self) -> Truth:
        if self.gone:
            raise DriverLoss("no world")
        return Truth(
            t_s=0.0,
            ready=True,
            site_w=0.0,
            node_w={},
            surplus_w=self.surplus_w,
            export_w=0.0,
            feeder_load_w=0.0,
            frequency_hz=50.0,
            devices_by_state={},
            envelope_w=0.0,
            binding="contract",
        )


@asynccontextmanager
async def serving(scada: Scada, grid: Grid):
    started = asyncio.Event()
    async with running(scada.run(grid.read, 0.05, started)):
        await started.wait()
        yield


def surplus(watts: float) -> Callable[[Sample | Loss], bool]:
    return lambda seen: isinstance(seen, Sample) and dict(seen.values) == {"surplus_w": watts}


def test_a_change_comes_by_subscription_long_before_the_next_heartbeat():
    async def scenario() -> None:
        grid, scada = Grid(), Scada(endpoint=f"opc.tcp://127.0.0.1:{free_port()}/")
        async with serving(scada, grid):
            seen = Seen()
            async with running(subscribe_forever(point(endpoint=scada.endpoint, heartbeat_s=60.0), seen)):
                await seen.until(surplus(500_000.0))
                grid.surplus_w, changed_s = 120_000.0, boottime_s()
                changed = await seen.until(surplus(120_000.0))
                assert changed.quality is Quality.GOOD
                assert changed_s - 0.1 <= changed.taken_at_s <= changed.arrived_at_s <= changed_s + 3.0

    asyncio.run(scenario())


def test_an_unchanged_value_is_confirmed_by_every_heartbeat():
    async def scenario() -> None:
        scada = Scada(endpoint=f"opc.tcp://127.0.0.1:{free_port()}/", behaviour=Behaviour(on_change=True))
        async with serving(scada, Grid()):
            seen = Seen()
            async with running(subscribe_forever(point(endpoint=scada.endpoint), seen)):
                first = await seen.until(surplus(500_000.0))
                later = await seen.until(lambda each: each.taken_at_s > first.taken_at_s + 0.8)
                assert surplus(500_000.0)(later)
                assert later.quality is Quality.GOOD

    asyncio.run(scenario())


def test_status_and_silence_of_the_field_show_and_end():
    async def scenario() -> None:
        grid, scada = Grid(), Scada(endpoint=f"opc.tcp://127.0.0.1:{free_port()}/")
        async with serving(scada, grid):
            seen = Seen()
            async with running(subscribe_forever(point(endpoint=scada.endpoint), seen)):
                await seen.until(surplus(500_000.0))
                scada.behaviour.status = "UncertainLastUsableValue"
                await seen.until(lambda each: each.quality is Quality.UNCERTAIN)
                scada.behaviour.status = "BadSensorFailure"
                await seen.until(lambda each: "BadSensorFailure" in each.invalid.get("surplus_w", ""))
                scada.behaviour.status, grid.gone = "Good", True
                await seen.until(lambda each: "BadNoCommunication" in each.invalid.get("surplus_w", ""))
                grid.gone, after = False, len(seen)
                await seen.until(surplus(500_000.0), after=after)
                assert not any(isinstance(each, Loss) for each in seen)

    asyncio.run(scenario())


def test_a_server_an_hour_ahead_changes_nothing():
    async def scenario() -> None:
        grid = Grid()
        scada = Scada(endpoint=f"opc.tcp://127.0.0.1:{free_port()}/", behaviour=Behaviour(utc_offset_s=3600.0))
        async with serving(scada, grid):
            seen = Seen()
            async with running(subscribe_forever(point(endpoint=scada.endpoint, source_max_age_s=2.0), seen)):
                await seen.until(surplus(500_000.0))
                grid.surplus_w = 120_000.0
                changed = await seen.until(surplus(120_000.0))
                assert changed.quality is Quality.GOOD
                assert changed.arrived_at_s - 2.0 < changed.taken_at_s <= changed.arrived_at_s
                scada.behaviour.frozen = True
                old = await seen.until(lambda each: each.quality is Quality.UNCERTAIN)
                assert old.arrived_at_s - old.taken_at_s >= 1.9

    asyncio.run(scenario())


def test_a_server_that_restarts_with_other_namespace_indices_is_found_again():
    async def scenario() -> None:
        grid, endpoint, seen = Grid(), f"opc.tcp://127.0.0.1:{free_port()}/", Seen()
        async with running(subscribe_forever(point(endpoint=endpoint), seen)):
            await seen.loss()
            async with serving(Scada(endpoint=endpoint), grid):
                await seen.until(surplus(500_000.0))
            after = len(seen)
            await seen.loss(after=after)
            after, grid.surplus_w = len(seen), 90_000.0
            async with serving(Scada(endpoint=endpoint, namespaces_before=("urn:a", "urn:b")), grid):
                await seen.until(surplus(90_000.0), after=after)
                grid.surplus_w = 80_000.0
                await seen.until(surplus(80_000.0), after=after)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("node", "reason"),
    [("nsu=urn:nowhere;s=Grid.Surplus", "no namespace urn:nowhere"), ("ns=2;s=Grid.Surplsu", "BadNodeIdUnknown")],
)
def test_a_node_that_is_not_there_is_told(node, reason):
    async def scenario() -> None:
        scada, seen = Scada(endpoint=f"opc.tcp://127.0.0.1:{free_port()}/"), Seen()
        async with serving(scada, Grid()), running(subscribe_forever(point(endpoint=scada.endpoint, node=node), seen)):
            await seen.until(lambda each: reason in (each.reason if isinstance(each, Loss) else str(each.invalid)))

    asyncio.run(scenario())


def test_a_port_that_accepts_and_says_nothing_costs_one_timeout():
    async def scenario() -> None:
        async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silence, "127.0.0.1", 0)
        endpoint = f"opc.tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        seen, started_s = Seen(), time.monotonic()
        async with running(subscribe_forever(point(endpoint=endpoint, timeout_s=0.3), seen)):
            loss = await seen.loss()
            assert time.monotonic() - started_s < 1.5
            assert "does not answer within 0.3 s" in loss.reason
        server.close()

    asyncio.run(scenario())


async def certificate(folder: Path, name: str, uri: str, usage: object) -> tuple[Path, Path]:
    key, cert = folder / f"{name}-key.pem", folder / f"{name}.der"
    await setup_self_signed_certificate(key, cert, uri, "localhost", [usage], {})
    return cert, key


def test_basic256sha256_with_the_server_s_certificate_pinned(tmp_path: Path):
    async def scenario() -> None:
        server_cert, server_key = await certificate(
            tmp_path, "server", "urn:surplusd:simulated-scada", ExtendedKeyUsageOID.SERVER_AUTH
        )
        client_cert, client_key = await certificate(tmp_path, "client", "urn:site:x", ExtendedKeyUsageOID.CLIENT_AUTH)
        scada = Scada(endpoint=f"opc.tcp://127.0.0.1:{free_port()}/", certificate=server_cert, private_key=server_key)
        security = Security(
            policy="Basic256Sha256", certificate=client_cert, private_key=client_key, server_certificate=server_cert
        )
        impostor = Security(
            policy="Basic256Sha256", certificate=client_cert, private_key=client_key, server_certificate=client_cert
        )
        async with serving(scada, Grid()):
            seen = Seen()
            async with running(subscribe_forever(point(endpoint=scada.endpoint, security=security), seen)):
                await seen.until(surplus(500_000.0))
            for wrong in (None, impostor):
                refused = Seen()
                async with running(subscribe_forever(point(endpoint=scada.endpoint, security=wrong), refused)):
                    await refused.loss()
                    assert not any(isinstance(each, Sample) for each in refused)

    asyncio.run(scenario())


def test_a_cancelled_driver_ends_at_once_even_while_it_closes_a_lost_session():
    async def scenario() -> None:
        grid, scada, seen = Grid(), Scada(endpoint=f"opc.tcp://127.0.0.1:{free_port()}/"), Seen()
        driver = asyncio.ensure_future(subscribe_forever(point(endpoint=scada.endpoint), seen))
        async with serving(scada, grid):
            await seen.until(surplus(500_000.0))
        await asyncio.sleep(0.05)
        driver.cancel()
        done, _ = await asyncio.wait({driver}, timeout=3.0)
        assert done
        assert driver.cancelled()

    asyncio.run(scenario())
