"""Registers to engineering values: pure, total, and never a number that is not finite.

Modbus registers are 16-bit words, the most significant byte first. A value of several words comes in big word order
(most significant word first) or in little word order (least significant word first), which differs between makers.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

#: Type of a register value as profiles name it -> its `struct` format, in big-endian order.
FORMATS: Final[Mapping[str, str]] = {
    "int16": ">h",
    "uint16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "int64": ">q",
    "uint64": ">Q",
    "float32": ">f",
    "float64": ">d",
}


def word_count(type_name: str) -> int:
    """Return how many registers a value of the type takes."""
    return struct.calcsize(FORMATS[type_name]) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where one quantity stands in a meter, and how it is written there.

    `fc`: function code 3 or 4. `addresses`: PDU addresses counted from 0; the quantity is the sum of what stands at them.
    `factor`: the SI value of a raw 1, sign included. `invalid`: closed ranges of bit patterns, as unsigned numbers, that
    mean "no value". `plausible`: closed range of SI values that the quantity can have, where one is known.
    """

    fc: int
    addresses: tuple[int, ...]
    type: str
    word_order: str = "big"
    factor: Fraction = Fraction(1)
    invalid: tuple[tuple[int, int], ...] = ()
    plausible: tuple[float, float] | None = None

    @property
    def words(self) -> int:
        """Registers at each address."""
        return word_count(self.type)


@dataclass(frozen=True, slots=True)
class Dropped:
    """No value, and why. `implausible` says that the meter means one, but that it cannot be: the map may be wrong."""

    reason: str
    implausible: bool = False


def decode(register: Register, parts: Sequence[Sequence[int]]) -> float | Dropped:
    """Return the SI value of `register`, from the words at each of its addresses, or why there is none.

    Integers are scaled exactly and rounded once, so that a meter's 2305 with a scale of 0.1 is 230.5.
    """
    raws = [_raw(register, words) for words in parts]
    for raw in raws:
        if isinstance(raw, Dropped):
            return raw
    total = sum(raw for raw in raws if not isinstance(raw, Dropped))
    value = float(total * register.factor.numerator / register.factor.denominator)
    if not math.isfinite(value):
        return Dropped(f"{value} is not finite")
    if register.plausible and not register.plausible[0] <= value <= register.plausible[1]:
        low, high = register.plausible
        return Dropped(f"{value:g} is outside the plausible range {low:g} to {high:g}", implausible=True)
    return value


def _raw(register: Register, words: Sequence[int]) -> int | float | Dropped:
    in_order = words if register.word_order == "big" else words[::-1]
    image = b"".join(word.to_bytes(2, "big") for word in in_order)
    pattern = int.from_bytes(image, "big")
    if any(low <= pattern <= high for low, high in register.invalid):
        return Dropped(f"the meter marks it as invalid (0x{image.hex()})")
    raw: int | float = struct.unpack(FORMATS[register.type], image)[0]
    return raw
