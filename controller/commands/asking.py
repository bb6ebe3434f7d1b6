"""Which running daemon a verb asks, and by whose token."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controller.commands.daemon_client import DaemonClient, sender_of
from controller.terminal.telling import tell

if TYPE_CHECKING:
    from controller.site.model import SiteFile

#: The site file of this machine.
SITE: Final = Path("/etc/surplusd/site.yaml")
#: Whose token is taken from the site file where none is named: the first of these that the user can read.
OPERATOR: Final = ("operator",)
#: Who sets limits: at the machine it is an operator, whose limit is an operator's to lift.
GIVERS: Final = ("operator", "authority")
READERS: Final = ("viewer", "operator", "authority")


def add_options(verb: argparse.ArgumentParser, *roles: str) -> None:
    """Add what each verb takes that asks a daemon; `roles`: whose token it may be."""
    verb.add_argument("--url", help="address of the daemon (default: as the site file has it)")
    verb.add_argument("--site", type=Path, default=SITE, metavar="FILE", help=f"the site file (default: {SITE})")
    default = f"that the site file names and you can read, of {', else '.join(roles)}"
    verb.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"the sender's token (default: the first {default}; needed with --url)",
    )
    verb.add_argument("--json", action="store_true", help="print the answer of the daemon as it is")


def site_file_of(arguments: argparse.Namespace) -> SiteFile:
    """Return the site file that the command line names; ConfigError, which tells how another one is named where this machine's cannot be read."""
    from controller.site.load import load
    from drivers.errors import ConfigError

    try:
        return load(arguments.site)
    except ConfigError as error:
        if arguments.site != SITE or os.access(SITE, os.R_OK):
            raise
        raise ConfigError(f"{error}\n--site FILE names another one, or call this as a user who can read it") from error


def client(arguments: argparse.Namespace, *roles: str) -> DaemonClient:
    """Return the client that the command line asks for, and say whose token it takes where none is named.

    CommandLineWrong where the line is not whole, ConfigError where a file cannot be used.
    """
    from controller.daemon.secret import read_secret
    from drivers.errors import CommandLineWrong

    if arguments.url is None:
        site_file = site_file_of(arguments)
        sender = sender_of(site_file, roles, arguments.token_file)
        if sender.name:
            tell(f"as {sender.name}, by the token that {arguments.site} names", out=sys.stderr)
        return DaemonClient.of(site_file, sender.token)
    if arguments.token_file is None:
        raise CommandLineWrong("--token-file: it is needed with --url")
    return DaemonClient(arguments.url, read_secret(arguments.token_file))
