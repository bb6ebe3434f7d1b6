"""Frames of HDLC as meters use it: type 3, three-layer profile, one frame under way at a time (IEC 62056-46)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.errors import DriverLoss
from drivers.meters.dlms.place import Station

FLAG: Final = 0x7E
#: Control bytes: set up, disconnect, their answers, and the bit that asks for an answer.
SNRM, DISC, UA, DM, FRMR = 0x93, 0x53, 0x73, 0x1F, 0x97
POLL: Final = 0x10
#: What stands before a message to the meter, and before one from it (LLC).
TO_METER, FROM_METER = b"\xe6\xe6\x00", b"\xe6\xe7\x00"
#: Format type 3, one more part follows, and how much of a frame's two first bytes is its length.
_TYPE, _SEGMENTED, _LENGTH = 0xA000, 0x0800, 0x07FF
_WRAPPER: Final = b"\x00\x01\x00"
_LEAST: Final = 7
#: Largest information field where nothing else is agreed.
USUAL_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame that came with right checks. `to`, `sender`: addresses as bytes."""

    to: bytes
    sender: bytes
    control: int
    info: bytes
    segmented: bool

    @property
    def numbered(self) -> bool:
        """Whether it carries a part of a message."""
        return self.control & 0x01 == 0

    @property
    def sent(self) -> int:
        """Its number, of a numbered one."""
        return self.control >> 1 & 7


def checksum(content: bytes) -> bytes:
    """Return the frame check sequence: CRC of 16 bits as of X.25, the least significant byte first."""
    crc = 0xFFFF
    for byte in content:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return (crc ^ 0xFFFF).to_bytes(2, "little")


def _of_byte(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x8408 if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(_of_byte(byte) for byte in range(256))


def client_address(address: Station) -> bytes:
    """Return the client as a frame has it."""
    return bytes([address.client << 1 & 0xFE | 1])


def server_address(address: Station) -> bytes:
    """Return the server, and the physical device where there is one, as a frame has them."""
    parts = [address.server] + ([] if address.physical is None else [address.physical])
    length = address.length or (len(parts) if max(parts) < 1 << 7 else 4)
    if length == 1:
        return bytes([address.server << 1 & 0xFE | 1])
    parts, size = [*parts, 0][:2], length // 2
    sevens = [part >> 7 * shift & 0x7F for part in parts for shift in reversed(range(size))]
    return bytes([seven << 1 for seven in sevens[:-1]] + [sevens[-1] << 1 | 1])


def framed(to: bytes, sender: bytes, control: int, info: bytes = b"", *, segmented: bool = False) -> bytes:
    """Return a frame between its flags."""
    length = 2 + len(to) + len(sender) + 1 + 2 + (len(info) + 2 if info else 0)
    head = (_TYPE | (_SEGMENTED if segmented else 0) | length).to_bytes(2, "big") + to + sender + bytes([control])
    body = head + checksum(head) + info if info else head
    return bytes([FLAG]) + body + checksum(body) + bytes([FLAG])


def take(received: bytearray) -> Frame | None:
    """Take the first frame with right checks out of what has come, and all that stands before it; None where there is none.

    Raises DriverLoss for the wrapper of TCP.
    """
    if received[:3] == _WRAPPER:
        raise DriverLoss("it answers in the wrapper: with `transport: wrapper` it is read")
    while True:
        start = received.find(FLAG)
        del received[: start if start >= 0 else len(received)]
        if len(received) < 3:
            return None
        form = int.from_bytes(received[1:3], "big")
        length = form & _LENGTH
        if form & 0xF000 != _TYPE or length < _LEAST:
            del received[0]
            continue
        if len(received) < length + 2:
            return None
        body, flag = bytes(received[1 : length + 1]), received[length + 1]
        if flag == FLAG and (frame := _read(body, segmented=bool(form & _SEGMENTED))) is not None:
            del received[: length + 1]  # the flag behind may be the one before the next
            return frame
        del received[0]


def _read(body: bytes, *, segmented: bool) -> Frame | None:
    if checksum(body[:-2]) != body[-2:]:
        return None
    at = 2
    addresses = []
    for _ in range(2):
        end = next((each + 1 for each in range(at, min(at + 4, len(body) - 2)) if body[each] & 1), 0)
        if not end:
            return None
        addresses.append(body[at:end])
        at = end
    if at >= len(body) - 2:
        return None
    control, info = body[at], body[at + 1 : -2]
    if info:
        if len(info) < 2 or checksum(body[: at + 1]) != info[:2]:
            return None
        info = info[2:]
    return Frame(addresses[0], addresses[1], control, info, segmented)


def largest_to_meter(info: bytes) -> int:
    """Return the largest information field that the meter takes, from its answer to SNRM."""
    at = 3
    if info[:2] != b"\x81\x80":
        return USUAL_BYTES
    while at + 2 <= len(info):
        kind, size = info[at], info[at + 1]
        if kind == 0x06:
            return max(int.from_bytes(info[at + 2 : at + 2 + size], "big"), 32)
        at += 2 + size
    return USUAL_BYTES
