"""The simulated gateway byte by byte, by a client that only has a socket."""

from __future__ import annotations

import asyncio
import os
import ssl
import struct
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simulators.substation.frames import RtuFrames, crc
from simulators.substation.modbus_server import Faults, Unit, serve_gateway, serve_serial
from tests.waiting import DEADLINE_S

IMAGE = {(3, address): 100 + address for address in (*range(10), 12, 13)}


def unit(**options) -> Unit:
    return Unit(lambda: IMAGE, **options)


def faulty(**faults) -> Unit:
    return unit(faults=Faults(**faults))


class Client:
    """Sends requests and receives whatever comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def ask(self, address: int, count: int = 1, *, unit: int = 1, transaction: int = 7, fc: int = 3) -> None:
        self.writer.write(struct.pack(">HHHBBHH", transaction, 0, 6, unit, fc, address, count))

    async def answer(self) -> tuple[int, int, bytes]:
        """Return transaction, unit and data of the next answer."""
        async with asyncio.timeout(DEADLINE_S):
            transaction, _, length, unit = struct.unpack(">HHHB", await self.reader.readexactly(7))
            return transaction, unit, await self.reader.readexactly(length - 1)

    async def asked(self, address: int, count: int = 1, **options) -> str:
        self.ask(address, count, **options)
        return (await self.answer())[2].hex()

    async def silent(self, for_s: float = 0.1) -> bool:
        try:
            async with asyncio.timeout(for_s):
                return await self.reader.read(1) == b""
        except TimeoutError:
            return True


@asynccontextmanager
async def gateway(units: dict[int, Unit] | Unit, *, tls=None, **options) -> AsyncIterator[tuple[Client, Client]]:
    units = {1: units} if isinstance(units, Unit) else units
    server = await serve_gateway("127.0.0.1", 0, units=units, tls=tls, **options)
    port = server.sockets[0].getsockname()[1]
    trusting = None
    if tls:
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    clients = [Client(*await asyncio.open_connection("127.0.0.1", port, ssl=trusting)) for _ in range(2)]
    try:
        yield clients[0], clients[1]
    finally:
        for client in clients:
            client.writer.close()
        server.close()
        await asyncio.sleep(0.01)


def test_registers_exceptions_and_what_was_asked():
    async def scenario() -> None:
        meter = unit(largest_block=5)
        async with gateway(meter) as (client, _):
            assert await client.asked(2, 3) == "0306006600670068"
            assert await client.asked(2, 6) == "8303"
            assert await client.asked(2, 0) == "8303"
            assert await client.asked(2, fc=6) == "8601"
            assert await client.asked(2, fc=4) == "8402"
            assert await client.asked(65535, 2) == "8302"
            assert await client.asked(2, unit=9) == "830b"
            client.ask(5, transaction=65535, unit=1)
            assert (await client.answer())[:2] == (65535, 1)
        assert list(meter.asked)[:2] == [(3, 2, 3), (3, 2, 6)]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("unmapped", "inside", "at_the_end", "beyond"),
    [
        ("exception", "8302", "8302", "8302"),
        ("gaps", "0308006d00000000" + "0070", "8302", "8302"),
        ("zero", "0308006d00000000" + "0070", "0304006d0000", "03020000"),
    ],
)
def test_registers_that_mean_nothing(unmapped, inside, at_the_end, beyond):
    async def scenario() -> None:
        async with gateway(unit(unmapped=unmapped)) as (client, _):
            assert await client.asked(9, 4) == inside
            assert await client.asked(9, 2) == at_the_end
            assert await client.asked(500) == beyond

    asyncio.run(scenario())


def test_a_model_code_stands_at_an_address_that_is_a_measurement_in_a_block():
    async def scenario() -> None:
        async with gateway(unit(alone={(3, 5, 1): (71,), (3, 900, 1): (9,)})) as (client, _):
            assert await client.asked(5) == "03020047"
            assert await client.asked(5, 2) == "0304" + "0069006a"
            assert await client.asked(900) == "03020009"

    asyncio.run(scenario())


def test_function_codes_may_read_alike():
    async def scenario() -> None:
        async with gateway(unit(alike=True, alone={(3, 5, 1): (71,)})) as (client, _):
            assert await client.asked(5, fc=4) == "04020047"
            assert await client.asked(5, 2, fc=4) == "0404" + "0069006a"

    asyncio.run(scenario())


def test_without_a_reading_the_unit_answers_device_failure():
    async def scenario() -> None:
        async with gateway(Unit(lambda: None)) as (client, _):
            assert await client.asked(0) == "8304"

    asyncio.run(scenario())


def test_one_request_at_a_time_of_all_connections():
    async def scenario() -> None:
        async with gateway({1: unit(), 2: faulty(delay_s=0.1)}, turn_s=0.05) as (one, other):
            started_s = time.monotonic()
            other.ask(0, unit=2)
            await asyncio.sleep(0.01)
            one.ask(0)
            one.ask(1)
            await one.answer()
            first_s = time.monotonic() - started_s
            await one.answer()
            assert 0.19 < first_s < time.monotonic() - started_s - 0.04

    asyncio.run(scenario())


@pytest.mark.parametrize(("dead", "answer"), [("exception", "830b"), ("silence", None)])
def test_a_dead_unit_holds_up_the_bus_for_the_time_out_of_the_gateway(dead, answer):
    async def scenario() -> None:
        async with gateway({1: unit(), 2: faulty(dead=dead)}, timeout_s=0.15) as (one, other):
            started_s = time.monotonic()
            other.ask(0, unit=2)
            await asyncio.sleep(0.02)
            assert await one.asked(0) == "03020064"
            assert time.monotonic() - started_s > 0.14
            assert await other.silent() if answer is None else (await other.answer())[2].hex() == answer

    asyncio.run(scenario())


def test_late_answers_are_passed_by_others():
    async def scenario() -> None:
        async with gateway({1: unit(), 2: faulty(late_s=0.3)}) as (client, _):
            client.ask(0, unit=2, transaction=1)
            client.ask(0, unit=1, transaction=2)
            assert [(await client.answer())[:2] for _ in range(2)] == [(2, 1), (1, 2)]

    asyncio.run(scenario())


def test_crossed_answers_belong_to_the_request_before_whoever_asked_it():
    async def scenario() -> None:
        async with gateway({1: faulty(crossed=True), 2: unit()}) as (one, other):
            one.ask(3, transaction=1)
            assert await one.silent(0.05)
            assert await other.asked(4, unit=2, transaction=2) == "03020068"
            one.ask(5, transaction=3)
            assert await one.answer() == (2, 2, bytes.fromhex("03020068"))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("faults", "sent"),
    [
        ({"unit_shift": 1}, "0007000000050203020064"),
        ({"transaction_shift": -8}, "ffff000000050103020064"),
        ({"cut_to": 8}, "0007000000050103"),
        ({"split_s": 0.02}, "0007000000050103020064"),
        ({"extra": b"\xaa\xbb"}, "0007000000050103020064aabb"),
        ({"spoilt": True}, "0007000000060103020064"),
        ({"exception": 6}, "0007000000030" + "18306"),
        ({"mute": True}, ""),
    ],
)
def test_faults_on_the_wire(faults, sent):
    async def scenario() -> None:
        async with gateway(faulty(**faults)) as (client, _):
            client.ask(0)
            client.ask(0, unit=9)  # nobody's: its answer marks the end
            marker = bytes.fromhex("000700000003" + "09830b")
            async with asyncio.timeout(DEADLINE_S):
                assert (await client.reader.readuntil(marker)).hex() == sent + marker.hex()

    asyncio.run(scenario())


def test_rtu_over_tcp():
    async def scenario() -> None:
        async with gateway(unit(), framing="rtu") as (client, _):
            body = bytes.fromhex("010300020001")
            client.writer.write(body + crc(body))
            expected = bytes.fromhex("0103020066")
            assert await client.reader.readexactly(7) == expected + crc(expected)

    asyncio.run(scenario())


def test_rtu_on_a_serial_line_survives_its_clients():
    async def scenario() -> None:
        body, expected = bytes.fromhex("010300020001"), RtuFrames.frame(0, 1, bytes.fromhex("03020066"))
        async with serve_serial(units={1: unit()}) as path:
            for _ in range(2):
                line = os.open(path, os.O_RDWR | os.O_NOCTTY)
                os.write(line, body + crc(body))
                got = b""
                async with asyncio.timeout(DEADLINE_S):
                    while len(got) < len(expected):
                        got += await asyncio.to_thread(os.read, line, 256)
                os.close(line)
                assert got == expected

    asyncio.run(scenario())


def test_tls(tmp_path):
    certificate, key = tmp_path / "meter.pem", tmp_path / "key.pem"
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=meter")
    made = ("openssl", "req", *kind, "-keyout", str(key), "-out", str(certificate))
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def scenario() -> None:
        async with gateway(unit(), tls=context) as (client, _):
            assert await client.asked(0) == "03020064"

    asyncio.run(scenario())
