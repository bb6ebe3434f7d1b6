"""What a scan finds, over real sockets, of every family that is simulated; and that it only reads."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from functools import partial
from ipaddress import ip_network
from itertools import cycle

import pytest

from controller.agent import scanning
from controller.agent.scanning import MOST_HOSTS, Sighting, scan
from drivers.clock import Clock, boottime_s
from drivers.devices.families import LoginKind, load_families
from drivers.errors import ConfigError
from simulators.devices import timeless
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.cells import model_of
from simulators.devices.luxos import LuxOsServer
from simulators.devices.served import SERVED
from tests.controller.agent.halls import MODEL, PACE

#: Addresses of loopback that nothing else here uses.
HALL = "127.0.77.0/24"


def unit_of(family: str, serial: str, clock: Clock) -> BenchUnit:
    model = model_of(family)
    return BenchUnit(model=model, pace=Pace.of(load_families()[family]), clock=clock, told_w=model.max_w, serial=serial)


@pytest.mark.parametrize("family", SERVED)
def test_a_device_of_each_family_is_found_with_its_model_and_nothing_is_written(family: str) -> None:
    served = SERVED[family]

    async def look() -> None:
        clock = asyncio.get_running_loop().time
        unit = unit_of(family, "SERIAL0001", clock)
        async with served.serve(unit, clock) as server:
            (found,) = await scan(ip_network("127.0.0.1"), login=served.login, ports=[server.port])
            assert isinstance(found, Sighting)
            assert found.family.name == family
            assert found.identity.is_named(unit.serial) or found.identity.is_named(unit.mac)
            assert found.model == unit.model.id
            assert ("login: FILE" in found.stanza) is (load_families()[family].login is not LoginKind.NONE)
        assert [asked.verb for asked in unit.log if asked.writes] == []

    timeless.run(look())


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


#: What a hall of 40 devices may take, on its whole /24; and the addresses of loopback on which it stands here.
MOST_S = 20.0
DEVICES = [f"127.0.78.{k}" for k in range(10, 50)]


@contextmanager
def losing(ports: Sequence[int]) -> Iterator[None]:
    """Have all that is sent to these ports get lost where nobody has the address; loopback would refuse it at once.

    Linux drops what would begin a connection to a listener whose queue is full.
    """
    with ExitStack() as stack:
        for port in ports:
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(("", port))
            listener.listen(0)
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        yield


def test_a_network_of_254_addresses_with_40_devices_is_scanned_in_time_and_no_write_verb_is_on_any_wire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asyncio, "start_server", partial(asyncio.start_server, reuse_port=True))

    async def look() -> tuple[dict[str, BenchUnit], set[str], float]:
        clock, units, ports = asyncio.get_running_loop().time, dict[str, BenchUnit](), dict[str, int]()
        async with AsyncExitStack() as stack:
            for host, family in zip(DEVICES, cycle(SERVED), strict=False):
                units[host] = unit_of(family, f"SERIAL{host}", clock)
                server = SERVED[family].serve(units[host], clock, ports.get(family, 0))
                server._host = host  # type: ignore[attr-defined]
                await stack.enter_async_context(server)
                ports[family] = server.port
            with losing(list(ports.values())):
                began_s = clock()
                found = await scan(ip_network("127.0.78.0/24"), ports=list(ports.values()))
                took_s = clock() - began_s
        return units, {one.partition(":")[0] if isinstance(one, str) else one.host for one in found}, took_s

    units, found, took_s = timeless.run(look())
    assert found == set(units)
    assert scanning.CONNECT_S < took_s <= MOST_S
    assert {asked.verb for unit in units.values() for asked in unit.log if asked.writes} == set()
    assert all(unit.log for unit in units.values()), "each was asked"


def test_only_ports_that_take_connections_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = set[int]()

    async def note(_host: str, port: int) -> bool:
        tried.add(port)
        return False

    monkeypatch.setattr(scanning, "_listens", note)
    assert asyncio.run(scan(ip_network("127.0.79.0/30"))) == []
    families = load_families()
    assert tried == {families[name].port for name in ("luxos", "whatsminer-v3", "vnish", "redfish")}


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
