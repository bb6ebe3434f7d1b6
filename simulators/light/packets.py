"""The few packets of MQTT 5 and 3.1.1 that a load needs, as bytes. Sources: OASIS MQTT 5.0 and 3.1.1, sections 2 and 3."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.errors import Refused

CONNACK: Final = 2
PUBLISH: Final = 3
PUBACK: Final = 4
SUBACK: Final = 9
_LONG: Final = 0x80
_LENGTH_BYTES: Final = 4
_WITH_PROPERTIES: Final = 5
#: The property with the seconds after which a broker drops a message that waits there.
_EXPIRY: Final = 2


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: its type, the four bits beside it, and all that follows its length."""

    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class LightMessage:
    """A message as the broker hands it on; `number` is None at QoS 0."""

    topic: str
    payload: bytes
    number: int | None
    retained: bool


def connect(client_id: str, *, keepalive_s: int = 30, will: tuple[str, bytes] | None = None, version: int = 5) -> bytes:
    """Return a CONNECT with a clean start; the will is retained, at QoS 1."""
    flags = 0x02 | (0 if will is None else 0x04 | 0x08 | 0x20)
    body = _text("MQTT") + struct.pack(">BBH", version, flags, keepalive_s) + _properties(version) + _text(client_id)
    if will is not None:
        body += _properties(version) + _text(will[0]) + struct.pack(">H", len(will[1])) + will[1]
    return _packet(0x10, body)


def subscribe(number: int, topic: str, *, qos: int = 1, version: int = 5) -> bytes:
    """Return a SUBSCRIBE for one topic."""
    return _packet(0x82, struct.pack(">H", number) + _properties(version) + _text(topic) + bytes([qos]))


def publish(
    topic: str,
    payload: bytes,
    *,
    number: int | None = None,
    retain: bool = False,
    expiry_s: int | None = None,
    version: int = 5,
) -> bytes:
    """Return a PUBLISH: at QoS 1 with a packet number, at QoS 0 without one."""
    head = _text(topic) + (b"" if number is None else struct.pack(">H", number))
    head += _properties(version) if expiry_s is None else struct.pack(">BBI", 5, _EXPIRY, expiry_s)
    return _packet(0x30 | (0 if number is None else 0x02) | retain, head + payload)


def puback(number: int) -> bytes:
    """Return the PUBACK of a message."""
    return struct.pack(">BBH", PUBACK << 4, 2, number)


def published(packet: Packet) -> LightMessage:
    """Return the message of a PUBLISH."""
    (size,) = struct.unpack_from(">H", packet.body)
    topic, rest = packet.body[2 : 2 + size].decode(), packet.body[2 + size :]
    number = struct.unpack_from(">H", rest)[0] if packet.flags & 0x06 else None
    rest = rest if number is None else rest[2:]
    length, begin = _length(rest, 0)
    return LightMessage(topic, rest[begin + length :], number, bool(packet.flags & 0x01))


class Stream:
    """Bytes of a connection as they come in, cut into packets."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield each packet that is whole now; raises Refused for a length that is none."""
        self._bytes += data
        begin = 0
        while (found := self._next(begin)) is not None:
            packet, begin = found
            yield packet
        del self._bytes[:begin]

    def _next(self, begin: int) -> tuple[Packet, int] | None:
        held = self._bytes
        try:
            length, place = _length(held, begin + 1)
        except IndexError:
            return None
        end = place + length
        if end > len(held):
            return None
        return Packet(held[begin] >> 4, held[begin] & 0x0F, bytes(held[place:end])), end


def _length(data: bytes | bytearray, begin: int) -> tuple[int, int]:
    """Return a length of one to four bytes, and where it ends; IndexError where it is not all there, Refused where it is none."""
    length = 0
    for k in range(_LENGTH_BYTES):
        length += (data[begin + k] & 0x7F) << 7 * k
        if not data[begin + k] & _LONG:
            return length, begin + k + 1
    raise Refused("a length of more than four bytes")


def _properties(version: int) -> bytes:
    """Return no properties, in a version that has them."""
    return b"\0" if version >= _WITH_PROPERTIES else b""


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _packet(first: int, body: bytes) -> bytes:
    length, left = b"", len(body)
    while True:
        left, low = divmod(left, 128)
        length += bytes([low | (_LONG if left else 0)])
        if not left:
            return bytes([first]) + length + body
