"""The simulated meter on DLMS/COSEM as a process, and its answers byte by byte: what real ones say, with their switches."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime

import pytest

from drivers.meters.dlms.line import read_line
from drivers.meters.dlms.meter import DlmsMeter
from drivers.meters.dlms.place import DlmsPlace, Station
from drivers.meters.dlms.profiles import load_dlms_profile
from drivers.readings import Sample
from simulators.substation.dlms_meter import Associated, Manners
from simulators.substation.dlms_objects import Objects
from simulators.substation.dlms_options import add_dlms_options, unit_of
from simulators.substation.dlms_server import crc, framed
from tests.drivers.meters.watching import Seen, running
from tests.ports import free_port
from tests.simulators.substation.test_processes import Processes, world

AARQ = bytes.fromhex("601da109060760857405080101be10040e01000000065f1f040000101dffff")
LOW = bytes.fromhex(
    "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738be10040e01000000065f1f0400007e1f04b0"
)


def client(number: int = 1, *, objects: dict[str, object] | None = None, **manners: object) -> Associated:
    shown = Objects(profile="dlms_electricity", values={"active_power_w": 1234.0}, **(objects or {}))  # type: ignore[arg-type]
    return Associated(shown, Manners(**manners), number)  # type: ignore[arg-type]


def get(attribute: str) -> bytes:
    return bytes.fromhex(f"c001c1{attribute}00")


def test_it_answers_nothing_before_there_is_an_association() -> None:
    assert client().answer(get("00030100010700ff02")) == b"\xd8\x01\x02"


def test_a_client_that_it_knows_is_associated_and_reads() -> None:
    there = client()
    accepted = there.answer(AARQ)
    assert accepted is not None
    assert bytes.fromhex("a203020100") in accepted
    assert there.answer(get("00030100010700ff02")) == bytes.fromhex("c401c10005000004d2")
    assert there.answer(get("00030100010700ff03")) == bytes.fromhex("c401c10002020f00161b")
    assert there.answer(get("00030100630700ff02")) == bytes.fromhex("c401c10104")


@pytest.mark.parametrize(
    ("number", "manners", "aarq", "reason"),
    [
        (1, {"refuses": 1}, AARQ, 1),
        (5, {}, AARQ, 1),
        (1, {"password": b"12345678"}, AARQ, 14),
        (1, {"password": b"87654321"}, LOW, 13),
        (16, {}, LOW, 11),
    ],
)
def test_an_association_is_refused_with_its_reason(
    number: int, manners: dict[str, object], aarq: bytes, reason: int
) -> None:
    refused = client(number, **manners).answer(aarq)
    assert refused is not None
    assert bytes.fromhex(f"a203020101a305a1030201{reason:02x}") in refused


def test_the_right_password_is_taken() -> None:
    accepted = client(password=b"12345678").answer(LOW)
    assert accepted is not None
    assert bytes.fromhex("a203020100") in accepted


def test_a_clock_that_stands_shows_its_time_and_one_that_runs_another() -> None:
    stands = Objects(profile="dlms_electricity", values={}, clock=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC), runs=False)
    clock = (8, bytes([0, 0, 1, 0, 0, 255]), 2)
    assert stands.shown(clock) == bytes.fromhex("090c07ea020302040506ff800000")
    assert Objects(profile="dlms_electricity", values={}).shown(clock) != stands.shown(clock)
    assert Objects(profile="dlms_electricity", values={}, clock=None).shown(clock) == 4


def test_the_checksum_of_a_frame() -> None:
    assert crc(b"123456789") == bytes.fromhex("6e90")  # the check value of CRC-16/X-25
    assert framed(b"\x03", b"\x21", 0x93) == bytes.fromhex("7ea0070321930f017e")


def test_every_switch_of_the_command_line_comes_to_something() -> None:
    parser = argparse.ArgumentParser()
    add_dlms_options(parser)
    line = "--meter pcc:dlms_electricity:1 --client 2 --password pw --keys 00:11 --blocks 9 --one-by-one --refuses 1"
    more = "--lacks 1-0:1.7.0 --busy 1-0:2.7.0 --scaler active_power_w=-1 --clock none"
    made = unit_of(parser.parse_args([*line.split(), *more.split()]), "dlms_electricity")
    assert made.manners == Manners(
        client=2,
        password=b"pw",
        keys=(b"\x00", b"\x11"),
        lists=False,
        grants_lists=False,
        block_bytes=9,
        refuses=1,
    )
    assert (made.objects.lacks, made.objects.busy) == ({"1-0:1.7.0"}, {"1-0:2.7.0"})
    assert (made.objects.scalers, made.objects.clock) == ({"active_power_w": -1}, None)


def test_a_process_shows_the_power_of_its_node() -> None:
    async def run() -> Sample:
        port = free_port()
        async with world() as address, Processes() as processes:
            await processes.start(
                "dlms", "--world", address, "--framing", "hdlc", "--meter", f"feeder-b:dlms_electricity:{port}:17"
            )
            meter = DlmsMeter(
                id="m",
                place=DlmsPlace(transport="hdlc_over_tcp", host="127.0.0.1", port=port),
                address=Station(client=1, server=1, physical=17),
                profile=load_dlms_profile("dlms_electricity"),
                poll_s=1.0,
                timeout_s=2.0,
            )
            seen = Seen()
            async with running(read_line([meter], seen)):
                found = await seen.until(lambda each: isinstance(each, Sample) and "active_power_w" in each.values)
                assert isinstance(found, Sample)
                return found

    assert asyncio.run(run()).values["active_power_w"] == -20_000.0
