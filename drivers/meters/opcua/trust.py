"""Which server certificates are trusted: a list of files that a person keeps (OPC 10000-2, 8; OPC 10000-4, 6.1.3).

A folder holds server certificates, certificates of issuers, and revocation lists, in PEM or DER. A certificate is trusted
when it stands there itself or when its issuer does; revoked and expired ones never are, whoever signed them. A file that
cannot be read refuses everything: it may be the revocation that counts. A single file is a list of one.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from drivers.errors import DriverLoss

log = logging.getLogger(__name__)

_E = TypeVar("_E", bound=x509.ExtensionType)

SUFFIXES: Final = frozenset({".pem", ".der", ".crt", ".cer", ".crl"})
#: Longest chain of issuers that is followed.
_CHAIN: Final = 8


class UntrustedError(DriverLoss):
    """A certificate is not to be trusted; the text says which and why."""


@dataclass(frozen=True, slots=True)
class TrustList:
    """What a person has put into the trust list."""

    place: Path
    certificates: tuple[x509.Certificate, ...]
    revocations: tuple[x509.CertificateRevocationList, ...]


def load_trust(place: Path) -> TrustList:
    """Return the trust list that stands in a folder, or the one certificate of a file; raises UntrustedError."""
    try:
        files = (
            sorted(each for each in place.iterdir() if each.suffix.lower() in SUFFIXES) if place.is_dir() else [place]
        )
        contents = [(each, each.read_bytes()) for each in files]
    except OSError as error:
        raise UntrustedError(f"the trust list {place} cannot be read: {error.strerror}") from error
    certificates: list[x509.Certificate] = []
    revocations: list[x509.CertificateRevocationList] = []
    for path, content in contents:
        _sort_in(path, content, certificates, revocations)
    return TrustList(place, tuple(certificates), tuple(revocations))


def _sort_in(
    path: Path,
    content: bytes,
    certificates: list[x509.Certificate],
    revocations: list[x509.CertificateRevocationList],
) -> None:
    try:
        if b"-----BEGIN X509 CRL" in content:
            revocations.append(x509.load_pem_x509_crl(content))
        elif b"-----BEGIN" in content:
            certificates.extend(x509.load_pem_x509_certificates(content))
        else:
            _sort_in_der(content, certificates, revocations)
    except ValueError as error:
        raise UntrustedError(f"{path} in the trust list is neither a certificate nor a revocation list") from error


def _sort_in_der(
    content: bytes, certificates: list[x509.Certificate], revocations: list[x509.CertificateRevocationList]
) -> None:
    try:
        certificates.append(x509.load_der_x509_certificate(content))
    except ValueError:
        revocations.append(x509.load_der_x509_crl(content))


def check(certificate: x509.Certificate, trust: TrustList, host: str, chain: Sequence[x509.Certificate] = ()) -> None:
    """Raise UntrustedError unless the certificate of the server at `host` is to be trusted now.

    `chain`: issuers that the server sent along; they lead to a trusted one, and are never trusted for themselves.
    """
    now = dt.datetime.now(dt.UTC)
    name = f"the server's certificate {describe(certificate)}"
    _check_time(certificate, name, now)
    _check_revoked(certificate, trust, name, now)
    if certificate in trust.certificates:
        return
    issuers = [*trust.certificates, *chain]
    child = certificate
    for _ in range(_CHAIN):
        issuer = next((each for each in issuers if _issued(each, child)), None)
        if issuer is None or issuer == child:
            break
        _check_time(issuer, f"the issuer {describe(issuer)} of {name}", now)
        _check_revoked(issuer, trust, f"the issuer {describe(issuer)} of {name}", now)
        if issuer in trust.certificates:
            _check_issued(certificate, name, host)
            return
        child = issuer
    raise UntrustedError(f"{name} is unknown: neither it nor its issuer is in the trust list {trust.place}")


def _check_time(certificate: x509.Certificate, name: str, now: dt.datetime) -> None:
    if certificate.not_valid_after_utc < now:
        raise UntrustedError(f"{name} has expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if certificate.not_valid_before_utc > now:
        begins = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise UntrustedError(f"{name} is not valid before {begins}; is the clock of this machine right?")


def _check_revoked(certificate: x509.Certificate, trust: TrustList, name: str, now: dt.datetime) -> None:
    for revocations in trust.revocations:
        if revocations.issuer != certificate.issuer:
            continue
        if not _signed_by_one(revocations, trust.certificates):
            text = f"the revocation list of {revocations.issuer.rfc4514_string()} is not signed by an issuer in {trust.place}"
            raise UntrustedError(text)
        if revocations.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            raise UntrustedError(f"{name} is revoked")
        if revocations.next_update_utc is not None and revocations.next_update_utc < now:
            issuer = revocations.issuer.rfc4514_string()
            log.warning(
                "the revocation list of %s is older than it should be, since %s",
                issuer,
                revocations.next_update_utc,
                extra={"event": "revocation_list_old", "issuer": issuer},
            )


def _signed_by_one(revocations: x509.CertificateRevocationList, certificates: Sequence[x509.Certificate]) -> bool:
    issuers = [each for each in certificates if each.subject == revocations.issuer]
    return any(revocations.is_signature_valid(each.public_key()) for each in issuers)  # type: ignore[arg-type]


def _issued(issuer: x509.Certificate, child: x509.Certificate) -> bool:
    """Tell whether `issuer` may sign certificates and has signed this one."""
    try:
        child.verify_directly_issued_by(issuer)
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    usage = _extension(issuer, x509.KeyUsage)
    return constraints.ca and (usage is None or usage.key_cert_sign)


def _check_issued(certificate: x509.Certificate, name: str, host: str) -> None:
    """Refuse what the issuer made for another: it also signs certificates of clients and of other servers."""
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    if usages is not None and ExtendedKeyUsageOID.SERVER_AUTH not in usages:
        raise UntrustedError(f"{name} is not one of a server")
    names = _extension(certificate, x509.SubjectAlternativeName)
    hosts = [] if names is None else names.get_values_for_type(x509.DNSName)
    addresses = [] if names is None else names.get_values_for_type(x509.IPAddress)
    if host.lower() not in {each.lower() for each in hosts} and _address(host) not in addresses:
        known = ", ".join([*hosts, *map(str, addresses)]) or "none"
        raise UntrustedError(f"{name} is for another host: it names {known}, not {host}")


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def thumbprint(certificate: x509.Certificate) -> str:
    """Return the SHA-1 that OPC UA tools show as a certificate's thumbprint."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303  a name here, no protection


def describe(certificate: x509.Certificate) -> str:
    """Return the subject and the thumbprint, by which a person finds the certificate in other tools."""
    return f"{certificate.subject.rfc4514_string()} ({thumbprint(certificate)})"
