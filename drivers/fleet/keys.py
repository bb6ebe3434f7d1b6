"""Ed25519 keys of the controller and the agents, as PEM files that OpenSSL reads too.

A folder of keys holds ``NAME.key`` (PKCS 8, mode 0600) and ``NAME.pub`` (SubjectPublicKeyInfo); the controller is called
``controller``, an agent by its id.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from drivers.errors import ConfigError

PrivateKey = Ed25519PrivateKey
PublicKey = Ed25519PublicKey

#: Name of the controller's key, and the key id in its messages.
CONTROLLER: Final = "controller"


def make_keys(folder: Path, names: Iterable[str]) -> None:
    """Write a new pair for each name that has none; existing keys are left alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        if not (folder / f"{name}.key").exists():
            _write_pair(folder, name)


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
    return key


def load_public(path: Path) -> PublicKey:
    """Return the public key in a PEM file; raises ConfigError for a file that is missing or no Ed25519 key."""
    try:
        key = serialization.load_pem_public_key(_read(path))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: no public key in PEM: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path}: found another kind of key, allowed is Ed25519")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def _write_pair(folder: Path, name: str) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.pub").write_bytes(public)
    descriptor = os.open(folder / f"{name}.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private)
