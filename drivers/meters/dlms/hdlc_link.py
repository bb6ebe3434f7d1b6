"""One client and one meter on an HDLC line: set up, messages in numbered frames, long ones in parts."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from drivers.errors import DriverLoss
from drivers.meters.dlms import hdlc
from drivers.meters.dlms.place import Station
from drivers.meters.dlms.stream import ByteStream, Silent

#: The longest message that is put together, in bytes.
_LONGEST: Final = 1 << 17
_NOT_NOW: Final = "the meter refuses the link (disconnected mode): another client may hold it"


class HdlcLink:
    """The link; what it raises ends it, and `open` begins it anew."""

    def __init__(self, stream: ByteStream, address: Station) -> None:
        self._stream = stream
        self._server, self._client = hdlc.server_address(address), hdlc.client_address(address)
        self._send_number = self._receive_number = 0
        self.most_bytes = hdlc.USUAL_BYTES - len(hdlc.TO_METER)

    async def open(self, within_s: float) -> None:
        """Set the link up; raises Silent, Closed and DriverLoss."""
        self._stream.received.clear()
        self._write(hdlc.SNRM)
        until_s = asyncio.get_running_loop().time() + within_s
        while (frame := await self._frame(until_s, within_s)).control | hdlc.POLL != hdlc.UA:
            if frame.control | hdlc.POLL == hdlc.DM:
                raise DriverLoss(_NOT_NOW)
        self._send_number = self._receive_number = 0
        self.most_bytes = hdlc.largest_to_meter(frame.info) - len(hdlc.TO_METER)

    def send(self, apdu: bytes) -> None:
        """Send a message in one frame; raises Closed."""
        if len(apdu) > self.most_bytes:
            raise DriverLoss(f"a question of {len(apdu)} bytes, and the meter takes {self.most_bytes} in a frame")
        control = self._receive_number << 5 | hdlc.POLL | self._send_number << 1
        self._send_number = (self._send_number + 1) % 8
        self._write(control, hdlc.TO_METER + apdu)

    async def receive(self, until_s: float, within_s: float) -> bytes:
        """Return the next message, all its parts together; raises Silent, Closed and DriverLoss."""
        message = bytearray()
        while True:
            frame = await self._frame(until_s, within_s)
            if frame.control | hdlc.POLL in {hdlc.DM, hdlc.FRMR}:
                raise DriverLoss("the meter has ended the link, or does not take the frame")
            if not frame.numbered or frame.sent != self._receive_number:
                continue  # a late one, or one that only confirms
            self._receive_number = (self._receive_number + 1) % 8
            message += frame.info
            if len(message) > _LONGEST:
                raise DriverLoss(f"an answer of more than {_LONGEST} bytes")
            if not frame.segmented:
                break
            self._write(self._receive_number << 5 | hdlc.POLL | 0x01)  # ready for the next part
        if message[:3] != hdlc.FROM_METER:
            raise DriverLoss(f"a frame without a message in it: 0x{bytes(message[:8]).hex()}")
        return bytes(message[3:])

    def close(self) -> None:
        """Tell the meter that the link has ended, so that another client gets it at once; nothing is waited for."""
        with contextlib.suppress(DriverLoss):
            self._write(hdlc.DISC)

    def _write(self, control: int, info: bytes = b"") -> None:
        self._stream.write(hdlc.framed(self._server, self._client, control, info))

    async def _frame(self, until_s: float, within_s: float) -> hdlc.Frame:
        """Return the next frame from this meter to this client."""
        while True:
            if asyncio.get_running_loop().time() > until_s:
                raise Silent(f"no answer within {within_s:g} s, only what is no answer to the question", heard=True)
            frame = hdlc.take(self._stream.received)
            if frame is None:
                await self._stream.more(until_s, within_s)
            elif frame.to == self._client and frame.sender == self._server:
                return frame
