"""Security suite 0 of DLMS/COSEM: AES-GCM with 128 bits and a tag of 12 bytes, by global keys (IEC 62056-5-3)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from drivers.errors import DriverLoss
from drivers.meters.dlms import xdlms
from drivers.meters.dlms.cursor import ByteCursor, Malformed, tagged

KEY_BYTES: Final = 16
TITLE_BYTES: Final = 8
_TAG_BYTES: Final = 12
#: Security control: suite 0, a tag alone, or a tag and ciphertext.
_AUTHENTICATED, _BOTH = 0x10, 0x30
_LAST_COUNTER: Final = 2**32 - 1
#: A message to what it is called when it is ciphered by the global key.
_CIPHERED: Final[Mapping[int, int]] = {
    xdlms.INITIATE_REQUEST: 0x21,
    xdlms.INITIATE_RESPONSE: 0x28,
    xdlms.GET_REQUEST: 0xC8,
    xdlms.ACTION_REQUEST: 0xCB,
    xdlms.GET_RESPONSE: 0xCC,
    xdlms.ACTION_RESPONSE: 0xCF,
}
_CLEAR: Final[Mapping[int, int]] = {ciphered: clear for clear, ciphered in _CIPHERED.items()}
#: What a sealed message has more than a clear one: tag, length, control, counter and tag of GCM.
AROUND: Final = 1 + 3 + 1 + 4 + _TAG_BYTES


class NotGenuine(DriverLoss):
    """What came was not written with our keys, or has come before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The global unicast encryption key and the authentication key, 16 bytes each."""

    encryption: bytes = field(repr=False)
    authentication: bytes = field(repr=False)


class Protection:
    """Seals what goes to one meter in one association, and opens what comes back.

    `counter`: the first number that this client has not used yet. A number never comes twice with one key and one title: our
    title is a new one for each association, unless the meter insists on one.
    """

    def __init__(self, keys: Keys, counter: int, title: bytes) -> None:
        self.title = title or b"SPD" + secrets.token_bytes(TITLE_BYTES - 3)
        self.counter = counter
        self._keys = keys
        self._their_title = b""
        self._heard = -1

    def meet(self, their_title: bytes) -> None:
        """Know the meter by its system title; raises Malformed and NotGenuine."""
        if len(their_title) != TITLE_BYTES:
            raise Malformed(f"a system title of {len(their_title)} bytes")
        if their_title == self.title:  # our own answer to our own challenge would be right
            raise NotGenuine("the meter calls itself by our own system title")
        self._their_title = their_title

    def seal(self, apdu: bytes) -> bytes:
        """Return a message ciphered and authenticated."""
        head = self._head(_BOTH)
        cipher = Cipher(algorithms.AES(self._keys.encryption), modes.GCM(self.title + head[1:])).encryptor()
        cipher.authenticate_additional_data(head[:1] + self._keys.authentication)
        content = cipher.update(apdu) + cipher.finalize()
        return tagged(_CIPHERED[apdu[0]], head + content + cipher.tag[:_TAG_BYTES])

    def open(self, apdu: bytes) -> bytes:
        """Return a message in the clear; raises NotGenuine, and Malformed.

        That the meter could not read ours, it can only say in the clear; such a one says nothing else.
        """
        cursor = ByteCursor(apdu)
        tag = cursor.byte()
        if tag in {xdlms.EXCEPTION, xdlms.SERVICE_ERROR}:
            return apdu
        if tag not in _CLEAR:
            raise NotGenuine(f"a message in the clear (0x{tag:02x}) where all have to be ciphered")
        inside = ByteCursor(cursor.take(cursor.length()))
        control, counter, content = inside.byte(), inside.take(4), inside.rest()
        if control != _BOTH or len(content) < _TAG_BYTES:
            raise NotGenuine(f"a message with the security control 0x{control:02x}, not 0x{_BOTH:02x}")
        plain = self._opened(counter, content)
        if int.from_bytes(counter, "big") <= self._heard:
            raise NotGenuine("a message that has come before")
        self._heard = int.from_bytes(counter, "big")
        if plain[:1] != bytes([_CLEAR[tag]]):
            raise Malformed(f"another message inside (0x{plain[:1].hex()}) than outside (0x{tag:02x})")
        return plain

    def _opened(self, counter: bytes, content: bytes) -> bytes:
        body, tag = content[:-_TAG_BYTES], content[-_TAG_BYTES:]
        mode = modes.GCM(self._their_title + counter, tag, min_tag_length=_TAG_BYTES)
        cipher = Cipher(algorithms.AES(self._keys.encryption), mode).decryptor()
        cipher.authenticate_additional_data(bytes([_BOTH]) + self._keys.authentication)
        try:
            return cipher.update(body) + cipher.finalize()
        except InvalidTag as error:
            raise NotGenuine("a message that our keys do not open: another key, or not from this meter") from error

    def answer(self, challenge: bytes) -> bytes:
        """Return what answers the meter's challenge."""
        head = self._head(_AUTHENTICATED)
        return head + self._tag(self.title, head, challenge)

    def check(self, answered: bytes, challenge: bytes) -> None:
        """Check what the meter has answered to our challenge; raises NotGenuine."""
        head, tag = answered[:5], answered[5:]
        if head[:1] != bytes([_AUTHENTICATED]) or not hmac.compare_digest(
            tag, self._tag(self._their_title, head, challenge)
        ):
            raise NotGenuine("the meter does not know our keys: it has answered our challenge wrongly")

    def _tag(self, title: bytes, head: bytes, challenge: bytes) -> bytes:
        cipher = Cipher(algorithms.AES(self._keys.encryption), modes.GCM(title + head[1:])).encryptor()
        cipher.authenticate_additional_data(head[:1] + self._keys.authentication + challenge)
        cipher.finalize()
        return cipher.tag[:_TAG_BYTES]

    def _head(self, control: int) -> bytes:
        if self.counter > _LAST_COUNTER:
            raise DriverLoss("the invocation counter has come to its end: the meter needs new keys")
        self.counter += 1
        return bytes([control]) + (self.counter - 1).to_bytes(4, "big")
