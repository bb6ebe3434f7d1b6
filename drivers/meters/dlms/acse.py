"""How an association is asked for, and what is answered (ACSE as IEC 62056-5-3 uses it, coded in BER)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.errors import DriverLoss
from drivers.meters.dlms.cursor import ByteCursor, Malformed, tagged

AARQ, AARE = 0x60, 0x61
#: 2.16.756.5.8: the arc of the DLMS user association, coded.
_ARC: Final = bytes.fromhex("6085740508")
#: Application contexts: objects by their OBIS codes, in the clear or ciphered.
_CLEAR, _CIPHERED = 1, 3
#: Authentication mechanisms: a password, and a challenge that both sides answer by GMAC.
NONE, LOW, HIGH_GMAC = 0, 1, 5
_OBJECT_ID, _OCTETS, _INTEGER = 0x06, 0x04, 0x02
_CONTEXT, _RESULT, _DIAGNOSTIC, _THEIR_TITLE, _THEIR_CHALLENGE, _USER = 0xA1, 0xA2, 0xA3, 0xA4, 0xAA, 0xBE
_OUR_TITLE, _REQUIREMENTS, _MECHANISM, _OUR_VALUE = 0xA6, 0x8A, 0x8B, 0xAC
_WRONG_SECRET: Final = 13
#: Why an association is refused: what the meter says, and what that usually is.
_WHY: Final[Mapping[int, str]] = {
    1: "no reason given; is the client one that the meter knows?",
    2: "it does not know objects by OBIS codes, or wants them ciphered: `authentication: high`?",
    3: "it does not know this client's title",
    11: "it does not know this kind of authentication for this client: is the client right?",
    12: "it wants an authentication: `authentication: low` with a password, or `high`?",
    _WRONG_SECRET: "the authentication failed: wrong password or key, or another client",
    14: "it wants an authentication: `authentication: low` with a password, or `high`?",
}


class AssociationRefused(DriverLoss):
    """The meter does not let this client in."""


class WrongSecret(AssociationRefused):
    """It has looked at our password or key, and it is another one: a meter may lock itself after some of these."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the meter answered: its system title and its challenge, empty where it has none, and its initiate response."""

    title: bytes
    challenge: bytes
    user: bytes


def request(mechanism: int, value: bytes, title: bytes, user: bytes) -> bytes:
    """Return what asks for an association.

    `value`: the password, or our challenge. `title`: our system title, which is given where messages are ciphered.
    `user`: the initiate request, ciphered then.
    """
    context = _CIPHERED if title else _CLEAR
    content = tagged(_CONTEXT, tagged(_OBJECT_ID, _ARC + bytes([1, context])))
    if title:
        content += tagged(_OUR_TITLE, tagged(_OCTETS, title))
    if mechanism != NONE:
        content += tagged(_REQUIREMENTS, b"\x07\x80")
        content += tagged(_MECHANISM, _ARC + bytes([2, mechanism]))
        content += tagged(_OUR_VALUE, tagged(0x80, value))
    return tagged(AARQ, content + tagged(_USER, tagged(_OCTETS, user)))


def answer(apdu: bytes) -> Accepted:
    """Return what the meter accepted; raises AssociationRefused with the reason, and Malformed."""
    outer = ByteCursor(apdu)
    if (tag := outer.byte()) != AARE:
        raise Malformed(f"no answer to an association, but 0x{tag:02x}")
    cursor, fields = ByteCursor(outer.take(outer.length())), dict[int, bytes]()
    while cursor.left:
        field = cursor.byte()
        fields[field] = cursor.take(cursor.length())
    verdict = _inside(fields.get(_RESULT, b""), _INTEGER)
    if verdict != b"\x00":
        raise _refused(fields.get(_DIAGNOSTIC, b""))
    title = _inside(fields[_THEIR_TITLE], _OCTETS) if _THEIR_TITLE in fields else b""
    challenge = _inside(fields[_THEIR_CHALLENGE], 0x80) if _THEIR_CHALLENGE in fields else b""
    return Accepted(title, challenge, _inside(fields.get(_USER, b""), _OCTETS))


def _inside(content: bytes, tag: int) -> bytes:
    cursor = ByteCursor(content)
    if (found := cursor.byte()) != tag:
        raise Malformed(f"a field of the type 0x{found:02x}, not 0x{tag:02x}")
    return cursor.take(cursor.length())


def _refused(diagnostic: bytes) -> AssociationRefused:
    by_user = diagnostic[:1] == b"\xa1"
    code = int.from_bytes(diagnostic[4:8], "big")
    why = _WHY.get(code, f"reason {code}") if by_user else f"its service says {code}"
    kind = WrongSecret if by_user and code == _WRONG_SECRET else AssociationRefused
    return kind(f"the meter refuses the association: {why}")
