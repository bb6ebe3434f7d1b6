"""Random streams of Modbus bytes: an answer that is taken stands in the stream as a whole frame of the unit that was asked."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Final

from drivers.modbus.frames import Framing, NumberlessFraming, RtuFraming, TcpFraming
from drivers.modbus.requests import ReadRequest
from simulators.substation.frames import crc

#: The kind of piece that is the answer as it should be.
PLAIN = 9

Frame = Callable[[int, int, bytes], bytes]


def tcp_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Return a frame of Modbus TCP."""
    return struct.pack(">HHHB", transaction & 0xFFFF, 0, len(pdu) + 1, unit) + pdu


def rtu_frame(_transaction: int, unit: int, pdu: bytes) -> bytes:
    """Return an RTU frame; its checksum is that of another implementation."""
    body = bytes([unit]) + pdu
    return body + crc(body)


_KINDS: Final = ((TcpFraming, tcp_frame), (NumberlessFraming, tcp_frame), (RtuFraming, rtu_frame))


def frames(seed: int, inputs: int) -> int:
    """Feed `inputs` streams to the framings, in pieces; return how many brought an answer."""
    dice, accepted = random.Random(seed), 0
    for _ in range(inputs):
        framing, frame = dice.choice(_KINDS)
        accepted += _one(dice, framing(), frame)
    return accepted


def _one(dice: random.Random, framing: Framing, frame: Frame) -> bool:
    request = ReadRequest(
        unit=dice.randrange(248),
        fc=dice.choice((3, 4)),
        address=dice.randrange(65536),
        count=dice.choice((1, 2, 4, 11, 125)),
        any_unit=dice.random() < 0.05,
    )
    framing.begin()
    framing.ask(request)
    pieces = [_piece(dice, request, frame) for _ in range(dice.choice((1, 1, 2, 3)))]
    stream = b"".join(piece for piece, _ in pieces)
    answer, at = None, 0
    while at < len(stream) and answer is None:
        size = dice.choice((1, 3, 8, 300, 300))
        answer = framing.receive(stream[at : at + size])
        at += size
    assert answer is not None or framing.dropped or not stream, "what came is told"
    if answer is None:
        assert len(pieces) > 1 or not pieces[0][1], f"{request}: the plain answer {stream.hex()} was not taken"
        return False
    if isinstance(answer, str):
        sent = frame(1, request.unit, bytes([request.fc | 0x80, answer.code]))
    else:
        assert len(answer) == request.count, f"{request}: {len(answer)} registers out of {stream.hex()}"
        words = struct.pack(f">{request.count}H", *answer)
        sent = frame(1, request.unit, bytes([request.fc, len(words)]) + words)
    assert any(each in stream for each in _as_sent(framing, request, sent)), (
        f"{request}: {answer} was not sent in {stream.hex()}"
    )
    return True


def _as_sent(framing: Framing, request: ReadRequest, sent: bytes) -> Iterator[bytes]:
    """Yield all forms in which the answer may have stood in the stream."""
    if isinstance(framing, RtuFraming):
        yield sent
        return
    begin = 2 if isinstance(framing, NumberlessFraming) else 0
    for unit in range(256) if request.any_unit else (request.unit,):
        body = bytes([unit]) + sent[7:]
        for each in (body, body + crc(body)):
            yield sent[begin:4] + len(each).to_bytes(2, "big") + each


def _piece(dice: random.Random, request: ReadRequest, frame: Frame) -> tuple[bytes, bool]:
    """Return the answer, one that is not, or noise; and whether it is the plain answer."""
    kind = dice.randrange(13)
    return _bytes(dice, request, frame, kind), kind == PLAIN


def _bytes(dice: random.Random, request: ReadRequest, frame: Frame, kind: int) -> bytes:
    words = dice.randbytes(2 * request.count)
    pdu = bytes([request.fc, len(words)]) + words
    others: dict[int, Callable[[], bytes]] = {
        0: lambda: dice.randbytes(dice.randrange(300)),
        1: lambda: frame(1, request.unit, bytes([request.fc | 0x80, dice.randrange(256)])),
        2: lambda: frame(dice.choice((0, 2, 0xFFFF)), request.unit, pdu),
        3: lambda: frame(1, request.unit ^ 1 << dice.randrange(8), pdu),
        4: lambda: frame(
            1, request.unit, bytes([request.fc, dice.randrange(256)]) + dice.randbytes(dice.randrange(252))
        ),
        5: lambda: frame(1, request.unit, bytes([dice.randrange(256)]) + dice.randbytes(dice.randrange(252))),
        10: lambda: frame(1, request.unit, pdu + crc(bytes([request.unit]) + pdu)),
        11: lambda: bytes(dice.randrange(20)),
        12: lambda: dice.choice((tcp_frame, rtu_frame))(1, request.unit, pdu),
    }
    if kind in others:
        return others[kind]()
    whole = bytearray(frame(1, request.unit, pdu))
    if kind == 6:
        whole[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
    if kind == 7:
        del whole[dice.randrange(len(whole)) :]
    if kind == 8:
        whole.insert(dice.randrange(len(whole)), dice.randrange(256))
    return bytes(whole)
