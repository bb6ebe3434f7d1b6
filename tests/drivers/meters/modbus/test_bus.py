"""Several meters on one bus, over real sockets and serial lines."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import ssl
import subprocess
from collections import Counter
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.clock import boottime_s
from drivers.meters import sessions
from drivers.meters.modbus import (
    MeterTls,
    ModbusMeter,
    NoAnswer,
    Serial,
    buses,
    connected,
    framing_of,
    read_bus,
    read_once,
    reading,
    turns,
)
from drivers.meters.modbus.reader import Reader
from drivers.meters.profiles import load_profile
from drivers.readings import Loss, Sample
from simulators.substation.encoder import encode, read_data
from simulators.substation.modbus_server import Faults, Unit, serve_gateway, serve_serial
from tests.drivers.meters.watching import Seen, Stalls, running
from tests.ports import free_port
from tests.waiting import DEADLINE_S

#: Power and frequency in one request, energies in another.
PROFILE = "siemens_pac3200_4200"
DATA = read_data(PROFILE)


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    """Silent units are asked more often than in the field, so that tests are short."""
    monkeypatch.setattr(sessions, "LONGEST_PAUSE_S", 0.8)
    monkeypatch.setattr(turns, "PATIENCE_S", 0.8)


def shown(power_w: float) -> dict[tuple[int, int], int]:
    return encode(DATA, {"active_power_w": power_w, "frequency_hz": 50.0, "energy_import_wh": 1e6})


def power_w(unit: int) -> float:
    """Each unit shows its own power, so that an answer taken for another's is seen."""
    return 1e6 * unit


class Gateway:
    """A gateway with `count` units, each with faults of its own."""

    def __init__(self, count: int, *, transport: str = "tcp", **options) -> None:
        self.faults = {unit: Faults() for unit in range(1, count + 1)}
        self.power = {unit: power_w(unit) for unit in self.faults}
        self.units = {unit: Unit(lambda unit=unit: shown(self.power[unit]), self.faults[unit]) for unit in self.faults}
        self.transport = transport
        self.options = options
        self.port = 0
        self.connections = 0
        self.server: asyncio.Server | None = None

    async def start(self) -> None:
        framing = "rtu" if self.transport == "rtu_over_tcp" else "tcp"
        self.server = await serve_gateway("127.0.0.1", self.port, units=self.units, framing=framing, **self.options)
        self.port = self.server.sockets[0].getsockname()[1]

    def meter(self, unit: int, **changes) -> ModbusMeter:
        made = ModbusMeter(
            id=f"u{unit}",
            host="127.0.0.1",
            port=self.port,
            transport=self.transport,
            unit=unit,
            profile=load_profile(PROFILE),
            poll_s=0.1,
            timeout_s=0.15,
        )
        return dataclasses.replace(made, **changes)


@asynccontextmanager
async def read(gateway: Gateway, *, impatient: tuple[int, ...] | None = None, **changes):
    """Read all units; where some are `impatient`, the others wait for as long as a busy machine may take."""
    await gateway.start()
    seen = Seen()
    waits = [
        changes if impatient is None or unit in impatient else {**changes, "timeout_s": DEADLINE_S}
        for unit in gateway.units
    ]
    meters = [gateway.meter(unit, **wait) for unit, wait in zip(gateway.units, waits, strict=True)]
    try:
        async with running(read_bus(meters, seen)):
            yield seen
    finally:
        gateway.server.close()


def of(seen: Seen, unit: int, *, after: int = 0) -> list[Sample | Loss]:
    return [each for each in seen[after:] if each.meter == f"u{unit}"]


def ages(seen: Seen, unit: int) -> list[float]:
    return [b.taken_at_s - a.taken_at_s for a, b in pairwise(s for s in of(seen, unit) if isinstance(s, Sample))]


@pytest.mark.parametrize("transport", ["tcp", "rtu_over_tcp"])
def test_units_of_a_gateway_share_one_connection_and_each_gets_its_own_values(transport):
    async def scenario() -> None:
        gateway = Gateway(4, transport=transport)
        async with read(gateway, timeout_s=DEADLINE_S) as seen:
            for unit in gateway.units:
                await seen.until(lambda _, unit=unit: len(of(seen, unit)) >= 7)
            assert len(gateway.server.sockets) == 1
            for unit in gateway.units:
                samples = of(seen, unit)
                assert {round(each.values["active_power_w"]) for each in samples} == {power_w(unit)}
                assert "energy_import_wh" in samples[0].values
                assert "energy_import_wh" not in samples[1].values

    asyncio.run(scenario())


def test_what_is_wanted_at_every_poll_comes_with_the_power_in_one_sample():
    async def scenario() -> None:
        async with read(
            Gateway(1), poll_s=0.05, poll_slow_s=60.0, timeout_s=DEADLINE_S, each_poll=("energy_import_wh",)
        ) as seen:
            await seen.until(lambda _: len(seen) >= 4)
            assert all({"active_power_w", "energy_import_wh"} <= each.values.keys() for each in seen)
            assert not any("voltage_l1_n_v" in each.values for each in seen[1:])

    asyncio.run(scenario())


def test_all_quantities_come_at_every_slow_poll():
    async def scenario() -> None:
        async with read(Gateway(1), poll_s=0.05, poll_slow_s=0.2, timeout_s=DEADLINE_S) as seen:
            await seen.until(lambda _: sum(map(full, seen)) >= 6)
            slow_s = [each.taken_at_s for each in seen if full(each)]
            assert all(after - before > 0.1 for before, after in pairwise(slow_s))
            # Later than due is the machine's doing: then the fast polls that were due meanwhile are left out too.
            assert any(not full(each) for each in seen)

    def full(seen: Sample | Loss) -> bool:
        return "energy_import_wh" in seen.values

    asyncio.run(scenario())


@pytest.mark.parametrize("transport", ["tcp", "rtu_over_tcp"])
@pytest.mark.parametrize("how", ["silence", "exception"])
def test_a_dead_unit_behind_a_gateway_costs_its_own_time_out_and_never_its_neighbours_poll(transport, how, caplog):
    caplog.set_level(logging.INFO, "drivers.meters.sessions")

    async def scenario() -> None:
        gateway = Gateway(4, transport=transport, timeout_s=0.33)
        async with Stalls() as stalls, read(gateway, poll_s=0.4, timeout_s=0.3, impatient=(2,)) as seen:
            await seen.until(lambda _: all(len(of(seen, unit)) >= 2 for unit in gateway.units))
            caplog.clear()
            gateway.faults[2].dead, after, dead_s = how, len(seen), boottime_s()
            await asyncio.sleep(2.5)
            await seen.until(lambda _: len(of(seen, 2, after=after)) >= 2)
            for unit in (1, 3, 4):
                assert not any(isinstance(each, Loss) for each in of(seen, unit))
                assert max(ages(seen, unit)) < 2 * 0.4 + stalls.longest_s
            losses = of(seen, 2, after=after)
            assert all(isinstance(each, Loss) for each in losses[1:])
            assert len(losses) <= 3.2 * (boottime_s() - dead_s), "a dead unit is asked seldom"
            gateway.faults[2].dead, after = None, len(seen)
            back = await seen.until(lambda each: each.meter == "u2" and isinstance(each, Sample), after=after)
            assert back.values["active_power_w"] == power_w(2)
            assert "energy_import_wh" in back.values

    asyncio.run(scenario())
    assert [record.event for record in caplog.records] == ["meter_lost", "meter_back"]


@pytest.mark.parametrize("transport", ["tcp", "rtu_over_tcp"])
@pytest.mark.parametrize("fault", [{"late_s": 0.4}, {"crossed": True}, {"unit_shift": 1}, {"extra": b"\x01\x03\x04"}])
def test_no_value_is_ever_taken_for_another_units_or_another_times(transport, fault, monkeypatch):
    """Power rises from step to step; every sample shows what was there while it was asked for."""
    # Asked again after 0.25 to 0.35 s, for 0.15 s: an answer that is 0.4 s late comes while the next one is waited for.
    monkeypatch.setattr(sessions, "LONGEST_PAUSE_S", 0.2)

    async def scenario() -> None:
        gateway = Gateway(3, transport=transport)
        async with read(gateway, poll_s=0.25) as seen:
            await asyncio.sleep(0.3)
            for name, value in fault.items():
                setattr(gateway.faults[2], name, value)
            history = [(0.0, power_w(2))]
            for step in range(1, 40):
                gateway.power[2] = power_w(2) + 1000.0 * step
                history.append((boottime_s(), gateway.power[2]))
                await asyncio.sleep(0.05)
            for each in of(seen, 2):
                if isinstance(each, Sample):
                    asked_s = 2 * each.taken_at_s - each.arrived_at_s  # it is taken in the middle of the poll
                    before = max(at for at, _ in history if at <= asked_s)
                    assert each.values["active_power_w"] in {
                        shown_w for at, shown_w in history if before <= at <= each.arrived_at_s
                    }
            for unit in (1, 3):
                assert {
                    round(each.values["active_power_w"]) for each in of(seen, unit) if isinstance(each, Sample)
                } == {power_w(unit)}
            for name in fault:
                setattr(gateway.faults[2], name, getattr(Faults(), name))
            after = len(seen)
            await seen.until(lambda each: each.meter == "u2" and isinstance(each, Sample), after=after, deadline_s=18.0)

    asyncio.run(scenario())


def test_a_connection_on_which_nobody_answers_is_made_anew():
    async def scenario() -> None:
        gateway = Gateway(3)
        async with read(gateway) as seen:
            await seen.sample()
            for faults in gateway.faults.values():
                faults.mute = True
            after = len(seen)
            await seen.until(lambda each: isinstance(each, Loss) and each.meter == "u3", after=after)
            gateway.server.close()
            after = len(seen)
            loss = await seen.until(lambda each: isinstance(each, Loss) and "accepts no" in each.reason, after=after)
            assert f"127.0.0.1:{gateway.port}" in loss.reason
            for faults in gateway.faults.values():
                faults.mute = False
            await gateway.start()
            for unit in gateway.units:
                await seen.until(
                    lambda each, unit=unit: each.meter == f"u{unit}" and isinstance(each, Sample), after=after
                )

    asyncio.run(scenario())


def test_a_gateway_that_goes_away_is_a_loss_of_each_of_its_meters():
    async def scenario() -> None:
        gateway = Gateway(3)
        gateway.port = free_port()
        seen = Seen()
        async with running(read_bus([gateway.meter(unit) for unit in gateway.units], seen)):
            await seen.until(lambda _: len(seen) >= 3)
            assert Counter(each.meter for each in seen[:3]) == {"u1": 1, "u2": 1, "u3": 1}

    asyncio.run(scenario())


def test_a_register_that_a_meter_lacks_costs_only_its_own_quantity_and_soon_no_request():
    async def scenario() -> None:
        gateway = Gateway(1)
        image = encode(DATA, dict.fromkeys(DATA["registers"], 50.0))
        del image[3, 1]  # of the voltage L1-N
        gateway.units[1].image, gateway.units[1].unmapped = lambda: image, "exception"
        async with read(gateway, poll_s=0.05, poll_slow_s=0.05, timeout_s=DEADLINE_S) as seen:
            first = await seen.sample()
            assert set(first.invalid) == {"voltage_l1_n_v"}
            assert "exception 2" in first.invalid["voltage_l1_n_v"]
            await seen.until(lambda _: len(seen) > 2)
            gateway.units[1].asked.clear()
            before = len(seen)
            await seen.until(lambda _: len(seen) > before + 2)
            assert not any(address <= 1 < address + count for _, address, count in gateway.units[1].asked)
            assert set(seen[-1].invalid) == {"voltage_l1_n_v"}

    asyncio.run(scenario())


def test_a_meter_on_a_serial_line():
    async def scenario() -> None:
        units = {unit: Unit(lambda unit=unit: shown(power_w(unit))) for unit in (1, 2)}
        async with serve_serial(units=units) as device:
            serial = Serial(device=device, baud=19200)
            meters = [
                ModbusMeter(
                    id=f"u{unit}",
                    transport="rtu",
                    serial=serial,
                    unit=unit,
                    profile=load_profile(PROFILE),
                    poll_s=0.1,
                    timeout_s=DEADLINE_S,
                )
                for unit in units
            ]
            assert len(buses(meters)) == 1
            seen = Seen()
            async with running(read_bus(meters, seen)):
                await seen.until(lambda _: len(seen) >= 10)
            for unit in units:
                assert {each.values["active_power_w"] for each in of(seen, unit)} == {power_w(unit)}

    asyncio.run(scenario())


def test_a_serial_port_that_is_not_there_or_cannot_be_set_is_a_loss_that_says_so():
    async def loss(serial: Serial) -> str:
        meter = ModbusMeter(
            id="m", transport="rtu", serial=serial, profile=load_profile(PROFILE), poll_s=1.0, timeout_s=0.3
        )
        seen = await read_once(meter)
        assert isinstance(seen, Loss)
        return seen.reason

    async def scenario() -> None:
        assert "/dev/none accepts no connection" in await loss(Serial(device="/dev/none"))
        async with serve_serial(units={}) as device:
            assert "cannot be set to 9600 baud, parity even" in await loss(Serial(device=device, parity="even"))

    asyncio.run(scenario())


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for name in ("meter", "stranger"):
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                f"/CN={name}",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-keyout",
                folder / f"{name}.key",
                "-out",
                folder / f"{name}.pem",
            ],
            check=True,
            capture_output=True,
        )
    return folder


def test_a_meter_in_tls_is_read_and_a_stranger_is_not(certificates):
    async def scenario() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "meter.pem", certificates / "meter.key")
        gateway = Gateway(1, transport="tls", tls=context)
        await gateway.start()
        seen = await read_once(gateway.meter(1, tls=MeterTls(ca=certificates / "meter.pem"), timeout_s=DEADLINE_S))
        assert seen.values["active_power_w"] == power_w(1)
        seen = await read_once(gateway.meter(1, tls=MeterTls(ca=certificates / "stranger.pem"), timeout_s=DEADLINE_S))
        assert "CERTIFICATE_VERIFY_FAILED" in seen.reason
        seen = await read_once(gateway.meter(1, tls=MeterTls(ca=certificates / "none.pem"), timeout_s=DEADLINE_S))
        assert "none.pem" in seen.reason
        gateway.server.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(("transport", "framer"), [("tcp", FramerType.SOCKET), ("rtu_over_tcp", FramerType.RTU)])
def test_pymodbus_own_server_is_read(transport, framer):
    async def scenario() -> None:
        image = shown(4_711_000.0)
        words = [image.get((3, address), 0) for address in range(900)]
        device = SimDevice(id=1, simdata=[SimData(0, values=words, datatype=DataType.REGISTERS)])
        port = free_port()
        server = ModbusTcpServer(device, framer=framer, address=("127.0.0.1", port))
        task = asyncio.create_task(server.serve_forever())
        try:
            await asyncio.sleep(0.1)
            meter = ModbusMeter(
                id="m",
                host="127.0.0.1",
                port=port,
                transport=transport,
                profile=load_profile(PROFILE),
                poll_s=1.0,
                timeout_s=DEADLINE_S,
            )
            seen = await read_once(meter)
            assert seen.values["active_power_w"] == 4_711_000.0
            assert seen.values["energy_import_wh"] == 1e6
            async with connected(meter.place, framing_of(meter.place), 1.0) as line:
                ask = reading(line, 1, 1.0)
                assert await ask(3, 65, 2) == words[65:67]
                assert str(await ask(3, 2000, 1)).startswith("exception 2")
        finally:
            await server.shutdown()
            await asyncio.wait([task])

    asyncio.run(scenario())


def test_single_reads_say_that_a_unit_is_silent():
    async def scenario() -> None:
        gateway = Gateway(1)
        await gateway.start()
        meter = gateway.meter(1)
        gateway.faults[1].mute = True
        async with connected(meter.place, framing_of(meter.place), 1.0) as line:
            with pytest.raises(NoAnswer, match=r"no complete answer within 0\.1 s"):
                await reading(line, 1, 0.1)(3, 65, 2)
            gateway.faults[1].mute, gateway.faults[1].unit_shift = False, 4
            with pytest.raises(NoAnswer, match="only 6 bytes of function 3 of unit 5"):
                await reading(line, 1, 0.1)(3, 65, 2)
        gateway.server.close()

    asyncio.run(scenario())


def test_a_meter_that_is_none_of_its_profile_or_fails_the_driver_costs_no_other_its_connection(monkeypatch):
    async def scenario() -> None:
        gateway = Gateway(3)
        await gateway.start()
        monkeypatch.setattr(Reader, "read", faulty(Reader.read))
        changes = ({}, {"profile": load_profile("sunspec_213")}, {})
        meters = [gateway.meter(k, timeout_s=DEADLINE_S, **more) for k, more in enumerate(changes, start=1)]
        seen = Seen()
        async with running(read_bus(meters, seen)):
            await seen.until(lambda _: len(of(seen, 1)) >= 9 and of(seen, 2) and of(seen, 3))
        gateway.server.close()
        assert all(isinstance(each, Sample) for each in of(seen, 1))
        assert {each.reason for each in of(seen, 2)} == {"no SunSpec marker at 40000, 50000, 0"}
        assert {each.reason for each in of(seen, 3)} == {"the driver failed: ZeroDivisionError('u3')"}

    def faulty(read):
        def read_or_fail(self, *given, **named):
            if self.meter.id == "u3":
                raise ZeroDivisionError("u3")
            return read(self, *given, **named)

        return read_or_fail

    asyncio.run(scenario())


def test_a_meter_that_closes_its_connection_when_nothing_is_asked_is_read_without_a_loss():
    async def scenario() -> None:
        unit = Unit(lambda: shown(power_w(1)))

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                async with asyncio.timeout(0.05):
                    while head := await reader.readexactly(7):
                        pdu = unit.answer(await reader.readexactly(5))
                        writer.write(head[:5] + bytes([len(pdu) + 1]) + head[6:] + pdu)
            except (TimeoutError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(converse, "127.0.0.1", 0)
        gateway = Gateway(1)
        gateway.port = server.sockets[0].getsockname()[1]
        seen = Seen()
        async with running(read_bus([gateway.meter(1, timeout_s=DEADLINE_S)], seen)):
            await seen.until(lambda _: len(seen) >= 5)
        server.close()
        assert all(isinstance(each, Sample) for each in seen)

    asyncio.run(scenario())
