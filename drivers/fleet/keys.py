"""Ed25519 keys of the controller and the agents, as PEM files that OpenSSL reads too.

A folder of keys holds ``NAME.key`` (PKCS 8, mode 0600) and ``NAME.pub`` (SubjectPublicKeyInfo); the controller is called
``controller``, an agent by its id. The files are read by `cryptography`; libsodium signs and verifies, in half of the time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nacl.bindings.crypto_sign import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from drivers.errors import ConfigError
from drivers.ownership import owner_to_be

#: Name of the controller's key, and the key id in its messages.
CONTROLLER: Final = "controller"

SIGNATURE_BYTES: Final = 64
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies; `raw`: its 32 bytes by RFC 8032."""

    raw: bytes

    def __post_init__(self) -> None:
        """Refuse what is no key: libsodium reads 32 bytes from wherever it is pointed to."""
        if len(self.raw) != _KEY_BYTES:
            raise ValueError(f"a public key of {len(self.raw)} bytes, allowed are {_KEY_BYTES}")

    def verify(self, signature: bytes, text: bytes) -> None:
        """Raise BadSignatureError unless `signature` is this key's of `text`."""
        # Of a shorter or longer one, libsodium would take the text for a part of it, or a part of it for the text.
        if len(signature) != SIGNATURE_BYTES:
            raise BadSignatureError(f"a signature of {len(signature)} bytes, allowed are {SIGNATURE_BYTES}")
        crypto_sign_open(signature + text, self.raw)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that signs; `seed`: its 32 bytes by RFC 8032, which are shown nowhere."""

    seed: bytes = field(repr=False)
    _pair: tuple[bytes, bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out the public half; raises ValueError for a seed that is none."""
        object.__setattr__(self, "_pair", crypto_sign_seed_keypair(self.seed))

    @classmethod
    def generate(cls) -> Self:
        """Return a new key."""
        return cls(os.urandom(_KEY_BYTES))

    def public_key(self) -> PublicKey:
        """Return the key that verifies what this one signs."""
        return PublicKey(self._pair[0])

    def sign(self, text: bytes) -> bytes:
        """Return the signature of `text` alone."""
        return crypto_sign(text, self._pair[1])[:SIGNATURE_BYTES]


def make_keys(folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Write a new pair for each name that has none, and return these names; existing keys are left alone."""
    if not folder.exists():
        owner = owner_to_be(folder)
        folder.mkdir(mode=0o700, parents=True)
        os.chown(folder, *owner)
    missing = tuple(name for name in names if not (folder / f"{name}.key").exists())
    for name in missing:
        _write_pair(folder, name)
    return missing


def load_private(path: Path) -> PrivateKey:
    """Return the private key in a PEM file.

    Raises ConfigError for a file that is missing, no Ed25519 key, or readable by others than its owner.
    """
    pem = _read(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(f"{path}: the private key is readable by others, allowed is mode 0600")
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: no private key in PEM without a password: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: found another kind of key, allowed is Ed25519")
    return PrivateKey(key.private_bytes_raw())


def load_public(path: Path) -> PublicKey:
    """Return the public key in a PEM file; raises ConfigError for a file that is missing or no Ed25519 key."""
    try:
        key = serialization.load_pem_public_key(_read(path))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: no public key in PEM: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path}: found another kind of key, allowed is Ed25519")
    return PublicKey(key.public_bytes_raw())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: {error.strerror}; keys.md of the manual says which machine makes it") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def _write_pair(folder: Path, name: str) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(folder / f"{name}.pub", public, os.O_TRUNC, 0o644)
    _write(folder / f"{name}.key", private, os.O_EXCL, 0o600)


def _write(path: Path, content: bytes, flags: int, mode: int) -> None:
    owner = owner_to_be(path)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | flags, mode), "wb") as file:
        os.fchown(file.fileno(), *owner)
        file.write(content)
