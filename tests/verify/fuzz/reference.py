"""What registers mean, written a second time: from bytes and digits, without a line of the decoder."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from fractions import Fraction

from drivers.meters.codec import Register

WHOLE = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "acc32": "I",
    "acc64": "Q",
}
FLOATS = {"float32": "f", "float64": "d"}


def shown(register: Register, parts: Sequence[Sequence[int]]) -> float | None:
    """Return what a meter shows with these words, None for no value."""
    numbers = [number(register, words) for words in parts[: len(register.addresses) + len(register.subtract)]]
    total = Fraction(0)
    for index, one in enumerate(numbers):
        if one is None:
            return None
        total += one if index < len(register.addresses) else -one
    if register.scale_address is not None:
        (exponent,) = struct.unpack(">h", octets(register, parts[-1]))
        if not -10 <= exponent <= 10:
            return None
        total *= Fraction(10) ** exponent
    try:
        value = float(total * register.factor)
    except OverflowError:
        return None
    low, high = register.plausible or (-math.inf, math.inf)
    return value if low <= value <= high else None


def number(register: Register, words: Sequence[int]) -> Fraction | None:
    """Return the raw number, None where it is none, marked invalid or the end of its type."""
    image, kind = octets(register, words), register.type
    if any(low <= int(image.hex(), 16) <= high for low, high in register.invalid):
        return None
    if kind in FLOATS:
        (real,) = struct.unpack(">" + FLOATS[kind], image)
        return Fraction(real) if math.isfinite(real) else None
    if register.lin3 is not None:
        return lin3(register, int(image.hex(), 16))
    if kind in WHOLE:
        (whole,) = struct.unpack(">" + WHOLE[kind], image)
        return None if image.hex() in ends(kind, len(image)) else Fraction(whole)
    if kind == "sm16":
        bits = f"{image[0]:08b}{image[1]:08b}"
        magnitude = int(bits[1:], 2)
        return None if magnitude == 0x7FFF else Fraction(-magnitude if bits[0] == "1" else magnitude)
    return decimal(kind, image)


def ends(kind: str, size: int) -> set[str]:
    """Return the images that are no value: the ends of the type, and a counter that does not count."""
    if kind.startswith("int"):
        return {"80" + "00" * (size - 1), "7f" + "ff" * (size - 1)}
    return {"ff" * size, "00" * size} if kind.startswith("acc") else {"ff" * size}


def decimal(kind: str, image: bytes) -> Fraction | None:
    """Return a BCD or modulo 10000 number."""
    if kind.startswith("bcd"):
        digits = image.hex()
    else:
        groups = [f"{high << 8 | low:04d}" for high, low in zip(image[::2], image[1::2], strict=True)]
        digits = "".join(groups)
        if len(digits) > 2 * len(image):
            return None
    if set(digits) - set("0123456789") or set(digits) == {"9"}:
        return None
    return Fraction(int(digits))


def lin3(register: Register, raw: int) -> Fraction | None:
    """Return where raw 0 to 9999 stands between the ends."""
    low, high = register.lin3 or (Fraction(0), Fraction(0))
    if register.of_full_scale or raw >= 9999 or (raw == 0 and low != 0):
        return None
    return (low * (9999 - raw) + high * raw) / 9999


def octets(register: Register, words: Sequence[int]) -> bytes:
    """Return the bytes of a value, the most significant first."""
    layout = ("<" if register.byte_order == "little" else ">") + f"{len(words)}H"
    image = struct.pack(layout, *words)
    if register.word_order == "big":
        return image
    return b"".join(image[index : index + 2] for index in range(len(image) - 2, -1, -2))
