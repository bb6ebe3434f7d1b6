"""Messages behind the wrapper of eight bytes that TCP needs (IEC 62056-4-7): version 1, who sends, who is asked, the length."""

from __future__ import annotations

import struct
from typing import Final

from drivers.errors import DriverLoss
from drivers.meters.dlms.place import Station
from drivers.meters.dlms.stream import ByteStream

_HEAD: Final = struct.Struct(">HHHH")
_VERSION: Final = 1
_BEGINS: Final = _VERSION.to_bytes(2, "big")
#: With what an HDLC frame begins.
_FLAG: Final = 0x7E


def wrapped(source: int, target: int, apdu: bytes) -> bytes:
    """Return a message behind its wrapper."""
    return _HEAD.pack(_VERSION, source, target, len(apdu)) + apdu


def take(received: bytearray) -> tuple[int, int, bytes] | None:
    """Take the first message out of what has come: who sent it, to whom, and the message; None where it is not complete.

    Raises DriverLoss for what is no wrapper.
    """
    if received[:1] == bytes([_FLAG]):
        raise DriverLoss("it answers with HDLC frames: with `transport: hdlc_over_tcp` they are read")
    if not _BEGINS.startswith(received[:2]):
        raise DriverLoss(f"it answers with bytes that are not DLMS: 0x{bytes(received[:8]).hex()}")
    if len(received) < _HEAD.size:
        return None
    _, source, target, length = _HEAD.unpack_from(received)
    if len(received) < _HEAD.size + length:
        return None
    apdu = bytes(received[_HEAD.size : _HEAD.size + length])
    del received[: _HEAD.size + length]
    return source, target, apdu


class WrapperLink:
    """One client and one server on a line. `most_bytes`: the longest message that it carries to the meter."""

    most_bytes = 0xFFFF

    def __init__(self, stream: ByteStream, address: Station) -> None:
        self._stream, self._address = stream, address

    async def open(self, within_s: float) -> None:
        """Nothing has to be opened."""

    def close(self) -> None:
        """Nothing has to be told: the end of the connection is the end of the association."""

    def send(self, apdu: bytes) -> None:
        """Send a message; raises Closed."""
        self._stream.write(wrapped(self._address.client, self._address.server, apdu))

    async def receive(self, until_s: float, within_s: float) -> bytes:
        """Return the next message from this server to this client; raises Silent, Closed and DriverLoss."""
        ours = self._address.server, self._address.client
        while True:
            found = take(self._stream.received)
            if found is None:
                await self._stream.more(until_s, within_s)
            elif found[:2] == ours:
                return found[2]
