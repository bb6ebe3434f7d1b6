"""Where a meter is that sends messages: an address in place of a host, and who asks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controller.commands import seconds

if TYPE_CHECKING:
    from controller.commands.meter.message_reach import MessageReach

SCHEMES: Final = ("http://", "https://", "mqtt://", "mqtts://")


def add_message_options(verb: argparse.ArgumentParser) -> None:
    """Add what is needed to reach a meter at an address that begins with one of `SCHEMES`."""
    group = verb.add_argument_group("of meters that send JSON (http, https, mqtt and mqtts)")
    group.add_argument("--token-file", type=Path, metavar="FILE", help="of http: a bearer token")
    group.add_argument("--username", metavar="NAME", help="of http and mqtt")
    group.add_argument("--login", choices=("basic", "digest", "query"), default="basic", help="of http")
    group.add_argument("--sha256", metavar="DIGITS", help="of https: of the server's own certificate, instead of --ca")
    group.add_argument("--listen", type=seconds, default=5.0, metavar="TIME", help="of mqtt: how long (default: 5 s)")
    group.add_argument(
        "--power-unit", choices=("W", "kW", "MW", "GW"), help="of http and mqtt, where nobody else says it"
    )


def is_message_address(host: str | None) -> bool:
    """Return whether that is an address of messages, and no host."""
    return host is not None and host.startswith(SCHEMES)


def reach_of(arguments: argparse.Namespace, address: str) -> MessageReach:
    """Return where the meter is; CommandLineWrong for an address that is none, ConfigError for secrets that cannot be used."""
    from controller.commands.meter.message_reach import MessageReach

    return MessageReach.of(
        address,
        token_file=arguments.token_file,
        username=arguments.username,
        password_file=arguments.password_file,
        login=arguments.login,
        ca=arguments.ca,
        sha256=arguments.sha256,
        certificate=arguments.certificate,
        private_key=arguments.private_key,
        timeout_s=arguments.timeout,
        listen_s=arguments.listen,
        unit=arguments.power_unit,
    )
