from __future__ import annotations

import asyncio

import pytest

from simulators.substation.frames import RtuFrames, ServedRequest, TcpFrames, crc

READ = bytes.fromhex("0300000002")


def requests(framing, *chunks: bytes) -> list[ServedRequest]:
    async def scenario() -> list[ServedRequest]:
        reader = asyncio.StreamReader()
        for chunk in chunks:
            reader.feed_data(chunk)
        reader.feed_eof()
        return [request async for request in framing.requests(reader)]

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "checksum"),
    [("0207", "4112"), ("010300000002", "c40b"), ("110304ae415652434049", ""), ("01030419001d", "")],
)
def test_checksum_of_known_frames(body, checksum):
    """The first from the specification (6.2.2), the second from any meter's manual; a frame with its own gives 0."""
    data = bytes.fromhex(body)
    assert crc(data + crc(data)) == b"\0\0"
    assert not checksum or crc(data).hex() == checksum


def test_tcp_requests_come_in_whatever_pieces():
    frame = bytes.fromhex("0007 0000 0006 11") + READ
    other_protocol = bytes.fromhex("0001 0001 0006 11") + READ
    assert requests(TcpFrames, frame[:3], frame[3:] + other_protocol + frame[:5]) == [ServedRequest(7, 0x11, READ)]


def test_rtu_requests_are_found_among_noise():
    body = b"\x11" + READ
    frame = body + crc(body)
    spoilt = body + b"\0\0"
    assert requests(RtuFrames, frame[:5], frame[5:], b"\0\xff" + spoilt, frame) == [ServedRequest(0, 0x11, READ)] * 2


def test_answers():
    pdu = bytes.fromhex("03020005")
    assert TcpFrames.frame(7, 0x11, pdu).hex() == "00070000000511" + "03020005"
    assert TcpFrames.frame(7, 0x11, pdu, spoilt=True).hex() == "00070000000611" + "03020005"
    body = b"\x11" + pdu
    assert RtuFrames.frame(7, 0x11, pdu) == body + crc(body)
    assert RtuFrames.frame(7, 0x11, pdu, spoilt=True)[-2:] != crc(body)
