"""What the daemon would find on this machine, as this user: keys, certificates, secrets, folders, the port, the clock."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controller.core.reasons import Code
from controller.daemon.clock.anchor_file import ANCHOR, AnchorFile
from controller.daemon.clock.trust import doubts
from controller.daemon.journal.beginning import JOURNAL
from controller.daemon.journal.storage import in_use
from controller.daemon.meters.drivers import drivers
from controller.daemon.secret import read_secret
from controller.daemon.tokens import make_tokens
from controller.texts.english import text
from drivers.errors import ConfigError, Refused
from drivers.fleet.keys import CONTROLLER, load_private, load_public
from drivers.machine_clocks import read_clocks
from drivers.modbus.place import MeterTls

if TYPE_CHECKING:
    from controller.core.site import Site
    from controller.site.model import SiteFile

#: What ends a doubt about the wall clock, by which no order ends until then.
_REMEDIES: Final = {
    Code.CLOCK_APART: "see who has set it; where it is right, `surplusd clock confirm`",
    Code.CLOCK_UNANCHORED: "`surplusd clock confirm`, or an order with sent_at, vouches for it",
    Code.CLOCK_UNKNOWN: "let this user ask (adjtimex)",
    Code.CLOCK_UNSYNCHRONISED: "run chrony or systemd-timesyncd; without it no order ends by its time",
    Code.CLOCK_TURNED: "let chrony or systemd-timesyncd come to rest",
}
#: A certificate that ends within so many days is named.
DAYS_LEFT: Final = 30
#: The journal of a month, and room for the kernels.
FREE_BYTES: Final = 200_000_000


def warnings(site_file: SiteFile) -> Iterator[str]:
    """Yield what the daemon would run without, in words: by a clock that is not trusted no order ends."""
    yield from _clock(site_file.state)


def findings(site_file: SiteFile, site: Site) -> Iterator[str]:
    """Yield all that the daemon would lack here, in words."""
    checks: tuple[Callable[[], Iterator[str]], ...] = (
        lambda: _keys(site_file, site),
        lambda: _broker(site_file),
        lambda: _raised(lambda: drivers(site_file, lambda _: None)),
        lambda: _raised(lambda: make_tokens(site_file.orders.tokens)),
        lambda: _certificates(site_file),
        lambda: _state(site_file.state),
        _kernels,
        lambda: _port(site_file),
    )
    for check in checks:
        yield from check()


def _raised(work: Callable[[], object]) -> Iterator[str]:
    """Yield each line of the ConfigError that something raises."""
    try:
        work()
    except ConfigError as error:
        yield from str(error).splitlines()


def _keys(site_file: SiteFile, site: Site) -> Iterator[str]:
    folder = site_file.mqtt.keys
    yield from _raised(lambda: load_private(folder / f"{CONTROLLER}.key"))
    for agent in site.agents:
        yield from _raised(partial(load_public, folder / f"{agent}.pub"))


def _broker(site_file: SiteFile) -> Iterator[str]:
    mqtt = site_file.mqtt
    if (tls := mqtt.tls) is not None:
        yield from _raised(MeterTls(ca=tls.ca, certificate=tls.certificate, private_key=tls.private_key).context)
    if (password := mqtt.password_file) is not None:
        yield from _raised(lambda: read_secret(password))


def _certificates(site_file: SiteFile) -> Iterator[str]:
    """Yield the certificates that have ended or end soon."""
    meters, surplus = site_file.meters, site_file.surplus
    modbus = [source.tls for source in (surplus.modbus, *(meter.modbus for meter in meters)) if source and source.tls]
    sources = (surplus.opcua, *(meter.opcua for meter in meters))
    opcua = [source.security for source in sources if source and source.security]
    mqtt = [source.tls for source in (surplus.mqtt, *(meter.mqtt for meter in meters)) if source and source.tls]
    http = [source.tls for source in (surplus.http, *(meter.http for meter in meters)) if source and source.tls]
    paths = [path for part in (site_file.mqtt.tls, *modbus, *mqtt) if part for path in (part.ca, part.certificate)]
    paths += [part.ca for part in http]
    paths += [path for part in opcua for path in (part.certificate, part.server_certificate)]
    paths += [source.user_certificate for source in sources if source]
    for path in dict.fromkeys(path for path in paths if path is not None and path.is_file()):
        yield from _raised(partial(_in_time, path))


def _in_time(path: Path) -> None:
    from cryptography import x509

    try:
        content = path.read_bytes()
        pem = b"-----BEGIN" in content
        found = x509.load_pem_x509_certificates(content) if pem else [x509.load_der_x509_certificate(content)]
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: no certificate in PEM or DER: {error}") from error
    ends = min(certificate.not_valid_after_utc for certificate in found)
    left = (ends - datetime.now(UTC)).days
    if left < 0:
        raise ConfigError(f"{path}: the certificate has ended on {ends:%Y-%m-%d}")
    if left < DAYS_LEFT:
        raise ConfigError(f"{path}: the certificate ends on {ends:%Y-%m-%d}, in {left} days")


def _state(folder: Path) -> Iterator[str]:
    try:
        yield from _of_state(folder)
    except OSError as error:
        yield f"state: {folder}: this user cannot write there: {error.strerror}"


def _of_state(folder: Path) -> Iterator[str]:
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK, effective_ids=True):
        yield f"state: {folder}: this user cannot write there"
    elif (free := shutil.disk_usage(nearest).free) < FREE_BYTES:
        yield f"state: {folder}: {free / 1e6:.0f} MB are free, {FREE_BYTES / 1e6:.0f} MB are needed"
    journal = folder / JOURNAL
    if not journal.exists():
        yield f"state: {journal}: there is no journal; `surplusd init` makes it"
    elif not os.access(journal, os.R_OK | os.W_OK, effective_ids=True):
        yield f"state: {journal}: this user cannot read and write it"


def _kernels() -> Iterator[str]:
    cache = os.environ.get("NUMBA_CACHE_DIR")
    if cache is not None and not os.access(cache, os.W_OK | os.X_OK, effective_ids=True):
        yield f"NUMBA_CACHE_DIR: {cache}: this user cannot write there, so that each start compiles the kernels for a minute"


def _port(site_file: SiteFile) -> Iterator[str]:
    """Yield that the port is taken, but by the daemon of this very site."""
    host, port = site_file.http.listen.host, site_file.http.listen.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not in_use(site_file.state / JOURNAL):
            yield f"http.listen: {host}:{port}: {error.strerror or error}"


def _clock(state: Path) -> Iterator[str]:
    """Yield why no order would end by its time; what agents' clocks tell over a new start of the machine is not asked."""
    clocks = read_clocks()
    try:
        anchor = AnchorFile(state / ANCHOR).read()
        found = tuple(doubts("", anchor, clocks))
    except Refused as refusal:
        yield f"the clock: {refusal}; {_REMEDIES[Code.CLOCK_UNANCHORED]}"
        return
    carried = anchor is not None and anchor.boot != clocks.boot
    for doubt in found:
        if doubt.code is not Code.CLOCK_UNANCHORED or not carried:
            yield f"the clock: {text(doubt)}; {_REMEDIES[doubt.code]}"
