"""The types that registers hold: how many words each takes and which number a bit pattern of it is. A table of rows.

Sources: SunSpec Device Information Model Specification for the accumulators; BCD, modulo 10000 and sign-and-magnitude words
are what the makers of meters use where one word of an integer is too small.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

#: Bit pattern, as an unsigned number, to what it stands for; None where the type has no such pattern.
Read = Callable[[int], int | float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """One type.

    `words`: registers that it takes. `lowest`, `highest`: what it can show at most; None for floats. `absent`: bit patterns
    that mean "no value" wherever this type is used.
    """

    words: int
    read: Read
    lowest: int | None = None
    highest: int | None = None
    absent: tuple[int, ...] = ()

    def saturated(self, raw: float) -> bool:
        """Whether `raw` is where this type ends, so that the true number may be any beyond; the 0 of a counter is not."""
        return raw == self.highest or (raw == self.lowest and raw != 0)


def _unsigned(words: int, absent: tuple[int, ...] = ()) -> Encoding:
    return Encoding(words=words, read=lambda pattern: pattern, lowest=0, highest=(1 << 16 * words) - 1, absent=absent)


def _signed(words: int) -> Encoding:
    half = 1 << 16 * words - 1
    return Encoding(words=words, read=lambda pattern: (pattern ^ half) - half, lowest=-half, highest=half - 1)


def _float(words: int, layout: str) -> Encoding:
    def read(pattern: int) -> float:
        number: float = struct.unpack(layout, pattern.to_bytes(2 * words, "big"))[0]
        return number

    return Encoding(words=words, read=read)


def _bcd(words: int) -> Encoding:
    def read(pattern: int) -> int | None:
        digits = f"{pattern:x}"
        return int(digits) if digits.isdecimal() else None

    return Encoding(words=words, read=read, lowest=0, highest=10 ** (4 * words) - 1)


def _mod10000(words: int) -> Encoding:
    def read(pattern: int) -> int | None:
        number = 0
        for shift in range(16 * (words - 1), -1, -16):
            word = pattern >> shift & 0xFFFF
            if word > 9999:
                return None
            number = number * 10000 + word
        return number

    return Encoding(words=words, read=read, lowest=0, highest=10000**words - 1)


def _sign_and_magnitude(pattern: int) -> int:
    return -(pattern & 0x7FFF) if pattern & 0x8000 else pattern


#: Every type that a profile may name.
TYPES: Final[Mapping[str, Encoding]] = {
    "int16": _signed(1),
    "uint16": _unsigned(1),
    "int32": _signed(2),
    "uint32": _unsigned(2),
    "int64": _signed(4),
    "uint64": _unsigned(4),
    "float32": _float(2, ">f"),
    "float64": _float(4, ">d"),
    # A SunSpec accumulator that is 0 does not accumulate.
    "acc32": _unsigned(2, absent=(0,)),
    "acc64": _unsigned(4, absent=(0,)),
    "bcd16": _bcd(1),
    "bcd32": _bcd(2),
    "bcd64": _bcd(4),
    "mod10000_32": _mod10000(2),
    "mod10000_48": _mod10000(3),
    "mod10000_64": _mod10000(4),
    "sm16": Encoding(words=1, read=_sign_and_magnitude, lowest=-0x7FFF, highest=0x7FFF),
}
