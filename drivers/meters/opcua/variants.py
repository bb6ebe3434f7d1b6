"""Variants as they stand in answers of OPC UA servers (OPC 10000-6, 5.1 and 5.2), decoded without trust in what they say.

Every element of an array takes a byte at least, so that no count can keep the driver busy for longer than its answer is. What
no point can use (structures other than units, nested values, diagnostics) is passed over, and stands as its type alone.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

#: Built-in type -> how a scalar of it is packed.
SCALARS: Final = {
    kind: struct.Struct(f"<{code}")
    for kind, code in {1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d"}.items()
}
_INT, _SHORT, _UINT, _TICKS = (struct.Struct(code) for code in ("<i", "<H", "<I", "<q"))
_ARRAY, _MATRIX = 0x80, 0x40
#: Values in values; nobody needs as many.
_DEEPEST: Final = 8
_EU_INFORMATION: Final = ObjectIds.EUInformation_Encoding_DefaultBinary
#: From 1601 to 1970, in the ticks of 100 ns that OPC UA counts.
EPOCH_TICKS: Final = 116_444_736_000_000_000
TICKS_A_SECOND: Final = 1e7
#: The end of the year 9999, by which OPC UA says "never" (OPC 10000-6, 5.2.2.5).
NEVER_TICKS: Final = 2_650_467_743_990_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Opaque(NamedTuple):
    """A value of a type that no point can use."""

    type: str

    def __repr__(self) -> str:
        """Return it as it stands in the reason why there is no number."""
        return f"a value of type {self.type}"


_Read = Callable[[bytes, int, int], tuple[Any, int]]


def variant(data: bytes, at: int, depth: int = 0) -> tuple[Any, int]:
    """Return the value that stands `at`, and where it ends; raises ValueError, IndexError or struct.error for nonsense."""
    encoding, at = data[at], at + 1
    kind = encoding & 0x3F
    read = _READS.get(kind)
    if depth > _DEEPEST or (read is None and encoding):
        raise ValueError(f"encoding {encoding} of a variant")
    if read is None:
        return None, at
    if not encoding & _ARRAY:
        return read(data, at, depth)
    (count,) = _INT.unpack_from(data, at)
    found, at = [], at + 4
    for _ in range(count):
        element, at = read(data, at, depth)
        found.append(element)
    if encoding & _MATRIX:
        (dimensions,) = _INT.unpack_from(data, at)
        at += 4 + 4 * max(dimensions, 0)
    return found if count >= 0 else None, at


def _number(kind: int) -> _Read:
    packed = SCALARS[kind]

    def read(data: bytes, at: int, _depth: int) -> tuple[Any, int]:
        return packed.unpack_from(data, at)[0], at + packed.size

    return read


def _bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    (size,) = _INT.unpack_from(data, at)
    at += 4
    if size < 0:
        return None, at
    if at + size > len(data):
        raise ValueError(f"{size} bytes, and {len(data) - at} are left")
    return data[at : at + size], at + size


def _text(data: bytes, at: int, _depth: int = 0) -> tuple[str | None, int]:
    found, at = _bytes(data, at)
    return None if found is None else found.decode("utf-8", "replace"), at


def _time(data: bytes, at: int, _depth: int) -> tuple[datetime | None, int]:
    (ticks,) = _TICKS.unpack_from(data, at)
    there = 0 < ticks < NEVER_TICKS
    return _EPOCH + timedelta(microseconds=(ticks - EPOCH_TICKS) // 10) if there else None, at + 8


def _skipped(name: str, size: int) -> _Read:
    def read(data: bytes, at: int, _depth: int) -> tuple[Any, int]:
        if at + size > len(data):
            raise ValueError(f"a {name} that ends too soon")
        return Opaque(name), at + size

    return read


def _blob(data: bytes, at: int, _depth: int) -> tuple[Any, int]:
    return Opaque("ByteString"), _bytes(data, at)[1]


#: Encoding of a node id -> size of its namespace and identifier; the others end with a text or bytes.
_NODE_SIZES: Final = {0: 1, 1: 3, 2: 6, 4: 18}


def _node(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Return namespace and number of a node id, (-1, -1) of one without a number, and where it ends."""
    encoding, at = data[at], at + 1
    kind = encoding & 0x3F
    number = (-1, -1)
    if kind in _NODE_SIZES:
        if kind == 0:
            number = (0, data[at])
        elif kind == 1:
            number = (data[at], _SHORT.unpack_from(data, at + 1)[0])
        elif kind == 2:
            number = (_SHORT.unpack_from(data, at)[0], _UINT.unpack_from(data, at + 2)[0])
        at += _NODE_SIZES[kind]
    elif kind in {3, 5}:
        _, at = _bytes(data, at + 2)
    else:
        raise ValueError(f"encoding {encoding} of a node id")
    if encoding & 0x80:  # a namespace's URI
        _, at = _bytes(data, at)
    return number, at + 4 * bool(encoding & 0x40)  # a server's index


def _node_id(data: bytes, at: int, _depth: int) -> tuple[Any, int]:
    return Opaque("NodeId"), _node(data, at)[1]


def _qualified(data: bytes, at: int, _depth: int) -> tuple[Any, int]:
    return Opaque("QualifiedName"), _bytes(data, at + 2)[1]


def _localized(data: bytes, at: int, _depth: int) -> tuple[ua.LocalizedText, int]:
    mask, at = data[at], at + 1
    locale, at = _text(data, at) if mask & 1 else (None, at)
    text, at = _text(data, at) if mask & 2 else (None, at)
    return ua.LocalizedText(text, locale), at


def _structure(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """Return a unit, or that there is a structure of another kind."""
    kind, at = _node(data, at)
    encoding, at = data[at], at + 1
    if encoding == 0:
        return Opaque("ExtensionObject"), at
    begin = at + 4
    body, at = _bytes(data, at)
    if kind != (0, _EU_INFORMATION) or encoding != 1 or body is None:
        return Opaque("ExtensionObject"), at
    uri, begin = _text(data, begin)
    (number,) = _INT.unpack_from(data, begin)
    name, begin = _localized(data, begin + 4, depth)
    description, begin = _localized(data, begin, depth)
    if begin > at:
        raise ValueError("a unit that is longer than it says")
    return ua.EUInformation(uri, ua.Int32(number), name, description), at


def _nested(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    return Opaque("Variant"), variant(data, at, depth + 1)[1]


def _data_value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    mask, at = data[at], at + 1
    if mask & 0x01:
        _, at = variant(data, at, depth + 1)
    sizes = ((0x02, 4), (0x04, 8), (0x10, 2), (0x08, 8), (0x20, 2))
    return Opaque("DataValue"), at + sum(size for bit, size in sizes if mask & bit)


def _diagnostics(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    mask, at = data[at], at + 1
    at += sum(4 for bit in (0x01, 0x02, 0x04, 0x08) if mask & bit)
    if mask & 0x10:
        _, at = _bytes(data, at)
    at += 4 * bool(mask & 0x20)
    if mask & 0x40:
        if depth >= _DEEPEST:
            raise ValueError("diagnostics in diagnostics")
        _, at = _diagnostics(data, at, depth + 1)
    return Opaque("DiagnosticInfo"), at


_READS: Final[dict[int, _Read]] = {kind: _number(kind) for kind in SCALARS} | {
    12: _text,
    13: _time,
    14: _skipped("Guid", 16),
    15: _blob,
    16: _blob,
    17: _node_id,
    18: _node_id,
    19: _skipped("StatusCode", 4),
    20: _qualified,
    21: _localized,
    22: _structure,
    23: _data_value,
    24: _nested,
    25: _diagnostics,
}
