"""The meter's side of security suite 0: the same AES-GCM, by another way through the library than the driver takes."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TITLE: Final = b"SIM\x00\x00\x00\x00\x01"
_TAG: Final = 12


class NotOurs(Exception):
    """A message that the meter cannot open."""


@dataclass(slots=True)
class Cipher:
    """One association of a simulated meter. `heard`: the newest counter that it has taken."""

    encryption: bytes
    authentication: bytes
    heard: int
    their_title: bytes = b""
    challenge: bytes = b"sixteen  or more"
    theirs: bytes = b""
    counter: int = field(default=1)

    def open(self, message: bytes) -> bytes:
        """Return what a ciphered message of the client says; raises NotOurs."""
        head, content = message[:5], message[5:]
        (number,) = struct.unpack(">I", head[1:])
        if head[0] != 0x30 or number <= self.heard:
            raise NotOurs
        self.heard = number
        # A tag of 12 bytes is the front of one of 16: the message is opened by ciphering it again.
        cipher = AESGCM(self.encryption)
        nonce, extra = self.their_title + head[1:], head[:1] + self.authentication
        plain = cipher.encrypt(nonce, content[:-_TAG], None)[: len(content) - _TAG]
        if cipher.encrypt(nonce, plain, extra)[len(plain) :][:_TAG] != content[-_TAG:]:
            raise NotOurs from InvalidTag()
        return plain

    def seal(self, tag: int, message: bytes) -> bytes:
        """Return a message to the client as it is ciphered."""
        head = self._head(0x30)
        sealed = AESGCM(self.encryption).encrypt(TITLE + head[1:], message, head[:1] + self.authentication)
        body = head + sealed[: len(message) + _TAG]
        length = bytes([len(body)]) if len(body) < 128 else b"\x82" + struct.pack(">H", len(body))
        return bytes([tag]) + length + body

    def right(self, answered: bytes) -> bool:
        """Return whether the client has answered our challenge."""
        return answered == answered[:5] + self._tag(self.their_title, answered[:5], self.challenge)

    def answer(self) -> bytes:
        """Return what answers the client's challenge."""
        head = self._head(0x10)
        return head + self._tag(TITLE, head, self.theirs)

    def _tag(self, title: bytes, head: bytes, challenge: bytes) -> bytes:
        extra = head[:1] + self.authentication + challenge
        return AESGCM(self.encryption).encrypt(title + head[1:], b"", extra)[:_TAG]

    def _head(self, control: int) -> bytes:
        self.counter += 1
        return bytes([control]) + struct.pack(">I", self.counter - 1)
