"""A contactor on a Modbus coil: against an independent server, and against every answer that is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.contactors.modbus import CoilContactor
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from tests.ports import free_port
from tests.waiting import DEADLINE_S

#: For what is never answered: so short that a test does not wait, and no test depends on it being long.
IMPATIENT_S = 0.2
#: What a server does with the PDU of a request: the PDU of its answer, None for none.
Reply = Callable[[bytes], bytes | None]


def contactor(port: int, **options) -> CoilContactor:
    wanted = {"coil": 12, "closed_on": True, "timeout_s": DEADLINE_S, **options}
    return CoilContactor(host="127.0.0.1", port=port, **wanted)


@asynccontextmanager
async def independent(*, coils: list[bool], inputs: list[bool]):
    """Yield the port of pymodbus's own server, whose unit 3 has these coils and discrete inputs from address 8 on."""
    blocks = (
        [SimData(8, values=coils, datatype=DataType.BITS)],
        [SimData(8, values=inputs, datatype=DataType.BITS)],
        [SimData(0, values=0, datatype=DataType.REGISTERS)],
        [SimData(0, values=0, datatype=DataType.REGISTERS)],
    )
    port = free_port()
    server = ModbusTcpServer(SimDevice(3, simdata=blocks), address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield port
    finally:
        await server.shutdown()


@asynccontextmanager
async def scripted(reply: Reply, *, shift: int = 0, hang_up: bool = False, is_dead: Callable[[], bool] = bool):
    """Yield the port of a server that answers as told, and the list of the PDUs that it was asked.

    `shift`: added to the transaction of each answer. `hang_up`: it closes the connection after each. `is_dead`: asked for
    each connection, whether all on it goes unanswered.
    """
    asked: list[bytes] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dead = is_dead()
        try:
            while True:
                head = await reader.readexactly(7)
                asked.append(pdu := await reader.readexactly(head[5] - 1))
                if not dead and (answer := reply(pdu)) is not None:
                    transaction = int.from_bytes(head[:2], "big") + shift
                    length = (len(answer) + 1).to_bytes(2, "big")
                    writer.write(transaction.to_bytes(2, "big") + b"\0\0" + length + head[6:7] + answer)
                if hang_up:
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(converse, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], asked


@pytest.mark.parametrize("closed_on", [True, False])
def test_an_independent_server_is_switched_and_read_back(closed_on):
    async def check() -> None:
        async with independent(coils=[False] * 16, inputs=[False] * 16) as port:
            switched = contactor(port, unit=3, closed_on=closed_on)
            assert await switched.read() is not closed_on, "as the coil lies"
            for closed in (True, False, True):
                assert await switched.switch(closed=closed) is CommandOutcome.ACCEPTED
                assert await switched.read() is closed
            await switched.close()

    asyncio.run(check())


def test_the_auxiliary_contact_is_read_and_not_the_coil():
    async def check() -> None:
        async with independent(coils=[True] * 16, inputs=[False] * 5 + [True] + [False] * 10) as port:
            shut, open_ = contactor(port, unit=3, position_input=13), contactor(port, unit=3, position_input=14)
            assert await shut.read() is True
            assert await open_.read() is False
            await shut.close()
            await open_.close()

    asyncio.run(check())


def test_the_bytes_that_are_asked():
    async def check() -> None:
        async with scripted(lambda pdu: pdu if pdu[0] == 5 else bytes([pdu[0], 1, 0xFE])) as (port, asked):
            switched = contactor(port, position_input=3)
            await switched.switch(closed=True)
            await switched.switch(closed=False)
            assert await switched.read() is False, "only the first bit is ours"
            assert asked == [
                bytes.fromhex("05 000c ff00"),
                bytes.fromhex("05 000c 0000"),
                bytes.fromhex("02 0003 0001"),
            ]
            await switched.close()

    asyncio.run(check())


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (1, CommandOutcome.REFUSED),
        (2, CommandOutcome.REFUSED),
        (3, CommandOutcome.REFUSED),
        (6, CommandOutcome.REFUSED),
        (4, CommandOutcome.UNKNOWN),  # it failed in the middle of it
        (5, CommandOutcome.UNKNOWN),  # it is still at it
        (10, CommandOutcome.UNKNOWN),
        (11, CommandOutcome.UNKNOWN),  # its gateway has sent it
    ],
)
def test_an_exception_is_a_no_only_where_it_says_that_nothing_was_done(code, outcome):
    async def check() -> None:
        async with scripted(lambda pdu: bytes([pdu[0] | 0x80, code])) as (port, _):
            switched = contactor(port)
            assert await switched.switch(closed=False) is outcome
            with pytest.raises(DriverLoss, match=rf"unit 1 at 127.0.0.1:{port}: exception {code} "):
                await switched.read()
            await switched.close()

    asyncio.run(check())


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: None,
        lambda pdu: pdu[:3] + b"\xff\x00",  # the other state
        lambda pdu: b"\x05\x00\x0d" + pdu[3:],  # another coil
        lambda pdu: pdu[:4],
        lambda pdu: pdu + b"\0",
        lambda pdu: b"\x0f" + pdu[1:],
        lambda _: b"\x01\x01\x00",  # the answer to a read
    ],
)
def test_what_is_no_echo_of_the_write_is_no_acceptance(reply):
    async def check() -> None:
        async with scripted(reply) as (port, asked):
            switched = contactor(port, timeout_s=IMPATIENT_S)
            while not asked:  # a busy machine may not connect in time
                assert await switched.switch(closed=False) is CommandOutcome.UNKNOWN
            await switched.close()

    asyncio.run(check())


def test_a_late_answer_is_not_taken_for_this_ones():
    async def check() -> None:
        async with scripted(lambda _: b"\x01\x01\x01", shift=-1) as (port, _):
            switched = contactor(port, timeout_s=IMPATIENT_S)
            said = ""
            while "only a late one of unit 1" not in said:  # a busy machine may not get it in time
                with pytest.raises(DriverLoss) as loss:
                    await switched.read()
                said = str(loss.value)
            await switched.close()

    asyncio.run(check())


def test_nobody_there_is_unknown_and_a_loss():
    async def check() -> None:
        switched = contactor(free_port())
        assert await switched.switch(closed=False) is CommandOutcome.UNKNOWN
        with pytest.raises(DriverLoss, match="accepts no connection"):
            await switched.read()
        await switched.close()

    asyncio.run(check())


def test_a_coil_has_no_hold_of_its_own():
    async def check() -> None:
        async with scripted(lambda pdu: pdu) as (port, asked):
            switched = contactor(port)
            assert await switched.switch(closed=True, hold_s=5.0) is CommandOutcome.REFUSED
            assert asked == []
            await switched.close()

    asyncio.run(check())


def test_the_next_request_opens_a_new_connection_after_one_that_ended():
    async def check() -> None:
        async with scripted(lambda pdu: pdu, hang_up=True) as (port, asked):
            switched = contactor(port)
            assert await switched.switch(closed=False) is CommandOutcome.ACCEPTED
            while await switched.switch(closed=False) is not CommandOutcome.ACCEPTED:
                assert len(asked) < 5  # its end may come while the next request is under way
            await switched.close()

    asyncio.run(check())


def test_a_unit_that_is_silent_for_once_is_asked_over_another_connection():
    """The old one may be dead for ever, and say nothing of it."""

    async def check() -> None:
        dead = iter([True])
        async with scripted(lambda pdu: pdu, is_dead=lambda: next(dead, False)) as (port, asked):
            switched = contactor(port, timeout_s=IMPATIENT_S)
            while not asked:
                assert await switched.switch(closed=False) is CommandOutcome.UNKNOWN
            while await switched.switch(closed=False) is not CommandOutcome.ACCEPTED:
                pass
            await switched.close()

    asyncio.run(check())


def test_requests_wait_for_each_other():
    async def check() -> None:
        async with scripted(lambda pdu: pdu if pdu[0] == 5 else b"\x01\x01\x01") as (port, asked):
            switched = contactor(port)
            seen = await asyncio.gather(switched.read(), switched.switch(closed=True), switched.read())
            assert seen == [True, CommandOutcome.ACCEPTED, True]
            assert [pdu[0] for pdu in asked] == [1, 5, 1]
            await switched.close()

    asyncio.run(check())
