"""The token and the encryption of Whatsminer's API 2: a key from the password and a salt, AES-256-ECB, base64.

ECB and MD5 are what the firmware speaks; they hide nothing from whoever listens for long.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

_LETTERS: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BLOCK: Final = 16
#: The bytes of the hash that each four letters of its text stand for; the last two stand for byte 11.
_GROUPS: Final = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatsminerToken:
    """What signs and hides commands for a while; it is shown nowhere."""

    sign: str = field(repr=False)
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, password: str, *, salt: str, new_salt: str, time: str) -> WhatsminerToken:
        """Return the token that a device takes which has answered ``get_token`` with these."""
        inner = md5_crypt(password, salt)
        return cls(sign=md5_crypt(inner + time, new_salt), key=hashlib.sha256(inner.encode()).digest())

    def seal(self, command: dict[str, Any]) -> dict[str, Any]:
        """Return the request that holds a command."""
        text = msgspec.json.encode({**command, "token": self.sign})
        return {"enc": 1, "data": self.encrypt(text)}

    def encrypt(self, text: bytes) -> str:
        """Return a text, encrypted."""
        encryptor = Cipher(AES(self.key), ECB()).encryptor()  # noqa: S305  the firmware's
        padded = text + b"\0" * (-len(text) % _BLOCK)
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()

    def decrypt(self, data: str) -> bytes:
        """Return what is encrypted; raises ValueError where it is not."""
        decryptor = Cipher(AES(self.key), ECB()).decryptor()  # noqa: S305  the firmware's
        return (decryptor.update(base64.b64decode(data, validate=True)) + decryptor.finalize()).rstrip(b"\0")


def md5_crypt(password: str, salt: str) -> str:
    """Return the hash of a password by FreeBSD's MD5 crypt (``$1$``), without salt and marks.

    >>> md5_crypt("admin", "BQ5hoXV9")
    'RxmaDUO33TS7O26yeMHZ81'
    """
    word, salted = password.encode(), salt[:8].encode()
    final = _md5(word + salted + word)
    text = word + b"$1$" + salted + (final * (len(word) // _BLOCK + 1))[: len(word)]
    length = len(word)
    while length:
        text += b"\0" if length & 1 else word[:1]
        length >>= 1
    final = _md5(text)
    for turn in range(1000):
        text = word if turn & 1 else final
        text += salted if turn % 3 else b""
        text += word if turn % 7 else b""
        final = _md5(text + (final if turn & 1 else word))
    return _text_of(final)


def _text_of(final: bytes) -> str:
    words = [(final[a] << 16 | final[b] << 8 | final[c], 4) for a, b, c in _GROUPS] + [(final[11], 2)]
    return "".join(_LETTERS[value >> 6 * place & 0x3F] for value, count in words for place in range(count))


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
