"""Options that several verbs of ``surplusd meter`` share."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from controller.commands import seconds, watts

if TYPE_CHECKING:
    from controller.commands.meter.meter_line import Address


def add_meter_or_capture(verb: argparse.ArgumentParser) -> None:
    """Add where a meter is, or where a capture of one is, and what is known of it."""
    verb.add_argument(
        "--host",
        metavar="HOST[:PORT]",
        help="the meter to test it on; the device for --transport rtu; http://HOST or mqtt://BROKER/TOPIC of one that sends JSON",
    )
    verb.add_argument(
        "--capture",
        type=Path,
        metavar="FILE",
        help="with --host: write what was asked and answered; without: test on it",
    )
    verb.add_argument(
        "--rating", type=watts, metavar="POWER", help="the most that the meter can measure, as in '1.2 MW'"
    )
    verb.add_argument(
        "--sunspec-model", type=whole_number(1, 65534), metavar="ID", help="of a SunSpec meter: the model that is meant"
    )
    verb.add_argument(
        "--nth", type=whole_number(1, 100), default=1, help="which of several of it (default: %(default)s)"
    )
    verb.add_argument("--full-scale", type=watts, metavar="POWER", help="of a meter whose numbers are shares of it")
    verb.set_defaults(wrong=verb.error)
    add_address(verb)


def add_address(verb: argparse.ArgumentParser) -> None:
    """Add where a meter is, but for its host."""
    verb.add_argument(
        "--port", type=whole_number(1, 65535), default=None, help="TCP port (default: 502, TLS 802, DLMS 4059)"
    )
    verb.add_argument("--unit", type=_unit, default=1, help="unit id, or `any` (default: %(default)s)")
    verb.add_argument("--ignore-transaction", action="store_true", help="the server does not echo its number")
    verb.add_argument(
        "--transport",
        choices=("tcp", "rtu_over_tcp", "rtu", "tls", "wrapper", "hdlc_over_tcp", "hdlc"),
        default="tcp",
        help="the first four are Modbus, the others DLMS/COSEM (default: %(default)s)",
    )
    verb.add_argument("--timeout", type=seconds, default=1.0, metavar="TIME", help="for an answer (default: 1 s)")
    verb.add_argument(
        "--baud", type=whole_number(300, 921_600), default=9600, help="of a serial port (default: %(default)s)"
    )
    verb.add_argument(
        "--parity", choices=("none", "even", "odd"), default="none", help="of a serial port (default: %(default)s)"
    )
    verb.add_argument("--stop-bits", type=whole_number(1, 2), default=1, help="of a serial port (default: %(default)s)")
    verb.add_argument("--ca", type=Path, metavar="FILE", help="of tls: certificate that signed the meter's (PEM)")
    verb.add_argument("--certificate", type=Path, metavar="FILE", help="of tls: our certificate (PEM)")
    verb.add_argument("--private-key", type=Path, metavar="FILE", help="of tls: its key (PEM)")


def add_password(verb: argparse.ArgumentParser) -> None:
    """Add the password of whoever asks, whatever the meter speaks."""
    verb.add_argument("--password-file", type=Path, metavar="FILE", help="of http, mqtt and DLMS")


def add_keys(verb: argparse.ArgumentParser) -> None:
    """Add how a value of an OPC UA server is read."""
    verb.add_argument(
        "--keys",
        metavar="'KEY: VALUE, ...'",
        help="of OPC UA: more keys, as they stand behind `opcua:` in the site file",
    )


def is_opcua(arguments: argparse.Namespace) -> bool:
    """Tell whether the host is an OPC UA server; CommandLineWrong where there are keys for one, and it is none."""
    from drivers.errors import CommandLineWrong

    found = str(arguments.host or "").startswith("opc.tcp://")
    if arguments.keys is not None and not found:
        raise CommandLineWrong(
            f"found --keys with {arguments.host}, allowed is a server such as opc.tcp://10.0.0.9:4840/"
        )
    return found


def whole_number(low: int, high: int) -> type[int]:
    """Return what reads a whole number between the bounds."""

    def integer(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"found {text!r}, allowed is {low} to {high}")
        return int(text)

    return integer  # type: ignore[return-value]  # argparse takes any callable


def _unit(text: str) -> int | str:
    return text if text == "any" else whole_number(0, 255)(text)


def host_and_port(host: str, port: int | None) -> tuple[str, int | None]:
    """Return both apart, also where they stand in one word; CommandLineWrong where the port stands twice and differs.

    >>> host_and_port("10.0.0.5:1502", None)
    ('10.0.0.5', 1502)
    >>> host_and_port("[::1]:1502", None)
    ('::1', 1502)
    >>> host_and_port("::1", 502)
    ('::1', 502)
    """
    from drivers.errors import CommandLineWrong

    found = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]+)):(\d{1,5})", host)
    if found is None:
        return host.strip("[]"), port
    beside = int(found[3])
    if not 1 <= beside <= 65535 or port not in {None, beside}:
        raise CommandLineWrong(f"found {host} with --port {port}, allowed is one port from 1 to 65535")
    return found[1] or found[2], beside


def address_of(arguments: argparse.Namespace) -> Address:
    """Return where the meter is; CommandLineWrong where the options contradict one another."""
    from controller.commands.meter.meter_line import Address
    from drivers.errors import CommandLineWrong
    from drivers.meters.modbus import MeterTls, Place, Serial

    transport = arguments.transport
    if transport in {"wrapper", "hdlc_over_tcp", "hdlc"}:
        raise CommandLineWrong(
            f"--transport: found {transport}, allowed here is one of Modbus: tcp, rtu_over_tcp, rtu, tls"
        )
    if (transport == "tls") is not bool(arguments.ca):
        raise CommandLineWrong(
            f"--ca: found {arguments.ca or 'none'} with --transport {transport}, allowed is one with tls"
        )
    if transport in {"rtu", "rtu_over_tcp"} and not (arguments.unit != "any" and 1 <= arguments.unit <= 247):
        raise CommandLineWrong(f"--unit: found {arguments.unit} with --transport {transport}, allowed is 1 to 247")
    serial = None
    if transport == "rtu":
        serial = Serial(
            device=arguments.host, baud=arguments.baud, parity=arguments.parity, stop_bits=arguments.stop_bits
        )
    tls = (
        MeterTls(ca=arguments.ca, certificate=arguments.certificate, private_key=arguments.private_key)
        if arguments.ca
        else None
    )
    host, port = (arguments.host, arguments.port) if serial else host_and_port(arguments.host, arguments.port)
    port = port or (802 if transport == "tls" else 502)
    place = Place(
        transport=transport,
        host=host,
        port=port,
        serial=serial,
        tls=tls,
        ignore_transaction=arguments.ignore_transaction,
    )
    any_unit = arguments.unit == "any"
    return Address(place=place, unit=1 if any_unit else arguments.unit, any_unit=any_unit, timeout_s=arguments.timeout)
