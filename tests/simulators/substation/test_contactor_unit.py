"""Contactors on Modbus: a unit of inputs and outputs over a real world, switched by our driver and by mbpoll."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from drivers.contactors.modbus import CoilContactor
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from simulators import messages
from simulators.curve import Curve
from simulators.devicewire import DeviceWire
from simulators.substation.contactor_unit import ContactorUnit, WiredContactor, parse_contactor
from simulators.substation.modbus_server import Faults, serve_gateway
from simulators.world.physics import Physics
from simulators.world.referee import Thresholds
from simulators.world.site import read_site
from simulators.world.vices import ContactorVice
from simulators.world.world import World
from simulators.worldlink import GetTruth, Truth, serve
from tests.e2e.yard import SITE
from tests.ports import free_port
from tests.simulators.substation.test_processes import Processes, ends_well
from tests.waiting import DEADLINE_S

HALL = WiredContactor(node="hall", port="", unit=3, coil=12, position_input=4, closed_on=True)
RACK = WiredContactor(node="rack", port="", unit=3, coil=13, position_input=None, closed_on=False)
#: For what is never answered.
IMPATIENT_S = 0.2


@pytest.fixture
def world(tmp_path: Path) -> World:
    text = SITE.read_text()
    for node in ("hall", "rack"):
        text = text.replace(f"{{id: {node}, parent: pcc,", f"{{id: {node}, parent: pcc, contactor: {{}},")
    (tmp_path / "site.yaml").write_text(text)
    curve = Curve(t_s=np.array([0.0]), surplus_w=np.array([1e5]), label="level")
    return World(Physics(read_site(tmp_path / "site.yaml"), seed=1), curve, Thresholds())


@asynccontextmanager
async def served(world: World) -> AsyncIterator[tuple[str, int]]:
    async with await serve("127.0.0.1", 0, world.answer) as server:
        yield "127.0.0.1", server.sockets[0].getsockname()[1]


@asynccontextmanager
async def unit_over(world: World, faults: Faults | None = None, contactor_s: float = DEADLINE_S) -> AsyncIterator[int]:
    """Yield the port of a gateway with unit 3, which has both contactors, and answers for none after `contactor_s`."""
    async with served(world) as address:
        wire = DeviceWire(*address, timeout_s=contactor_s)
        unit = ContactorUnit([HALL, RACK], wire, faults or Faults())
        async with await serve_gateway("127.0.0.1", 0, units={3: unit}) as server:
            yield server.sockets[0].getsockname()[1]
        await wire.close()


def driver(port: int, wired: WiredContactor, timeout_s: float = DEADLINE_S) -> CoilContactor:
    return CoilContactor(
        host="127.0.0.1",
        port=port,
        unit=wired.unit,
        coil=wired.coil,
        closed_on=wired.closed_on,
        position_input=wired.position_input,
        timeout_s=timeout_s,
    )


def truly_closed(world: World) -> dict[str, bool]:
    truth = world.answer(GetTruth())
    assert isinstance(truth, Truth)
    return truth.contactors


@pytest.mark.parametrize(("wired", "other"), [(HALL, "rack"), (RACK, "hall")])
def test_our_driver_switches_and_reads_it_and_the_world_follows(world, wired, other):
    async def play() -> None:
        async with unit_over(world) as port:
            contactor = driver(port, wired)
            assert await contactor.read() is True
            for closed in (False, True, False):
                assert await contactor.switch(closed=closed) is CommandOutcome.ACCEPTED
                assert truly_closed(world) == {wired.node: closed, other: True}
                assert await contactor.read() is closed
            await contactor.close()

    asyncio.run(play())


def test_a_welded_one_reads_as_open_while_the_world_says_that_it_is_closed(world):
    async def play() -> None:
        async with unit_over(world) as port:
            contactor = driver(port, HALL)
            world.answer(messages.SetContactorVice(nodes=["hall"], vice=ContactorVice.WELDED, on=True))
            assert await contactor.switch(closed=False) is CommandOutcome.ACCEPTED
            assert await contactor.read() is False
            assert truly_closed(world)["hall"] is True
            await contactor.close()

    asyncio.run(play())


def test_a_silent_one_is_not_answered_for_and_the_other_of_the_unit_is(world):
    async def play() -> None:
        async with unit_over(world, contactor_s=IMPATIENT_S / 4) as port:
            world.answer(messages.SetContactorVice(nodes=["hall"], vice=ContactorVice.SILENT, on=True))
            silent, speaking = driver(port, HALL, IMPATIENT_S), driver(port, RACK, 2 * IMPATIENT_S)
            assert await silent.switch(closed=False) is CommandOutcome.UNKNOWN
            with pytest.raises(DriverLoss, match=r"no complete answer|accepts no connection"):
                await silent.read()
            while await speaking.switch(closed=False) is not CommandOutcome.ACCEPTED:
                pass  # a busy machine may not get it in time
            assert truly_closed(world) == {"hall": True, "rack": False}
            await silent.close()
            await speaking.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("faults", "outcome", "closed"),
    [
        (Faults(exception=2), CommandOutcome.REFUSED, True),
        (Faults(exception=4), CommandOutcome.UNKNOWN, True),
        (Faults(dead="exception"), CommandOutcome.UNKNOWN, True),
        (Faults(transaction_shift=1), CommandOutcome.UNKNOWN, False),  # it was done, and nobody says so
        (Faults(unit_shift=1), CommandOutcome.UNKNOWN, False),
        (Faults(cut_to=9), CommandOutcome.UNKNOWN, False),
        (Faults(split_s=0.01), CommandOutcome.ACCEPTED, False),
    ],
)
def test_what_our_driver_makes_of_a_bad_unit(world, faults, outcome, closed):
    patient = outcome is not CommandOutcome.UNKNOWN or faults.dead or faults.exception

    async def play() -> None:
        async with unit_over(world, faults) as port:
            contactor = driver(port, HALL, DEADLINE_S if patient else IMPATIENT_S)
            assert await contactor.switch(closed=False) is outcome
            while truly_closed(world)["hall"] is not closed:  # a busy machine may not get it in time
                assert await contactor.switch(closed=False) is outcome
            await contactor.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        ("01000c0002", "010101"),  # the coil that is on while closed, and the one that is off
        ("0200040001", "020101"),
        ("05000c0000", "05000c0000"),
        ("01000b0001", "8102"),
        ("01000c0003", "8102"),
        ("02000c0001", "8202"),
        ("05000bff00", "8502"),
        ("05000c0001", "8503"),
        ("01000c0000", "8103"),
        ("01000c07d1", "8103"),
        ("0f000c00010101", "8f01"),
        ("03000c0001", "8301"),
    ],
)
def test_what_the_unit_answers(world, pdu, answer):
    async def play() -> bytes | None:
        async with served(world) as address:
            wire = DeviceWire(*address, timeout_s=DEADLINE_S)
            said = await ContactorUnit([HALL, RACK], wire, Faults()).respond(bytes.fromhex(pdu))
            await wire.close()
            return said

    said = asyncio.run(play())
    assert said is not None
    assert said.hex() == answer


@pytest.mark.parametrize(
    ("text", "wired"),
    [
        (
            "hall:5020:3:12",
            WiredContactor(node="hall", port="5020", unit=3, coil=12, position_input=None, closed_on=True),
        ),
        (
            "hall:5020:3:12:4",
            WiredContactor(node="hall", port="5020", unit=3, coil=12, position_input=4, closed_on=True),
        ),
        (
            "hall:5020:3:0:off",
            WiredContactor(node="hall", port="5020", unit=3, coil=0, position_input=None, closed_on=False),
        ),
        (
            "hall:5020:3:0:4:off",
            WiredContactor(node="hall", port="5020", unit=3, coil=0, position_input=4, closed_on=False),
        ),
    ],
)
def test_the_option(text, wired):
    assert parse_contactor(text) == wired


@pytest.mark.parametrize(
    "text", ["hall", "hall:5020:3", "hall:5020:3:x", "hall:5020:3:1:2:3", "hall:/dev/tty:3:1", "hall:5020:3:1:on"]
)
def test_an_option_that_is_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="allowed is NODE:PORT:UNIT:COIL"):
        parse_contactor(text)


@pytest.mark.skipif(which("mbpoll") is None, reason="mbpoll is not installed")
def test_mbpoll_opens_and_closes_the_contactors_of_a_process(world):
    """-t 0 is a coil, -t 1 a discrete input; -0 counts addresses from 0; a value at the end is written."""

    async def poll(port: int, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "mbpoll", "-0", "-1", "-p", str(port), "-a", "3", *arguments, stdout=subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, out
        return out.decode()

    async def play() -> None:
        port = free_port()
        async with served(world) as (host, link_port), Processes() as processes:
            process = await processes.start(
                *("modbus", "--world", f"{host}:{link_port}"),
                *("--contactor", f"hall:{port}:3:12:4", "--contactor", f"rack:{port}:3:13:off"),
            )
            async with asyncio.timeout(DEADLINE_S):
                assert "[12]: \t1" in await poll(port, "-t", "0", "-r", "12", "127.0.0.1")
                assert "[13]: \t0" in await poll(port, "-t", "0", "-r", "13", "127.0.0.1")
                assert "[4]: \t1" in await poll(port, "-t", "1", "-r", "4", "127.0.0.1")
                assert "Written 1" in await poll(port, "-t", "0", "-r", "12", "127.0.0.1", "0")
                assert "[4]: \t0" in await poll(port, "-t", "1", "-r", "4", "127.0.0.1")
                assert truly_closed(world) == {"hall": False, "rack": True}
                await poll(port, "-t", "0", "-r", "13", "127.0.0.1", "1")
                await poll(port, "-t", "0", "-r", "12", "127.0.0.1", "1")
                assert truly_closed(world) == {"hall": True, "rack": False}
            assert await ends_well(process)

    asyncio.run(play())
