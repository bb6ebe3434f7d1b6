"""What a scan finds, over real sockets, of every family that is simulated; and that it only reads."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from ipaddress import ip_network

import pytest

from controller.agent import scanning
from controller.agent.scanning import MOST_HOSTS, Sighting, scan
from drivers.clock import boottime_s
from drivers.devices.families import LoginKind, load_families
from drivers.errors import ConfigError
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.cells import model_of
from simulators.devices.luxos import LuxOsServer
from simulators.devices.served import SERVED
from tests.controller.agent.halls import MODEL, PACE

#: Addresses of loopback that nothing else here uses.
HALL = "127.0.77.0/24"


def unit_of(family: str, serial: str) -> BenchUnit:
    model = model_of(family)
    return BenchUnit(
        model=model, pace=Pace.of(load_families()[family]), clock=boottime_s, told_w=model.max_w, serial=serial
    )


@pytest.mark.parametrize("family", SERVED)
def test_a_device_of_each_family_is_found_with_its_model_and_nothing_is_written(family: str) -> None:
    unit, served = unit_of(family, "SERIAL0001"), SERVED[family]

    async def look() -> None:
        async with served.serve(unit, boottime_s) as server:
            (found,) = await scan(ip_network("127.0.0.1"), login=served.login, ports=[server.port])
            assert isinstance(found, Sighting)
            assert found.family.name == family
            assert found.identity.is_named(unit.serial) or found.identity.is_named(unit.mac)
            assert found.model == unit.model.id
            assert ("login: FILE" in found.stanza) is (load_families()[family].login is not LoginKind.NONE)

    asyncio.run(look())
    assert [asked.verb for asked in unit.log if asked.writes] == []


def test_a_hall_is_scanned_and_nothing_is_written() -> None:
    units = {
        f"127.0.77.{k}": BenchUnit(model=MODEL, pace=PACE, clock=boottime_s, told_w=MODEL.max_w) for k in range(10, 50)
    }

    async def look() -> list[str]:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(
                LuxOsServer(units["127.0.77.10"], clock=boottime_s, host="127.0.77.10")
            )
            for host, unit in list(units.items())[1:]:
                await stack.enter_async_context(LuxOsServer(unit, clock=boottime_s, host=host, port=first.port))
            found = await scan(ip_network(HALL), ports=[first.port])
            return [one.host for one in found if isinstance(one, Sighting)]

    assert asyncio.run(look()) == list(units)
    assert [asked.verb for unit in units.values() for asked in unit.log if asked.writes] == []


#: What a hall of 40 devices may take, on its whole /24.
MOST_S = 20.0
#: Every family that answers over TCP, each on its own port at an address of its own, as in a real hall.
ON_NETWORK = sorted(SERVED)


@pytest.mark.slow
def test_a_network_of_254_addresses_with_40_devices_is_scanned_in_time_and_no_write_verb_is_on_any_wire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is sent to the other addresses is lost, as on a network where nobody has them; loopback would refuse it at once."""
    kinds = [ON_NETWORK[k % len(ON_NETWORK)] for k in range(40)]
    units = {f"127.0.78.{10 + k}": unit_of(family, f"SERIAL{k:04d}") for k, family in enumerate(kinds)}

    listens = scanning._listens

    async def lost(host: str, port: int) -> bool:
        if host in units:
            return await listens(host, port)
        await asyncio.sleep(scanning.CONNECT_S)
        return False

    monkeypatch.setattr(scanning, "_listens", lost)

    async def look() -> tuple[list[str], float]:
        ports = dict[str, int]()
        async with AsyncExitStack() as stack:
            for (host, unit), family in zip(units.items(), kinds, strict=True):
                server = SERVED[family].serve(unit, boottime_s, ports.get(family, 0))
                server._host = host  # type: ignore[attr-defined]
                await stack.enter_async_context(server)
                ports[family] = server.port
            began_s = boottime_s()
            found = await scan(ip_network("127.0.78.0/24"), ports=list(ports.values()))
            return [one if isinstance(one, str) else one.host for one in found], boottime_s() - began_s

    found, took_s = asyncio.run(look())
    assert {one.partition(":")[0] for one in found} == set(units)
    assert took_s <= MOST_S
    assert {asked.verb for unit in units.values() for asked in unit.log if asked.writes} == set()
    assert all(unit.log for unit in units.values()), "each was asked"


def test_what_listens_and_says_nothing_known_is_an_address() -> None:
    async def look() -> None:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert await scan(ip_network("127.0.0.1"), ports=[port]) == [f"127.0.0.1:{port}"]

    asyncio.run(look())


def test_a_network_larger_than_a_hall_is_a_slip() -> None:
    with pytest.raises(ConfigError, match=f"allowed are {MOST_HOSTS}"):
        asyncio.run(scan(ip_network("10.0.0.0/8")))
