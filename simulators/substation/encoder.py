"""From true quantities to the registers of a meter, straight from the data of its profile.

Written apart from `drivers.meters.codec` and without its help, so that one misreading of a profile does not cancel out.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

_PACK: Final = {16: ("h", "H"), 32: ("i", "I"), 64: ("q", "Q")}
_PER_UNIT: Final = {"kW": 1e3, "MW": 1e6, "kWh": 1e3, "MWh": 1e6, "kV": 1e3, "mA": 1e-3, "kA": 1e3, "mHz": 1e-3}

#: Where the SunSpec chain starts, and the length of model 1 (common) that comes before the meter model.
SUNSPEC_BASE: Final = 40000
_COMMON_LENGTH: Final = 66
_METER_LENGTH: Final = 124


def read_data(name_or_path: str) -> dict[str, Any]:
    """Return the plain data of a profile file, bundled or at a path."""
    bundled = files("drivers.meters") / "profiles" / f"{name_or_path}.yaml"
    text = bundled.read_text(encoding="utf-8") if bundled.is_file() else Path(name_or_path).read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data


def encode(data: Mapping[str, Any], values: Mapping[str, float]) -> dict[tuple[int, int], int]:
    """Return the words of a meter that shows `values` (SI, by quantity): (function code, PDU address) to word.

    A quantity that is the sum of several addresses is spread over them, 3 : 1, as two tariffs would be.
    """
    models = data.get("sunspec_models")
    words = dict(_sunspec_chain(models[0])) if models else {}
    start = SUNSPEC_BASE + 4 + _COMMON_LENGTH if models else 0
    for name, row in data["registers"].items():
        addresses = row["address"] if isinstance(row["address"], list) else [row["address"]]
        for address, share in zip(addresses, [1.0] if len(addresses) == 1 else [0.75, 0.25], strict=True):
            raw = values[name] * share / _PER_UNIT.get(row["unit"], 1.0) / row.get("scale", 1) * row.get("sign", 1)
            image = _marker(data, row["type"]) if math.isnan(raw) else image_of(raw, row["type"])
            for offset, word in enumerate(words_of(image, data["word_order"])):
                words[row["fc"], start + address + offset] = word
    return words


def image_of(raw: float, type_name: str) -> bytes:
    """Return the bytes of one raw number, most significant first; integers are rounded and saturate, as meters do."""
    bits = int(type_name.lstrip("uintfloa"))
    if type_name.startswith("float"):
        return struct.pack(">f" if bits == 32 else ">d", raw)
    signed = type_name.startswith("int")
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return struct.pack(">" + _PACK[bits][not signed], round(max(low, min(high, raw))))


def words_of(image: bytes, word_order: str) -> list[int]:
    """Return the bytes as registers, the most significant first or (``little``) last."""
    words = [image[index] << 8 | image[index + 1] for index in range(0, len(image), 2)]
    return words if word_order == "big" else list(reversed(words))


def _marker(data: Mapping[str, Any], type_name: str) -> bytes:
    """Return what the meter shows for "no value": NaN, its own marker, or all ones."""
    if type_name.startswith("float"):
        return image_of(math.nan, type_name)
    size = int(type_name.lstrip("uint")) // 8
    marker = data.get("invalid", {}).get(type_name, [256**size - 1])[0]
    return int(marker[0] if isinstance(marker, list) else marker).to_bytes(size, "big")


def _sunspec_chain(model: int) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield marker, common model, an empty meter model and the end; float points that are not there are NaN."""
    meter = SUNSPEC_BASE + 4 + _COMMON_LENGTH
    yield from (((3, SUNSPEC_BASE + index), word) for index, word in enumerate(words_of(b"SunS", "big")))
    yield from (((3, SUNSPEC_BASE + 2 + index), 0) for index in range(_COMMON_LENGTH + 2))
    yield from (((3, meter + 2 + index), (0x7FC0, 0)[index % 2]) for index in range(_METER_LENGTH))
    yield from zip(
        [(3, SUNSPEC_BASE + 2), (3, SUNSPEC_BASE + 3), (3, meter), (3, meter + 1), (3, meter + 2 + _METER_LENGTH)],
        [1, _COMMON_LENGTH, model, _METER_LENGTH, 0xFFFF],
        strict=True,
    )
    yield (3, meter + 3 + _METER_LENGTH), 0
