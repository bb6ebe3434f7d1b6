"""Values as COSEM attributes carry them (IEC 62056-6-2, common data types; coded in A-XDR, IEC 61334-6)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from drivers.meters.dlms.cursor import ByteCursor, Malformed, length_of

#: None: null-data. bytes: an octet-string, a date or a time. A tuple: the elements of an array or a structure.
Data: TypeAlias = "bool | int | float | str | bytes | tuple[Data, ...] | None"

#: No attribute that is read here is as deep.
_DEEPEST: Final = 8
_ARRAY, _STRUCTURE, _OCTETS = 1, 2, 9
#: Tag to bytes and sign of a whole number: double-long, bcd, integer, long, unsigned, enum and their like.
_WHOLE: Final[Mapping[int, tuple[int, bool]]] = {
    5: (4, True),
    6: (4, False),
    13: (1, False),
    15: (1, True),
    16: (2, True),
    17: (1, False),
    18: (2, False),
    20: (8, True),
    21: (8, False),
    22: (1, False),
}
#: Tag to the bytes of date-time, date and time.
_DATES: Final[Mapping[int, int]] = {25: 12, 26: 5, 27: 4}
_OTHERS: Final[Mapping[int, Callable[[ByteCursor], Data]]] = {
    0: lambda _: None,
    3: lambda cursor: cursor.byte() != 0,
    4: lambda cursor: cursor.take((cursor.length() + 7) // 8),
    _OCTETS: lambda cursor: cursor.take(cursor.length()),
    10: lambda cursor: cursor.take(cursor.length()).decode("latin-1"),
    12: lambda cursor: cursor.take(cursor.length()).decode("utf-8", "replace"),
    23: lambda cursor: float(struct.unpack(">f", cursor.take(4))[0]),
    24: lambda cursor: float(struct.unpack(">d", cursor.take(8))[0]),
}


def data(cursor: ByteCursor, depth: int = 0) -> Data:
    """Return the value that begins at the cursor; raises Malformed, also for a compact array, which nobody asks for."""
    tag = cursor.byte()
    if tag in _WHOLE:
        size, signed = _WHOLE[tag]
        return int.from_bytes(cursor.take(size), "big", signed=signed)
    if tag in _DATES:
        return cursor.take(_DATES[tag])
    if tag in _OTHERS:
        return _OTHERS[tag](cursor)
    if tag not in {_ARRAY, _STRUCTURE} or depth >= _DEEPEST:
        raise Malformed(f"a value of the unknown type {tag}" if depth < _DEEPEST else "a value in too many layers")
    # However many there are said to be: each takes a byte at least, so that it ends with what has come.
    return tuple(data(cursor, depth + 1) for _ in range(cursor.length()))


def octets(content: bytes) -> bytes:
    """Return an octet-string as it is written."""
    return bytes([_OCTETS]) + length_of(len(content)) + content
