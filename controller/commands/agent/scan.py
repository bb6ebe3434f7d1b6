"""``surplusd agent scan``: finds devices on a network, and prints them as entries of an agent's file; it only reads."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.terminal.telling import tell


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("scan", help="find devices on a network, and print them as entries; nothing is written")
    verb.add_argument("network", metavar="CIDR", help="addresses, such as 10.0.1.0/24")
    verb.add_argument("--login", type=Path, metavar="FILE", help="login for families that say nothing without one")
    verb.add_argument("--port", type=int, action="append", default=[], help="instead of the ports of the families")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    import asyncio
    from ipaddress import ip_network

    from controller.agent.scanning import Sighting, scan
    from drivers.devices.login import read_login
    from drivers.errors import ConfigError

    try:
        network = ip_network(arguments.network, strict=False)
    except ValueError as error:
        raise ConfigError(f"found {arguments.network!r} ({error}), allowed is a network such as 10.0.1.0/24") from error
    login = None if arguments.login is None else read_login(arguments.login)
    found = asyncio.run(scan(network, login=login, ports=arguments.port))
    devices = [one for one in found if isinstance(one, Sighting)]
    tell("devices:" if devices else f"# nothing in {network} says what it is")
    for device in devices:
        tell(*device.stanza.splitlines())
    for address in (one for one in found if isinstance(one, str)):
        tell(f"# {address} answers, and says nothing that is known; perhaps it wants a --login")
    return DONE if devices else NOT_GOOD
