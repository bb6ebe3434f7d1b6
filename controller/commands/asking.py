"""Which running daemon a verb asks, and by whose token."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from controller.commands.daemon_client import DaemonClient, token_of

_SITE: Final = Path("/etc/surplusd/site.yaml")


def add_options(verb: argparse.ArgumentParser, role: str) -> None:
    """Add what each verb takes that asks a daemon; `role`: whose token it needs."""
    verb.add_argument("--url", help="address of the daemon (default: as the site file has it)")
    verb.add_argument("--site", type=Path, default=_SITE, metavar="FILE", help=f"the site file (default: {_SITE})")
    verb.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"the sender's token (default: of the first {role} that the site file names; needed with --url)",
    )
    verb.add_argument("--json", action="store_true", help="print the answer of the daemon as it is")


def client(arguments: argparse.Namespace, role: str) -> DaemonClient:
    """Return the client that the command line asks for; ConfigError where it cannot be made."""
    from controller.daemon.secret import read_secret
    from controller.site.load import load
    from drivers.errors import ConfigError

    if arguments.url is None:
        site_file = load(arguments.site)
        return DaemonClient.of(site_file, token_of(site_file, role, arguments.token_file))
    if arguments.token_file is None:
        raise ConfigError("--token-file: it is needed with --url")
    return DaemonClient(arguments.url, read_secret(arguments.token_file))
