"""Registers to engineering values: pure, total, and never a number that is not finite.

Modbus registers are 16-bit words, the most significant byte first, in nearly every meter. A value of several words comes in
big word order (most significant word first) or in little word order (least significant word first), which differs between
makers. The result is rounded once, so it is the nearest number to what the meter shows: 2305 with a scale of 0.1 is 230.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from drivers.meters.encodings import TYPES, Encoding

#: The highest raw number of a SATEC LIN3 register; 0 stands for the low end of its range, this for the high end.
LIN3_TOP: Final = 9999

#: SunSpec allows exponents of ten from -10 to 10, and has this one for "not implemented".
_LARGEST_EXPONENT: Final = 10
_NO_EXPONENT: Final = -0x8000


def word_count(type_name: str) -> int:
    """Return how many registers a value of the type takes."""
    return TYPES[type_name].words


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where one quantity stands in a meter, and how it is written there.

    `fc`: function code 3 or 4. `addresses`: PDU addresses counted from 0; the quantity is the sum of what stands at them,
    less what stands at `subtract`. `byte_order`: little where the two bytes of each word are swapped. `factor`: the SI
    value of a raw 1, sign included. `scale_address`: where an int16 exponent of ten stands that the value is multiplied
    with. `lin3`: raw 0 to 9999 means low to high, times `factor`; `of_full_scale`: in parts of a full scale that only the
    site knows, so that there is no value before `profiles.bind`. `invalid`: closed ranges of bit patterns, as unsigned
    numbers, that mean "no value". `plausible`: closed range of SI values that the quantity can have, where one is known.
    `doubt`: what must be verified on the device. `unit`: as the profile has it.
    """

    fc: int
    addresses: tuple[int, ...]
    type: str
    word_order: str = "big"
    byte_order: str = "big"
    factor: Fraction = Fraction(1)
    subtract: tuple[int, ...] = ()
    scale_address: int | None = None
    lin3: tuple[Fraction, Fraction] | None = None
    of_full_scale: bool = False
    invalid: tuple[tuple[int, int], ...] = ()
    plausible: tuple[float, float] | None = None
    doubt: str = ""
    unit: str = ""

    @property
    def words(self) -> int:
        """Registers at each address, but one at `scale_address`."""
        return word_count(self.type)

    @property
    def reads(self) -> tuple[tuple[int, int], ...]:
        """(address, count) of all that one value is decoded from, in the order in which `decode` takes it."""
        spans = tuple((address, self.words) for address in self.addresses + self.subtract)
        return spans if self.scale_address is None else (*spans, (self.scale_address, 1))

    @property
    def together(self) -> bool:
        """Whether its parts mean something only if they are of the same instant: they belong into one request."""
        return bool(self.subtract) or self.scale_address is not None

    @property
    def range(self) -> tuple[float, float] | None:
        """(lowest, highest) SI value that the type can show; None for floats and where an exponent is read along."""
        lowest, highest = self.lin3 or (TYPES[self.type].lowest, TYPES[self.type].highest)
        if lowest is None or highest is None or self.scale_address is not None or self.of_full_scale:
            return None
        more, less = len(self.addresses), len(self.subtract)
        ends = ((lowest * more - highest * less) * self.factor, (highest * more - lowest * less) * self.factor)
        return float(min(ends)), float(max(ends))


@dataclass(frozen=True, slots=True)
class Dropped:
    """No value, and why. `implausible` says that the meter means one, but that it cannot be: the map may be wrong."""

    reason: str
    implausible: bool = False


def decode(register: Register, parts: Sequence[Sequence[int]]) -> float | Dropped:
    """Return the SI value of `register`, from the words at each of its `reads`, or why there is none."""
    encoding = TYPES[register.type]
    added = len(register.addresses)
    # The sum as an exact fraction: integers in Python have no size, and every finite float is a fraction.
    over, under = 0, 1
    for index, words in enumerate(parts[: added + len(register.subtract)]):
        raw = _raw(register, encoding, words)
        if isinstance(raw, Dropped):
            return raw
        one_over, one_under = raw.as_integer_ratio()
        over = over * one_under + (one_over if index < added else -one_over) * under
        under *= one_under
    over, under = over * register.factor.numerator, under * register.factor.denominator
    if register.scale_address is not None:
        exponent = (_pattern(register, parts[-1]) ^ 0x8000) - 0x8000
        if exponent == _NO_EXPONENT:
            return Dropped("the meter has no scale for it (0x8000)")
        if abs(exponent) > _LARGEST_EXPONENT:
            return Dropped(f"a scale of 10^{exponent} cannot be", implausible=True)
        over, under = (over * 10**exponent, under) if exponent >= 0 else (over, under * 10**-exponent)
    return _judged(register, over, under)


def _judged(register: Register, over: int, under: int) -> float | Dropped:
    try:
        value = over / under
    except OverflowError:
        return Dropped("what the meter sends, times its scale, is not finite")
    if register.plausible and not register.plausible[0] <= value <= register.plausible[1]:
        low, high = register.plausible
        return Dropped(f"{value:g} is outside the plausible range {low:g} to {high:g}", implausible=True)
    return value


def _raw(register: Register, encoding: Encoding, words: Sequence[int]) -> int | float | Fraction | Dropped:
    pattern = _pattern(register, words)
    if pattern in encoding.absent or any(low <= pattern <= high for low, high in register.invalid):
        return Dropped(f"the meter marks it as invalid (0x{pattern:0{4 * encoding.words}x})")
    raw = encoding.read(pattern)
    if raw is None:
        return Dropped(f"0x{pattern:0{4 * encoding.words}x} is no {register.type}", implausible=True)
    if not math.isfinite(raw):
        return Dropped(f"{raw} is not finite")
    if register.lin3 is not None:
        return _lin3(register, register.lin3, int(raw))
    if encoding.saturated(raw):
        return Dropped(f"saturated: {raw} is the end of {register.type}", implausible=True)
    return raw


def _lin3(register: Register, ends: tuple[Fraction, Fraction], raw: int) -> Fraction | Dropped:
    low, high = ends
    if register.of_full_scale:
        return Dropped("the full scale of the meter is not known")
    if raw > LIN3_TOP:
        return Dropped(f"{raw} is no LIN3 number, which ends at {LIN3_TOP}", implausible=True)
    # A LIN3 zero stands in the middle of a signed range: a raw 0 is its lowest end, and what a dead meter shows.
    if raw == LIN3_TOP or (raw == 0 and low != 0):
        return Dropped(f"saturated: {raw} is the end of LIN3", implausible=True)
    return low + (high - low) * Fraction(raw, LIN3_TOP)


def _pattern(register: Register, words: Sequence[int]) -> int:
    """Return the words as one unsigned number."""
    pattern = 0
    for word in words if register.word_order == "big" else reversed(words):
        swapped = word if register.byte_order == "big" else (word & 0xFF) << 8 | word >> 8
        pattern = pattern << 16 | swapped
    return pattern
