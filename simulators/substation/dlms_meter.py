"""The application of a simulated meter on DLMS/COSEM: associations, GET and the ACTION that authenticates. No I/O.

Written beside the driver, and not with its code: what both get wrong in the same way, no test would find.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from simulators.substation.dlms_cipher import TITLE, Cipher, NotOurs
from simulators.substation.dlms_objects import Objects

_ARC: Final = b"\x60\x85\x74\x05\x08"
_EXCEPTION: Final = b"\xd8\x01\x02"
_PUBLIC: Final = 16
#: Clear requests to what they are called when ciphered, and clear answers likewise.
_CLEAR: Final = {0xC8: 0xC0, 0xCB: 0xC3}
_SEALED: Final = {0xC4: 0xCC, 0xC7: 0xCF, 0x08: 0x28}
_LISTS, _BLOCKS, _GET, _ACTION = 1 << 9, 1 << 12, 1 << 4, 1


@dataclass(slots=True, kw_only=True)
class Manners:
    """How a simulated meter behaves.

    `client`: the one that it knows beside the public one. `password`: of authentication low. `keys`: encryption and
    authentication key, for authentication high. `lists`: it answers requests for several attributes; `grants_lists`: it says so,
    whether it does or not. `block_bytes`: an answer that is longer comes in blocks. `most_bytes`: of a message to it. `refuses`:
    diagnostic with which it refuses every association. `in_the_clear`: it answers so where it should cipher. `challenge`: what it
    asks of a client; `proves`: it answers the client's own one rightly.
    """

    client: int = 1
    password: bytes = b""
    keys: tuple[bytes, bytes] | None = None
    lists: bool = True
    grants_lists: bool = True
    block_bytes: int = 0xFFFF
    most_bytes: int = 1024
    refuses: int = 0
    in_the_clear: bool = False
    challenge: bytes = b"sixteen  or more"
    proves: bool = True


@dataclass(slots=True)
class Associated:
    """What one client of a meter has with it. `gets`: how many answers to a GET it has had."""

    objects: Objects
    manners: Manners
    client: int
    open: bool = False
    cipher: Cipher | None = None
    proven: bool = False
    gets: int = 0
    _blocks: list[bytes] = field(default_factory=list)

    def answer(self, apdu: bytes) -> bytes | None:
        """Return the answer to a message, None where there is none."""
        if apdu[0] == 0x60:
            return self._associate(apdu)
        if not self.open:
            return _EXCEPTION
        if self.cipher is None:
            return self._answered(apdu)
        tag, body = apdu[0], _content(apdu)
        try:
            plain = self.cipher.open(body)
        except NotOurs:
            return b"\xd8\x01\x06"
        self.objects.counter = self.cipher.heard
        if plain[0] != _CLEAR.get(tag):
            return _EXCEPTION
        said = self._answered(plain)
        return said if self.manners.in_the_clear else self.cipher.seal(_SEALED.get(said[0], 0xCC), said)

    def _answered(self, apdu: bytes) -> bytes:
        if apdu[:2] == b"\xc3\x01":
            return self._authenticate(apdu)
        if apdu[0] != 0xC0 or (self.cipher is not None and not self.proven):
            return _EXCEPTION
        kind, invoke = apdu[1], apdu[2]
        if kind == 2:
            return self._block(invoke, struct.unpack(">I", apdu[3:7])[0] + 1)
        listed = kind == 3
        if listed and not self.manners.lists:
            return _EXCEPTION
        wanted = apdu[4:] if listed else apdu[3:]
        results = [self._result(wanted[at : at + 9]) for at in range(0, len(wanted) - 9, 10)]
        body = (bytes([len(results)]) if listed else b"") + b"".join(results)
        whole = body if listed else body[1:]
        if len(whole) <= self.manners.block_bytes or (not listed and body[0]):
            self.gets += 1
            return bytes([0xC4, kind, invoke]) + body
        size = self.manners.block_bytes
        self._blocks = [whole[at : at + size] for at in range(0, len(whole), size)]
        return self._block(invoke, 1)

    def _block(self, invoke: int, number: int) -> bytes:
        if not 1 <= number <= len(self._blocks):
            return bytes([0xC4, 2, invoke, 1]) + struct.pack(">I", number) + b"\x01\x0f"
        raw, last = self._blocks[number - 1], number == len(self._blocks)
        self.gets += last
        length = bytes([len(raw)]) if len(raw) < 128 else b"\x82" + struct.pack(">H", len(raw))
        return bytes([0xC4, 2, invoke, last]) + struct.pack(">I", number) + b"\x00" + length + raw

    def _result(self, written: bytes) -> bytes:
        shown = self.objects.shown((int.from_bytes(written[:2], "big"), written[2:8], written[8]))
        return b"\x01" + bytes([shown]) if isinstance(shown, int) else b"\x00" + shown

    def _authenticate(self, apdu: bytes) -> bytes:
        answered = apdu[15:]  # tag, kind, invoke, 9 bytes of the method, present, type and length of the octet-string
        self.proven = self.cipher is not None and self.cipher.right(answered)
        if self.cipher is None or not self.proven:
            return bytes([0xC7, 1, apdu[2], 3, 0])
        theirs = self.cipher.answer() if self.manners.proves else bytes(17)
        return bytes([0xC7, 1, apdu[2], 0, 1, 0, 9, len(theirs)]) + theirs

    def _associate(self, apdu: bytes) -> bytes:
        fields = dict(_fields(apdu[2:]))
        mechanism = fields[0x8B][-1] if 0x8B in fields else 0
        value, user = fields.get(0xAC, b"\x80\x00")[2:], fields[0xBE][2:]
        self.open, self.cipher, self.proven = False, None, False
        if reason := self.manners.refuses or self._refused(mechanism, value):
            return _aare(1, 1, reason, b"\x0e\x01\x06\x01")
        if mechanism != 5 or self.manners.keys is None:
            self.open = True
            return _aare(1, 0, 0, self._initiated())
        cipher = Cipher(*self.manners.keys, heard=self.objects.counter, their_title=fields[0xA6][2:], theirs=value)
        cipher.challenge = self.manners.challenge
        try:
            cipher.open(_content(user))
        except NotOurs:
            return _aare(3, 1, 13, b"\x0e\x01\x06\x01")
        self.open, self.cipher = True, cipher
        title = b"\xa4\x0a\x04\x08" + TITLE
        challenge = (
            b""
            if not cipher.challenge
            else b"\x88\x02\x07\x80\x89\x07" + _ARC + b"\x02\x05\xaa" + _short(b"\x80" + _short(cipher.challenge))
        )
        return _aare(3, 0, 14, cipher.seal(0x28, self._initiated()), title + challenge)

    def _refused(self, mechanism: int, value: bytes) -> int:
        if self.client == _PUBLIC:
            return 0 if mechanism == 0 else 11
        if self.client != self.manners.client:
            return 1
        wanted = 5 if self.manners.keys else 1 if self.manners.password else 0
        if mechanism != wanted:
            return 14 if mechanism == 0 else 11
        return 13 if wanted == 1 and value != self.manners.password else 0

    def _initiated(self) -> bytes:
        granted = _GET | _BLOCKS | _ACTION | (_LISTS if self.manners.grants_lists else 0)
        return (
            b"\x08\x00\x06\x5f\x1f\x04\x00"
            + granted.to_bytes(3, "big")
            + struct.pack(">HH", self.manners.most_bytes, 7)
        )


def _short(content: bytes) -> bytes:
    return bytes([len(content)]) + content


def _aare(context: int, result: int, diagnostic: int, user: bytes, more: bytes = b"") -> bytes:
    body = b"\xa1\x09\x06\x07" + _ARC + bytes([1, context]) + b"\xa2\x03\x02\x01" + bytes([result])
    body += b"\xa3\x05\xa1\x03\x02\x01" + bytes([diagnostic]) + more + b"\xbe" + _short(b"\x04" + _short(user))
    return b"\x61" + (_short(body) if len(body) < 128 else b"\x81" + _short(body))


def _content(apdu: bytes) -> bytes:
    more = apdu[1] & 0x7F if apdu[1] & 0x80 else 0
    return apdu[2 + more :]


def _fields(content: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at + 2 <= len(content):
        size = content[at + 1]
        found.append((content[at], content[at + 2 : at + 2 + size]))
        at += 2 + size
    return found
