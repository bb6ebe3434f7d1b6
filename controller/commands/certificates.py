"""The certificates of OPC UA: this site's own, made and rotated, and those of the servers that it trusts."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.signals import run_until_signal
from controller.terminal.telling import tell
from drivers.errors import ConfigError, DriverLoss

if TYPE_CHECKING:
    from cryptography import x509

    from controller.site.model import SiteFile
    from controller.site.sources import OpcuaSecurity, OpcuaSource
    from drivers.meters.opcua.certificates import CertificatePair

_WITHIN_S = 5.0


def add(verbs: Verbs) -> None:
    """Add the verbs."""
    family = verbs.add_parser("certificates", help="make, rotate and trust the certificates of OPC UA")
    actions = family.add_subparsers(required=True, metavar="ACTION")
    for name, carry_out, text in (
        ("make", _make, "make the site's certificates that are not there yet"),
        ("rotate", _rotate, "make new ones, used from the next connection on; the old stay until they are retired"),
        ("retire", _retire, "delete the certificates that a rotation has kept"),
        ("show", _show, "show the site's certificates and those that it trusts"),
        ("fetch", _fetch, "show the certificates that the servers present, and whether they are trusted"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("file", type=Path, help="the site file")
        action.set_defaults(carry_out=carry_out)
    trust = actions.add_parser("trust", help="put the certificate that a server presents into the trust list")
    trust.add_argument("file", type=Path, help="the site file")
    trust.add_argument("thumbprint", help="of the certificate, as the server's own tools show it")
    trust.set_defaults(carry_out=_trust)


def _make(arguments: argparse.Namespace) -> int:
    from drivers.meters.opcua.certificates import make

    site_file = _load(arguments.file)
    for own in _own(site_file):
        if own.exists:
            tell(f"{own.certificate} is there already")
            continue
        make(own, f"urn:surplusd:{site_file.site}")
        tell(f"made {own.certificate}, with its key in {own.private_key}")
    tell("every server must trust the certificate: most put it aside at the first connection, for a person to accept")
    return DONE


def _rotate(arguments: argparse.Namespace) -> int:
    from drivers.meters.opcua.certificates import rotate

    for own in _own(_load(arguments.file)):
        try:
            rotate(own)
        except DriverLoss as error:
            raise ConfigError(str(error)) from error
        tell(f"made {own.certificate} anew; {own.former.certificate} serves where a server does not trust it yet")
    tell("when every server trusts it: surplusd certificates retire")
    return DONE


def _retire(arguments: argparse.Namespace) -> int:
    from drivers.meters.opcua.certificates import retire

    for own in _own(_load(arguments.file)):
        done = retire(own)
        tell(f"deleted {own.former.certificate} and its key" if done else f"{own.former.certificate} is not there")
    return DONE


def _show(arguments: argparse.Namespace) -> int:
    from drivers.meters.opcua.certificates import identities
    from drivers.meters.opcua.trust import load_trust

    site_file, good = _load(arguments.file), True
    try:
        for own in _own(site_file):
            for each in identities(own.certificate, own.private_key):
                tell(f"own      {each.certificate}: {_line(each.load())}")
        for place in dict.fromkeys(_trusted(security) for security in _securities(site_file)):
            trust = load_trust(place)
            for certificate in trust.certificates:
                tell(f"trusted  {place}: {_line(certificate)}")
            for revocations in trust.revocations:
                issuer, count = revocations.issuer.rfc4514_string(), len(list(revocations))
                tell(f"revoked  {place}: {count} of {issuer}, next list by {revocations.next_update_utc}")
    except DriverLoss as error:
        tell(str(error))
        good = False
    return DONE if good else NOT_GOOD


def _fetch(arguments: argparse.Namespace) -> int:
    good, places = True, list(_secured(_load(arguments.file)))
    if not places:
        raise _nothing_secured()
    for source, security in places:
        try:
            certificate, doubt = run_until_signal(_presented(source, security))
        except DriverLoss as error:
            tell(str(error))
            good = False
            continue
        tell(f"{source.endpoint}: {_line(certificate)}")
        tell(f"  {doubt}" if doubt else "  trusted")
        good = good and not doubt
    if not good:
        tell("what is as the server's own tools show it: surplusd certificates trust SITE.yaml THUMBPRINT")
    return DONE if good else NOT_GOOD


def _trust(arguments: argparse.Namespace) -> int:
    from cryptography.hazmat.primitives.serialization import Encoding

    from drivers.meters.opcua.trust import thumbprint

    wanted = arguments.thumbprint.replace(":", "").replace(" ", "").upper()
    for source, security in _secured(_load(arguments.file)):
        try:
            certificate, _ = run_until_signal(_presented(source, security))
        except DriverLoss as error:
            tell(str(error))
            continue
        if thumbprint(certificate) == wanted:
            path = _place(security, wanted)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(certificate.public_bytes(Encoding.DER if path.suffix == ".der" else Encoding.PEM))
            tell(f"{path}: {_line(certificate)}")
            return DONE
    raise ConfigError(f"found no server that presents {wanted}, allowed is what surplusd certificates fetch shows")


def _place(security: OpcuaSecurity, thumbprint: str) -> Path:
    """Return where a trusted certificate goes; raises ConfigError where another is the only one that is trusted."""
    if security.trust is not None:
        return security.trust / f"{thumbprint.lower()}.der"
    path = _trusted(security)
    if path.exists():
        raise ConfigError(f"{path} is there already, and the site file trusts no other; delete it first")
    return path


async def _presented(source: OpcuaSource, security: OpcuaSecurity) -> tuple[x509.Certificate, str]:
    """Return the certificate that a server presents, and why it is not trusted."""
    from urllib.parse import urlsplit

    from drivers.meters.opcua.connect import presented_certificates
    from drivers.meters.opcua.points import Server
    from drivers.meters.opcua.trust import UntrustedError, check, load_trust

    server = Server(endpoint=source.endpoint, timeout_s=_WITHIN_S)
    chain = await presented_certificates(server, security.policy, security.mode)
    place = _trusted(security)
    if not place.exists():
        return chain[0], f"nothing is trusted yet: {place} is not there"
    try:
        check(chain[0], load_trust(place), urlsplit(source.endpoint).hostname or "", chain[1:])
    except UntrustedError as error:
        return chain[0], str(error)
    return chain[0], ""


def _load(path: Path) -> SiteFile:
    from controller.site.load import load

    return load(path)


def _secured(site_file: SiteFile) -> Iterator[tuple[OpcuaSource, OpcuaSecurity]]:
    """Yield every server that is spoken to in safety, once."""
    seen = set()
    for source in (site_file.surplus.opcua, *(meter.opcua for meter in site_file.meters)):
        if source is None or source.security is None or source.endpoint in seen:
            continue
        seen.add(source.endpoint)
        yield source, source.security


def _securities(site_file: SiteFile) -> Iterable[OpcuaSecurity]:
    return [security for _, security in _secured(site_file)]


def _trusted(security: OpcuaSecurity) -> Path:
    return security.trust or security.server_certificate or Path()


def _own(site_file: SiteFile) -> list[CertificatePair]:
    from drivers.meters.opcua.certificates import CertificatePair

    own = dict.fromkeys(CertificatePair(each.certificate, each.private_key) for each in _securities(site_file))
    if not own:
        raise _nothing_secured()
    return list(own)


def _nothing_secured() -> ConfigError:
    return ConfigError("found no opcua source with security, allowed is a site file that names certificates")


def _line(certificate: x509.Certificate) -> str:
    from drivers.meters.opcua.trust import describe

    return f"{describe(certificate)}, valid until {certificate.not_valid_after_utc:%Y-%m-%d}"
