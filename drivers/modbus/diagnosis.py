"""What has come instead of an answer, in words that name the line of the site file by which it would be one. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from drivers.modbus.pieces import HEADER, checked, has_form
from drivers.modbus.requests import ModbusRequest

Form = Literal["mbap", "rtu"]
#: Behind the header of Modbus TCP; with a checksum behind them.
MBAP: Final[Form] = "mbap"
RTU: Final[Form] = "rtu"

#: So many bytes of what nobody understands are shown.
_SHOWN: Final = 16
#: Bytes of an RTU frame around its data, and of one with an exception.
_AROUND_RTU: Final = 5


def strange(
    data: bytes,
    request: ModbusRequest | None,
    form: Form,
    *,
    transaction: int | None = None,
    late: Collection[int] = (),
) -> str:
    """Return what is strange about `data`, which came while `request` waited; empty where nothing came.

    `transaction`: the number of the request, None where none is compared. `late`: those that nobody waits for any longer.
    """
    if not data or request is None:
        return ""
    framed = _framed(data)
    if form == RTU:
        if any(has_form(request, pdu) for _, _, pdu in framed):
            return "a frame of Modbus TCP: with `transport: tcp` it is read"
        return f"{len(data)} bytes that are none of unit {request.unit}"
    if framed:
        return _of_frame(*framed[-1], request, transaction, late)
    if _holds_rtu(data, request.fc):
        return "an RTU frame: with `transport: rtu_over_tcp` it is read"
    return f"{len(data)} bytes that are not Modbus TCP: 0x{data[:_SHOWN].hex()}"


def _holds_rtu(data: bytes, fc: int) -> bool:
    """Return whether a whole RTU frame of this function, or of its exception, stands in `data`."""
    for at in range(len(data) - _AROUND_RTU + 1):
        if data[at + 1] & 0x7F == fc:
            size = _AROUND_RTU if data[at + 1] & 0x80 else _AROUND_RTU + data[at + 2]
            if at + size <= len(data) and checked(data[at : at + size]):
                return True
    return False


def _framed(data: bytes) -> list[tuple[int, int, bytes]]:
    """Return transaction, unit and what is said of each frame of Modbus TCP in `data` that is a whole."""
    found, at = [], 0
    while at + HEADER.size < len(data):
        transaction, protocol, length, unit = HEADER.unpack_from(data, at)
        end = at + 6 + length
        if protocol == 0 and length > 1 and end <= len(data):
            found.append((transaction, unit, data[at + HEADER.size : end]))
            at = end
        else:
            at += 1
    return found


def _of_frame(
    number: int, unit: int, pdu: bytes, request: ModbusRequest, transaction: int | None, late: Collection[int]
) -> str:
    if transaction not in {None, number}:
        if number in late or not has_form(request, pdu):
            return f"a late one of unit {unit}"
        return (
            f"an answer with the transaction number {number} instead of {transaction}: with "
            "`ignore_transaction: true` it is taken"
        )
    what = f"{len(pdu)} bytes of function {pdu[0]} of unit {unit}"
    if not request.accepts(unit) and has_form(request, pdu):
        return f"{what}: with `unit: any` they are taken"
    return what
