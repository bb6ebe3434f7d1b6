"""Bytes from a meter, read from the front; what is not there is no answer."""

from __future__ import annotations

from drivers.errors import DriverLoss


class Malformed(DriverLoss):
    """What came is not DLMS/COSEM as it can be written; the text says where it ends to be."""


class ByteCursor:
    """A place in `data`, which has come from a meter: nothing in it is true before it is looked at."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        """How many bytes are still to be read."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes; raises Malformed where there are fewer."""
        if count > self.left:
            raise Malformed(f"an answer that ends {count - self.left} bytes too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def number(self, size: int) -> int:
        """Return the next `size` bytes as a number, the most significant first."""
        return int.from_bytes(self.take(size), "big")

    def length(self) -> int:
        """Return a length as A-XDR and BER write it: one byte to 127, else how many bytes of it follow (IEC 61334-6)."""
        first = self.byte()
        if first < 0x80:
            return first
        if not 1 <= first - 0x80 <= 4:
            raise Malformed(f"a length that begins with 0x{first:02x}")
        return self.number(first - 0x80)

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(self.left)


def length_of(count: int) -> bytes:
    """Return how a length is written."""
    if count < 0x80:
        return bytes([count])
    size = (count.bit_length() + 7) // 8
    return bytes([0x80 | size]) + count.to_bytes(size, "big")


def tagged(tag: int, content: bytes) -> bytes:
    """Return `content` behind its tag and its length."""
    return bytes([tag]) + length_of(len(content)) + content
