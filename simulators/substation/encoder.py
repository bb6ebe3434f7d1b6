"""From true quantities to the registers of a meter, straight from the data of its profile.

Written apart from `drivers.meters.codec` and without its help, so that one misreading of a profile does not cancel out.
It reckons in fractions: what a register cannot show is lost in the register, never before it.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

#: (function code, PDU address) to word.
Words = dict[tuple[int, int], int]

#: libyaml is ten times faster, where PyYAML has it.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PREFIX: Final = {"m": Fraction(1, 1000), "k": Fraction(1000), "M": Fraction(10**6), "G": Fraction(10**9)}
_UNITS: Final[Mapping[str, int | Fraction]] = {
    "Wh": 1,
    "W": 1,
    "var": 1,
    "Hz": 1,
    "V": 1,
    "A": 1,
    "1": 1,
    "%": Fraction(1, 100),
}

#: Raw numbers of SATEC's LIN3 run from 0 to this.
_LIN3_TOP: Final = 9999
#: Stands for infinity: no type has room for it.
_BEYOND: Final = Fraction(10**400)
#: Exponents of ten that a meter with scale factors chooses from, the finest first.
_EXPONENTS: Final = range(-3, 11)
_ONE: Final = Fraction(1)

#: Where the SunSpec chain starts unless it is named, and the length of model 1 (common) that comes before the meter's.
SUNSPEC_BASE: Final = 40000
_COMMON_LENGTH: Final = 66
_MAKER_WORDS: Final = 16
#: Length of the meter models with floats, and with integers and scale factors.
_FLOAT_LENGTH: Final = 124
_INTEGER_LENGTH: Final = 105
#: Points of an integer model that are 0 where there is no value (accumulators, events); the others are 0x8000.
_ZERO_POINTS: Final = frozenset({*range(38, 54), *range(55, 71), *range(72, 104), 105, 106})


@dataclass(frozen=True, slots=True, kw_only=True)
class SunspecChain:
    """Marker, common model, `meters` models of meters, and the end; the values are those of the `nth`, counted from 1."""

    base: int = SUNSPEC_BASE
    maker: str = ""
    meters: int = 1
    nth: int = 1

    def start(self, model: int) -> int:
        """Return the address of the ID register of the meter's model."""
        return self.base + 4 + _COMMON_LENGTH + (self.nth - 1) * (2 + _length(model))

    def words(self, model: int) -> Iterator[tuple[tuple[int, int], int]]:
        """Yield the words of the chain; its meters have no values."""
        floats, length = _floats(model), _length(model)
        points = [
            (0x7FC0, 0)[index % 2] if floats else 0x8000 * (index not in _ZERO_POINTS) for index in range(2, length + 2)
        ]
        maker = words_of(self.maker.encode().ljust(2 * _MAKER_WORDS, b"\0"), "big")
        common = [*maker, *[0] * (_COMMON_LENGTH - _MAKER_WORDS)]
        meters = [model, length, *points] * self.meters
        chain = [*words_of(b"SunS", "big"), 1, _COMMON_LENGTH, *common, *meters, 0xFFFF, 0]
        yield from (((3, self.base + index), word) for index, word in enumerate(chain))


def _floats(model: int) -> bool:
    return 211 <= model <= 214


def _length(model: int) -> int:
    return _FLOAT_LENGTH if _floats(model) else _INTEGER_LENGTH


def read_data(name_or_path: str) -> dict[str, Any]:
    """Return the plain data of a profile file, bundled or at a path."""
    bundled = files("drivers.meters") / "profiles" / f"{name_or_path}.yaml"
    text = bundled.read_text(encoding="utf-8") if bundled.is_file() else Path(name_or_path).read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.load(text, _LOADER)  # noqa: S506  a SafeLoader, whichever
    return data


def encode(
    data: Mapping[str, Any],
    values: Mapping[str, float | Fraction],
    *,
    full_scale_w: float | None = None,
    coarser: int = 0,
    sunspec: SunspecChain | None = None,
) -> Words:
    """Return the words of a meter that shows `values` (SI, by quantity); one that is NaN or missing shows no value.

    A quantity that is the sum of several addresses is spread over them, 3 : 1, as two tariffs would be; one that others
    are subtracted from stands in either the first or the subtracted ones. `full_scale_w`: what LIN3 powers reach.
    `coarser`: how much greater scale factors are than the finest with which the values fit. `sunspec`: where in which chain
    the meter is, if it is one of SunSpec.
    """
    models, sunspec = data.get("sunspec_models"), sunspec or SunspecChain()
    words = dict(sunspec.words(models[0])) if models else {}
    start = sunspec.start(models[0]) if models else 0
    for (fc, address, _), shown in identity(data).items():
        words |= {(fc, address + index): word for index, word in enumerate(shown)}
    raws = {name: _raw(row, values.get(name, math.nan), full_scale_w) for name, row in data["registers"].items()}
    chosen = {address: exponent + coarser for address, exponent in _choose_exponents(data, raws).items()}
    for name, row in data["registers"].items():
        orders = [row.get(key, data.get(key, "big")) for key in ("word_order", "byte_order")]
        if "scale_address" in row:
            exponent = image_of(Fraction(chosen[row["scale_address"]]), "int16")
            words[row["fc"], start + row["scale_address"]] = words_of(exponent, *orders)[0]
        step = Fraction(10) ** chosen[row["scale_address"]] if "scale_address" in row else _ONE
        for address, part in _parts(row, raws[name], step):
            image = _marker(data, row) if part is None else image_of(part, row["type"])
            for offset, word in enumerate(words_of(image, *orders)):
                words[row["fc"], start + address + offset] = word
    return words


def identity(data: Mapping[str, Any]) -> dict[tuple[int, int, int], tuple[int, ...]]:
    """Return what the meter answers to requests (function code, address, count) for its identity, and to nothing else."""
    return {(row["fc"], row["address"], len(row["words"])): tuple(row["words"]) for row in data.get("identity", ())}


def image_of(raw: Fraction, type_name: str) -> bytes:
    """Return the bytes of one raw number, most significant first; integers are rounded and saturate, as meters do."""
    kind, bits = _kind_and_bits(type_name)
    if kind == "float":
        return _float_image(raw, ">f" if bits == 32 else ">d")
    low, high = _range(kind, bits)
    whole = max(low, min(high, round(raw)))
    if kind == "sm":
        whole = -whole | 1 << bits - 1 if whole < 0 else whole
    elif kind == "bcd":
        whole = int(str(whole), 16)
    elif kind == "mod10000":
        whole = sum(whole // 10_000**place % 10_000 << 16 * place for place in range(bits // 16))
    return whole.to_bytes(bits // 8, "big", signed=kind == "int")


def words_of(image: bytes, word_order: str, byte_order: str = "big") -> list[int]:
    """Return the bytes as registers: the most significant word first, or last; so within each word its bytes."""
    pairs = [image[index : index + 2] for index in range(0, len(image), 2)]
    words = [int.from_bytes(pair if byte_order == "big" else pair[::-1], "big") for pair in pairs]
    return words if word_order == "big" else words[::-1]


def _float_image(raw: Fraction, form: str) -> bytes:
    try:
        return struct.pack(form, float(raw))
    except OverflowError:
        return struct.pack(form, math.inf if raw > 0 else -math.inf)


@cache
def _kind_and_bits(type_name: str) -> tuple[str, int]:
    found = re.fullmatch(r"(mod10000|[a-z]+)_?(\d+)", type_name)
    if found is None:
        raise ValueError(f"no type: {type_name!r}")
    return found[1], int(found[2])


def _range(kind: str, bits: int) -> tuple[int, int]:
    """Return the smallest and the largest number that an integer type can show."""
    half = 1 << bits - 1
    match kind:
        case "int":
            return -half, half - 1
        case "sm":
            return 1 - half, half - 1
        case "bcd" | "mod10000":
            return 0, int(10 ** (bits // 4)) - 1
        case _:
            return 0, 2 * half - 1


def _raw(row: Mapping[str, Any], value: float | Fraction, full_scale_w: float | None) -> Fraction | None:
    """Return the number that stands for `value` before its scale factor; None for no value."""
    if math.isnan(value):
        return None
    finite = int(math.copysign(1, value)) * _BEYOND if math.isinf(value) else Fraction(value)
    if "lin3" not in row:
        return finite / _count(row["unit"], row.get("scale", 1)) * int(row.get("sign", 1))
    in_unit = finite / _unit(row["unit"]) * int(row.get("sign", 1))
    if row["lin3"] == "full_scale":
        if full_scale_w is None:
            raise ValueError("this profile needs a full scale")
        high = Fraction(full_scale_w) / _unit(row["unit"])
        low = -high
    else:
        low, high = (Fraction(str(each)) for each in row["lin3"])
    return max(Fraction(0), min(Fraction(_LIN3_TOP), (in_unit - low) / (high - low) * _LIN3_TOP))


@cache
def _count(unit: str, scale: float) -> Fraction:
    """Return what one count of a register is worth in SI."""
    return _unit(unit) * Fraction(str(scale))


def _unit(unit: str) -> Fraction:
    return Fraction(_UNITS[unit]) if unit in _UNITS else _PREFIX[unit[0]] * _UNITS[unit[1:]]


def _choose_exponents(data: Mapping[str, Any], raws: Mapping[str, Fraction | None]) -> dict[int, int]:
    """Return the exponent for each scale address: the finest with which every value that shares it fits its type."""
    finest: dict[int, int] = {}
    for name, row in data["registers"].items():
        if "scale_address" in row:
            kind, bits = _kind_and_bits(row["type"])
            room, size = _range(kind, bits)[1] - 1, abs(raws[name] or Fraction(0))
            fits = next((each for each in _EXPONENTS if size <= room * Fraction(10) ** each), _EXPONENTS[-1])
            finest[row["scale_address"]] = max(fits, finest.get(row["scale_address"], fits))
    return finest


def _parts(row: Mapping[str, Any], total: Fraction | None, step: Fraction) -> Iterator[tuple[int, Fraction | None]]:
    """Yield address and raw number, in steps of the scale factor, of all addresses of a quantity."""
    added = row["address"] if isinstance(row["address"], list) else [row["address"]]
    taken: Sequence[int] = row.get("subtract", ())
    if total is None:
        yield from ((address, None) for address in (*added, *taken))
        return
    shown, empty = (taken, added) if taken and total < 0 else (added, taken)
    size = (abs(total) if taken else total) / step
    if len(added) == 1 and not taken:
        yield added[0], size
        return
    share = size / 4 if row["type"].startswith("float") else Fraction(size // 4)
    yield shown[0], size - share * (len(shown) - 1)
    yield from ((address, share) for address in shown[1:])
    yield from ((address, Fraction(0)) for address in empty)


def _marker(data: Mapping[str, Any], row: Mapping[str, Any]) -> bytes:
    """Return what the meter shows for "no value": NaN, its own marker, or what the type has for it."""
    kind, bits = _kind_and_bits(row["type"])
    own = data.get("invalid", {}).get(row["type"])
    if kind == "float":
        return struct.pack(">f" if bits == 32 else ">d", math.nan)
    if own and "lin3" not in row:
        return int(own[0][0] if isinstance(own[0], list) else own[0]).to_bytes(bits // 8, "big")
    ones = (1 << bits) - 1
    return {"int": 1 << bits - 1, "sm": ones >> 1, "acc": 0}.get(kind, ones).to_bytes(bits // 8, "big")
