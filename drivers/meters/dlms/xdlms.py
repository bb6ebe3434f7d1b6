"""The messages of an association that reads (xDLMS, IEC 62056-5-3): initiate, GET, and the ACTION that authenticates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from drivers.meters.dlms.cursor import ByteCursor, Malformed, length_of
from drivers.meters.dlms.data import Data, data, octets
from drivers.meters.dlms.obis import shown
from drivers.modbus.answers import Refusal

GET_REQUEST, ACTION_REQUEST, GET_RESPONSE, ACTION_RESPONSE = 0xC0, 0xC3, 0xC4, 0xC7
INITIATE_REQUEST, INITIATE_RESPONSE, SERVICE_ERROR, EXCEPTION = 0x01, 0x08, 0x0E, 0xD8
_NORMAL, _BLOCK, _LIST = 1, 2, 3
_VERSION: Final = 6
#: With each invoke id of a request: of high priority, and to be answered.
_ANSWERED: Final = 0xC0
#: Bits of the conformance block, of 24, the first the most significant: block transfer of GET, several attributes in one, GET, ACTION.
BLOCKS, LISTS, GET, ACTION = (1 << 23 - bit for bit in (11, 14, 19, 23))
#: The largest message that we take.
_MOST_BYTES: Final = 0xFFFF
#: Data-access-result: why an attribute has no value (IEC 62056-5-3).
_ACCESS: Final[Mapping[int, str]] = {
    1: "hardware fault",
    2: "temporary failure",
    3: "not allowed to be read by this client",
    4: "no such object",
    9: "an object of another class",
    11: "not available",
    12: "another type",
    13: "outside of what this client may read",
    14: "data block not available",
    15: "long answer cut off",
    16: "no long answer in progress",
    250: "no reason given",
}
#: Those that say what this meter has not got, or does not show to this client. Any other is about now.
_FOR_GOOD: Final = frozenset({3, 4, 9, 11, 13})


class Denied(Refusal):
    """Why the meter gives no value of an attribute, in words; `code` is the data-access-result."""

    __slots__ = ()

    @property
    def for_good(self) -> bool:
        """Whether the meter has not got it; else it may have it later."""
        return self.code in _FOR_GOOD


Got: TypeAlias = "Data | Denied"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of one object: its class, its OBIS code as six bytes, the attribute's number."""

    class_id: int
    code: bytes
    number: int

    def __str__(self) -> str:
        """Return how a person calls it."""
        return f"{shown(self.code)} attribute {self.number}"

    @property
    def written(self) -> bytes:
        """As a request has it."""
        return self.class_id.to_bytes(2, "big") + self.code + bytes([self.number])


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What an association may do: the bits of its conformance, and the largest message that the meter takes, 0 for any."""

    conformance: int
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Values:
    """An answer to a GET that is complete; `invoke` is that of the request."""

    invoke: int
    values: tuple[Got, ...]


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """A part of an answer to a GET. `refused`: why there are no more."""

    invoke: int
    last: bool
    number: int
    raw: bytes
    refused: Denied | None = None


@dataclass(frozen=True, slots=True)
class Acted:
    """An answer to an ACTION: 0 for success, and what it returned."""

    invoke: int
    result: int
    returned: Got


@dataclass(frozen=True, slots=True)
class NotServed:
    """The meter refused the whole request, and does not say which one."""

    text: str


Response: TypeAlias = Values | AnswerPart | Acted


def initiate_request(wanted: int) -> bytes:
    """Return what asks for these bits of the conformance."""
    conformance = b"\x5f\x1f\x04\x00" + wanted.to_bytes(3, "big")
    return bytes([INITIATE_REQUEST, 0, 0, 0, _VERSION]) + conformance + _MOST_BYTES.to_bytes(2, "big")


def initiate_response(apdu: bytes) -> Negotiated:
    """Return what the meter granted; raises Malformed."""
    cursor = ByteCursor(apdu)
    tag = cursor.byte()
    if tag == SERVICE_ERROR:
        raise Malformed(f"a refused initiation ({apdu.hex()})")
    if tag != INITIATE_RESPONSE:
        raise Malformed(f"an initiation that begins with 0x{tag:02x}")
    if cursor.byte():
        cursor.byte()  # quality of service
    cursor.byte()  # version
    if cursor.take(4) != b"\x5f\x1f\x04\x00":
        raise Malformed("an initiation without its conformance")
    return Negotiated(cursor.number(3), cursor.number(2))


def get_request(invoke: int, attributes: Sequence[Attribute]) -> bytes:
    """Return what asks for one attribute, or for several where the meter grants LISTS."""
    if len(attributes) == 1:
        return bytes([GET_REQUEST, _NORMAL, _ANSWERED | invoke]) + attributes[0].written + b"\x00"
    listed = b"".join(attribute.written + b"\x00" for attribute in attributes)
    return bytes([GET_REQUEST, _LIST, _ANSWERED | invoke]) + length_of(len(attributes)) + listed


def next_request(invoke: int, number: int) -> bytes:
    """Return what asks for the part after this one."""
    return bytes([GET_REQUEST, _BLOCK, _ANSWERED | invoke]) + number.to_bytes(4, "big")


def action_request(invoke: int, method: Attribute, argument: bytes) -> bytes:
    """Return what calls a method with an octet-string."""
    return bytes([ACTION_REQUEST, _NORMAL, _ANSWERED | invoke]) + method.written + b"\x01" + octets(argument)


def response(apdu: bytes) -> Response | NotServed:
    """Return what an answer says; raises Malformed."""
    cursor = ByteCursor(apdu)
    tag = cursor.byte()
    if tag == GET_RESPONSE:
        return _got(cursor)
    if tag == ACTION_RESPONSE:
        return _acted(cursor)
    if tag == EXCEPTION:
        state, service = cursor.byte(), cursor.byte()
        return NotServed(f"the meter refuses the request (state error {state}, service error {service})")
    if tag == SERVICE_ERROR:
        return NotServed(f"the meter refuses the request ({apdu[1:].hex()})")
    raise Malformed(f"an answer that begins with 0x{tag:02x}")


def _got(cursor: ByteCursor) -> Values | AnswerPart:
    kind, invoke = cursor.byte(), cursor.byte() & 0x0F
    if kind == _NORMAL:
        return Values(invoke, (result(cursor),))
    if kind == _LIST:
        return Values(invoke, results(cursor))
    if kind != _BLOCK:
        raise Malformed(f"an answer of the unknown kind {kind}")
    last, number = cursor.byte() != 0, cursor.number(4)
    if cursor.byte():
        return AnswerPart(invoke, last, number, b"", refused=_denied(cursor.byte()))
    return AnswerPart(invoke, last, number, cursor.take(cursor.length()))


def result(cursor: ByteCursor) -> Got:
    """Return one value, or why there is none; raises Malformed."""
    choice = cursor.byte()
    if choice == 0:
        return data(cursor)
    if choice != 1:
        raise Malformed(f"a result that is neither a value nor a refusal, but {choice}")
    return _denied(cursor.byte())


def results(cursor: ByteCursor) -> tuple[Got, ...]:
    """Return a list of them."""
    return tuple(result(cursor) for _ in range(cursor.length()))


def _denied(code: int) -> Denied:
    return Denied(code, f"{_ACCESS.get(code, 'unknown reason')} (access result {code})")


def _acted(cursor: ByteCursor) -> Acted:
    kind, invoke, status = cursor.byte(), cursor.byte() & 0x0F, cursor.byte()
    if kind != _NORMAL:
        raise Malformed(f"an answer of the unknown kind {kind}")
    returned = result(cursor) if cursor.left and cursor.byte() else None
    return Acted(invoke, status, returned)
