"""What comes at the wrong time on a line, byte by byte: late answers, frames that are sent again, frames of others."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from drivers.errors import DriverLoss
from drivers.meters.dlms import hdlc
from drivers.meters.dlms.association import Association
from drivers.meters.dlms.hdlc_link import HdlcLink
from drivers.meters.dlms.place import DlmsPlace, Station, Transport
from drivers.meters.dlms.stream import ByteStream, Closed, Silent
from drivers.meters.dlms.wrapper import WrapperLink, wrapped
from drivers.meters.dlms.xdlms import Attribute

POWER = Attribute(3, bytes([1, 0, 1, 7, 0, 255]), 2)
METER, CLIENT = b"\x03", b"\x21"


class Wire:
    """What is written to a meter that answers nothing by itself."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, content: bytes) -> None:
        self.written.append(content)

    def close(self) -> None:
        pass


def connected(transport: Transport = "hdlc_over_tcp") -> tuple[ByteStream, Wire]:
    stream, wire = ByteStream(DlmsPlace(transport=transport)), Wire()
    stream.connection_made(cast("asyncio.BaseTransport", wire))
    return stream, wire


def numbered(number: int, info: bytes, **more: bool) -> bytes:
    return hdlc.framed(CLIENT, METER, 0x10 | number << 1, info, **more)


UA = hdlc.framed(CLIENT, METER, hdlc.UA)


async def linked(stream: ByteStream) -> HdlcLink:
    link = HdlcLink(stream, Station(client=16, server=1))
    opening = asyncio.create_task(link.open(1.0))
    await asyncio.sleep(0)
    stream.data_received(UA)
    await opening
    return link


async def message(link: HdlcLink) -> bytes:
    return await link.receive(asyncio.get_running_loop().time() + 0.05, 0.05)


def test_what_is_left_of_an_earlier_link_is_no_answer_on_a_new_one() -> None:
    async def run() -> None:
        stream, _ = connected()
        stream.data_received(UA + numbered(0, hdlc.FROM_METER + b"old"))
        link = await linked(stream)
        with pytest.raises(Silent):
            await message(link)

    asyncio.run(run())


def test_a_frame_that_is_sent_again_is_taken_once() -> None:
    async def run() -> None:
        stream, _ = connected()
        link = await linked(stream)
        first = numbered(0, hdlc.FROM_METER + b"first")
        stream.data_received(first + first)
        assert await message(link) == b"first"
        with pytest.raises(Silent):
            await message(link)
        stream.data_received(numbered(1, hdlc.FROM_METER + b"second"))
        assert await message(link) == b"second"

    asyncio.run(run())


def test_a_long_message_is_put_together_and_each_part_confirmed() -> None:
    async def run() -> None:
        stream, wire = connected()
        link = await linked(stream)
        for number, part in enumerate((hdlc.FROM_METER + b"a", b"b", b"c")):
            stream.data_received(numbered(number, part, segmented=number < 2))
        assert await message(link) == b"abc"
        assert [frame[5] for frame in wire.written[1:]] == [0x31, 0x51]  # ready for 1, ready for 2

    asyncio.run(run())


def test_frames_of_other_meters_are_left_alone() -> None:
    async def run() -> None:
        stream, _ = connected()
        link = await linked(stream)
        stream.data_received(hdlc.framed(CLIENT, b"\x05", 0x10, hdlc.FROM_METER + b"other"))
        stream.data_received(numbered(0, hdlc.FROM_METER + b"ours"))
        assert await message(link) == b"ours"

    asyncio.run(run())


@pytest.mark.parametrize("control", [hdlc.DM, hdlc.FRMR])
def test_a_meter_that_ends_the_link_is_a_loss(control: int) -> None:
    async def run() -> None:
        stream, _ = connected()
        link = await linked(stream)
        stream.data_received(hdlc.framed(CLIENT, METER, control))
        with pytest.raises(DriverLoss, match="has ended the link"):
            await message(link)

    asyncio.run(run())


def test_a_question_that_no_frame_holds_is_not_sent() -> None:
    async def run() -> None:
        stream, wire = connected()
        link = await linked(stream)
        with pytest.raises(DriverLoss, match="a question of 200 bytes"):
            link.send(bytes(200))
        assert len(wire.written) == 1

    asyncio.run(run())


def test_the_answer_to_another_question_is_left_alone() -> None:
    async def run() -> None:
        stream, _ = connected()
        link = WrapperLink(stream, Station(client=16, server=1))
        asking = asyncio.create_task(Association(link, None, 1.0).ask([POWER]))
        await asyncio.sleep(0)
        for source, invoke, value in ((1, 9, 7), (2, 1, 8), (1, 1, 42)):
            stream.data_received(wrapped(source, 16, bytes([0xC4, 1, invoke, 0, 0x11, value])))
        assert await asking == (42,)

    asyncio.run(run())


@pytest.mark.parametrize("told", ["c402010000000002000101", "c402010000000001010f", "c4010200"])
def test_parts_out_of_order_are_no_answer(told: str) -> None:
    async def run() -> None:
        stream, _ = connected()
        link = WrapperLink(stream, Station(client=16, server=1))
        asking = asyncio.create_task(Association(link, None, 0.05).ask([POWER]))
        await asyncio.sleep(0)
        stream.data_received(wrapped(1, 16, bytes.fromhex(told)))
        with pytest.raises(DriverLoss):
            await asking

    asyncio.run(run())


def test_a_line_that_sends_without_an_end_is_given_up() -> None:
    async def run() -> None:
        stream, _ = connected()
        stream.data_received(bytes(1 << 14))
        stream.data_received(b"\x00")
        with pytest.raises(Closed, match="without an end"):
            await stream.more(asyncio.get_running_loop().time() + 1.0, 1.0)

    asyncio.run(run())
