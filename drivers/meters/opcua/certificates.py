"""The certificate that this site shows to servers: made, rotated, retired.

`site.pem` with its key is the one that is used. A rotation puts a new one into its place and keeps the former as
`site.old.pem`, which is used where a server does not trust the new one yet, until a person retires it.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drivers.errors import ConfigError, DriverLoss
from drivers.ownership import owner_to_be

#: What every policy and every old controller accepts (OPC 10000-7).
KEY_BITS: Final = 2048
VALID: Final = dt.timedelta(days=2 * 365)
#: How far the clock of a server may be behind when it sees the certificate for the first time.
BACKDATED: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """A certificate and its private key."""

    certificate: Path
    private_key: Path

    def load(self) -> x509.Certificate:
        """Return the certificate; raises DriverLoss where there is none."""
        try:
            content = self.certificate.read_bytes()
        except OSError as error:
            raise DriverLoss(f"the certificate {self.certificate} cannot be read: {error.strerror}") from error
        der = self.certificate.suffix == ".der"
        try:
            return x509.load_der_x509_certificate(content) if der else x509.load_pem_x509_certificate(content)
        except ValueError as error:
            raise DriverLoss(f"{self.certificate} is no certificate in {'DER' if der else 'PEM'}") from error

    def application_uri(self) -> str:
        """Return the URI that the certificate names; servers refuse a client that calls itself otherwise."""
        certificate = self.load()
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            names = x509.SubjectAlternativeName([])
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        if not uris:
            raise DriverLoss(f"{self.certificate} names no application URI, which OPC UA asks of a certificate")
        return str(uris[0])

    @property
    def former(self) -> CertificatePair:
        """Where a rotation keeps the one that was used before."""
        return CertificatePair(_former(self.certificate), _former(self.private_key))

    @property
    def exists(self) -> bool:
        """Whether both files are there."""
        return self.certificate.is_file() and self.private_key.is_file()


def _former(path: Path) -> Path:
    return path.with_name(f"{path.stem}.old{path.suffix}")


def identities(certificate: Path, private_key: Path) -> tuple[CertificatePair, ...]:
    """Return what this site may show, the newest first; read anew for every connection."""
    newest = CertificatePair(certificate, private_key)
    return (newest, newest.former) if newest.former.exists else (newest,)


def make(own: CertificatePair, uri: str) -> None:
    """Make a certificate and its key; raises ConfigError where one of the files is there already."""
    for path in (own.certificate, own.private_key):
        if path.exists():
            raise ConfigError(f"{path} is there already; to replace it: surplusd certificates rotate")
    _write(own, uri)


def rotate(own: CertificatePair) -> None:
    """Put a new certificate and key into the place of the present ones, which stay as `former` until they are retired."""
    if not own.exists:
        raise ConfigError(f"{own.certificate} and {own.private_key} are not there: surplusd certificates make")
    if own.former.certificate.exists() or own.former.private_key.exists():
        raise ConfigError(f"{own.former.certificate} is there still: first surplusd certificates retire")
    uri = own.application_uri()
    for now, former in ((own.private_key, own.former.private_key), (own.certificate, own.former.certificate)):
        os.link(now, former)
    _write(own, uri)


def retire(own: CertificatePair) -> bool:
    """Delete the former certificate and key; return whether there were any."""
    there = own.former.certificate.exists() or own.former.private_key.exists()
    own.former.certificate.unlink(missing_ok=True)
    own.former.private_key.unlink(missing_ok=True)
    return there


def _write(own: CertificatePair, uri: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    private = key.private_bytes(_encoding(own.private_key), PrivateFormat.PKCS8, NoEncryption())
    _replace(own.private_key, private, mode=0o600)
    _replace(own.certificate, _signed(key, uri).public_bytes(_encoding(own.certificate)), mode=0o644)


def _encoding(path: Path) -> Encoding:
    return Encoding.DER if path.suffix == ".der" else Encoding.PEM


def _replace(path: Path, content: bytes, *, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    owner = owner_to_be(path)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchown(file.fileno(), *owner)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _signed(key: rsa.RSAPrivateKey, uri: str) -> x509.Certificate:
    """Return a self-signed certificate of an application (OPC 10000-6, 6.2.2)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"surplusd {uri.rpartition(':')[2]}"[:64])])
    now = dt.datetime.now(dt.UTC)
    alternatives = x509.SubjectAlternativeName(
        [x509.UniformResourceIdentifier(uri), x509.DNSName(socket.gethostname())]
    )
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + VALID)
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
