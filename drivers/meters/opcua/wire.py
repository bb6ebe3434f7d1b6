"""Data values as they stand in answers of OPC UA servers (OPC 10000-6, 5.2), decoded for what this driver needs.

asyncua makes an object of every field; with a thousand values a second that alone costs a tenth of a core.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary
from asyncua.ua.uaerrors import UaError

from drivers.errors import DriverLoss
from drivers.meters.opcua.variants import EPOCH_TICKS, NEVER_TICKS, SCALARS, TICKS_A_SECOND, variant

#: What decoding raises for bytes that are no answer.
_NONSENSE: Final = (
    UaError,
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)

_INT, _UINT, _TICKS, _HANDLE = (struct.Struct(code) for code in ("<i", "<I", "<q", "<I"))

_DATA_CHANGE: Final = ObjectIds.DataChangeNotification_Encoding_DefaultBinary
_STATUS_CHANGE: Final = ObjectIds.StatusChangeNotification_Encoding_DefaultBinary


class Value(NamedTuple):
    """A data value: `raw` as the server sent it, `status` with its flags, `source_s` the source's UTC or None."""

    raw: Any
    status: int = 0
    source_s: float | None = None


class Published(NamedTuple):
    """An answer to a publish request.

    `changes`: client handle and value. `sequence`: number of the message; one without changes (a keep-alive) names the
    next. `ended`: status code with which the server ended the subscription, None while it lives.
    """

    subscription: int
    sequence: int
    changes: list[tuple[int, Value]]
    ended: int | None


def published(answer: Buffer) -> Published:
    """Decode a PublishResponse; raises DriverLoss for nonsense and UaError for a service that failed."""
    data = _after_header(answer)
    try:
        subscription, count = struct.unpack_from("<Ii", data)
        at = 8 + 4 * max(count, 0) + 1  # the numbers that are available for republishing, and "more notifications"
        (sequence,) = _UINT.unpack_from(data, at)
        changes: list[tuple[int, Value]] = []
        ended = None
        for kind, body in _extension_objects(data, at + 12):
            if kind == _DATA_CHANGE:
                changes += _changes(data, body)
            elif kind == _STATUS_CHANGE:
                (ended,) = _UINT.unpack_from(data, body)
    except _NONSENSE as error:
        raise _nonsense("publish", error) from error
    return Published(subscription, sequence, changes, ended)


def read(answer: Buffer, wanted: int) -> list[Value]:
    """Decode the `wanted` values of a ReadResponse; raises DriverLoss for nonsense and UaError for a service that failed."""
    data = _after_header(answer)
    try:
        (count,) = _INT.unpack_from(data)
        values, at = [], 4
        for _ in range(count):
            value, at = data_value(data, at)
            values.append(value)
    except _NONSENSE as error:
        raise _nonsense("read", error) from error
    if len(values) != wanted:
        raise DriverLoss(f"the server answers {len(values)} values to a read of {wanted}")
    return values


def data_value(data: bytes, at: int) -> tuple[Value, int]:
    """Return the data value that stands `at`, and where it ends."""
    mask = data[at]
    at += 1
    raw, status, source_s = None, 0, None
    if mask & 0x01:
        raw, at = _variant(data, at)
    if mask & 0x02:
        (status,) = _UINT.unpack_from(data, at)
        at += 4
    if mask & 0x04:
        (ticks,) = _TICKS.unpack_from(data, at)
        source_s = (ticks - EPOCH_TICKS) / TICKS_A_SECOND if 0 < ticks < NEVER_TICKS else None
        at += 8
    if mask & 0x38:  # picoseconds of the source's stamp, the server's stamp, picoseconds of that
        at += 2 * bool(mask & 0x10) + 8 * bool(mask & 0x08) + 2 * bool(mask & 0x20)
    return Value(raw, status, source_s), at


def _variant(data: bytes, at: int) -> tuple[Any, int]:
    scalar = SCALARS.get(data[at])
    if scalar is not None:
        return scalar.unpack_from(data, at + 1)[0], at + 1 + scalar.size
    return variant(data, at)


def _changes(data: bytes, at: int) -> Iterator[tuple[int, Value]]:
    (count,) = _INT.unpack_from(data, at)
    at += 4
    for _ in range(count):
        (handle,) = _HANDLE.unpack_from(data, at)
        value, at = data_value(data, at + 4)
        yield handle, value


def _extension_objects(data: bytes, at: int) -> Iterator[tuple[Any, int]]:
    """Yield the type of each extension object and where its body begins."""
    (count,) = _INT.unpack_from(data, at)
    at += 4
    for _ in range(count):
        buffer = Buffer(data, at)
        kind, at = nodeid_from_binary(buffer).Identifier, buffer.cur_pos
        if data[at] != 1:  # no body in bytes
            raise ValueError(f"encoding {data[at]} of an extension object")
        (size,) = _INT.unpack_from(data, at + 1)
        yield kind, at + 5
        at += 5 + max(size, 0)


def _after_header(answer: Buffer) -> bytes:
    """Return what follows the response header, which is checked."""
    try:
        nodeid_from_binary(answer)
        header = struct_from_binary(ua.ResponseHeader, answer)
    except _NONSENSE as error:
        raise _nonsense("request", error) from error
    header.ServiceResult.check()
    return bytes(answer)


def _nonsense(service: str, error: Exception) -> DriverLoss:
    return DriverLoss(f"the server answers nonsense to a {service}: {error!r}")
