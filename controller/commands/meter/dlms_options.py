"""Options of ``surplusd meter probe`` and ``test`` for meters on DLMS/COSEM; they are called as the keys of the site file are."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from controller.commands.meter.options import host_and_port, whole_number

if TYPE_CHECKING:
    from drivers.meters.dlms.access import Access
    from drivers.meters.dlms.meter import DlmsMeter
    from drivers.meters.dlms.place import DlmsPlace, Station
    from drivers.meters.dlms.profiles import DlmsProfile

#: The transports that are DLMS.
TRANSPORTS = ("wrapper", "hdlc_over_tcp", "hdlc")


def add_dlms(verb: argparse.ArgumentParser) -> None:
    """Add as whom a meter on DLMS is read."""
    group = verb.add_argument_group("of DLMS/COSEM (the transports wrapper, hdlc_over_tcp and hdlc)")
    station = whole_number(1, 16383)
    group.add_argument(
        "--client", type=station, default=16, metavar="N", help="as which it is read (default: 16, public)"
    )
    group.add_argument("--server", type=station, default=1, metavar="N", help="logical device (default: %(default)s)")
    group.add_argument("--physical", type=station, metavar="N", help="address on an HDLC line")
    group.add_argument("--address-bytes", type=int, choices=(1, 2, 4), help="length of both in a frame of HDLC")
    group.add_argument(
        "--authentication", choices=("none", "low", "high"), default="none", help="low: with --password-file"
    )
    group.add_argument("--encryption-key-file", type=Path, metavar="FILE", help="of high: 32 hexadecimal digits")
    group.add_argument("--authentication-key-file", type=Path, metavar="FILE", help="of high: 32 hexadecimal digits")
    group.add_argument("--system-title", metavar="HEX", help="of high: what we call ourselves, 16 hexadecimal digits")
    group.add_argument("--counter", default="0-0:43.1.0", metavar="OBIS", help="of high (default: %(default)s)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DlmsAsked:
    """Where a meter on DLMS is, and as whom it is read; `keys`: what the site file says for that, beyond the place."""

    place: DlmsPlace
    address: Station
    access: Access
    timeout_s: float
    keys: str

    def __str__(self) -> str:
        """Return how a person calls it."""
        return f"{self.place} client {self.address.client}, server {self.address.server}"

    def meter(self, profile: DlmsProfile) -> DlmsMeter:
        """Return the meter, read by this profile."""
        from drivers.meters.dlms.meter import DlmsMeter

        return DlmsMeter(
            id=profile.id,
            place=self.place,
            address=self.address,
            access=self.access,
            profile=profile,
            poll_s=1.0,
            timeout_s=self.timeout_s,
        )


def dlms_of(arguments: argparse.Namespace) -> DlmsAsked:
    """Return where the meter is; CommandLineWrong where the options contradict one another, ConfigError for secrets."""
    from controller.daemon.meters.dlms import access
    from drivers.errors import CommandLineWrong
    from drivers.meters.dlms.place import PORT, DlmsPlace, Station
    from drivers.modbus.place import Serial

    if arguments.capture is not None:
        raise CommandLineWrong(
            f"--capture: found {arguments.capture} with --transport {arguments.transport}, allowed is none"
        )
    _refuse_half(arguments)
    serial = None
    host, port = arguments.host, arguments.port
    if arguments.transport == "hdlc":
        serial = Serial(
            device=arguments.host, baud=arguments.baud, parity=arguments.parity, stop_bits=arguments.stop_bits
        )
        host, port = "", 0
    else:
        host, port = host_and_port(host, port)
    return DlmsAsked(
        place=DlmsPlace(transport=arguments.transport, host=host, port=port or (0 if serial else PORT), serial=serial),
        address=Station(
            client=arguments.client,
            server=arguments.server,
            physical=arguments.physical,
            length=arguments.address_bytes or 0,
        ),
        access=access(
            arguments.authentication,
            password_file=arguments.password_file,
            encryption_key_file=arguments.encryption_key_file,
            authentication_key_file=arguments.authentication_key_file,
            system_title=arguments.system_title,
            counter=arguments.counter,
        ),
        timeout_s=arguments.timeout,
        keys=", ".join(_keys(arguments)),
    )


def _refuse_half(arguments: argparse.Namespace) -> None:
    """Refuse an authentication without its secrets, as `check` does."""
    from drivers.errors import CommandLineWrong

    needed = {"none": [], "low": ["password_file"], "high": ["encryption_key_file", "authentication_key_file"]}
    for name in needed[arguments.authentication]:
        if getattr(arguments, name) is None:
            option = f"--{name.replace('_', '-')}"
            raise CommandLineWrong(f"--authentication {arguments.authentication}: found no {option}, allowed is one")


def _keys(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the keys of the site file for what is not its default."""
    yield f"client: {arguments.client}"
    for name in ("server", "physical", "address_bytes"):
        value = getattr(arguments, name)
        if value is not None and (name, value) != ("server", 1):
            yield f"{name}: {value}"
    if arguments.authentication != "none":
        yield f"authentication: {arguments.authentication}"
    for name in ("password_file", "encryption_key_file", "authentication_key_file"):
        if (value := getattr(arguments, name)) is not None:
            yield f"{name}: {value}"
    if arguments.system_title:
        yield f'system_title: "{arguments.system_title}"'
    if arguments.counter != "0-0:43.1.0":
        yield f"counter: {arguments.counter}"
