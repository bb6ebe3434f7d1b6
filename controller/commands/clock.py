"""``surplusd clock``: whether orders end by the wall clock of the daemon, and the word of a person that it is right."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.asking import SITE, site_file_of
from controller.terminal.telling import tell

_ABOUT = """After a step of the wall clock that was right, or a start of the machine that no agent's clock has seen, no order ends by its
time until somebody vouches for the clock. Read the time from a clock that this machine does not set, and state it here."""


def add(verbs: Verbs) -> None:
    """Add the family with its one verb."""
    family = verbs.add_parser("clock", help="vouch for the wall clock").add_subparsers(required=True, metavar="VERB")
    verb = family.add_parser("confirm", help="say that the daemon's wall clock is right", description=_ABOUT)
    verb.add_argument("--utc", required=True, metavar="TIME", help="the time now elsewhere, like 2026-11-21T18:00:00Z")
    verb.add_argument("--reason", required=True, help="what was looked at; it goes into the journal")
    verb.add_argument("--site", type=Path, default=SITE, metavar="FILE", help=f"the site file (default: {SITE})")
    verb.add_argument("--token-file", type=Path, required=True, metavar="FILE", help="an authority's token")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.commands.daemon_client import DaemonClient
    from controller.daemon.secret import read_secret

    daemon = DaemonClient.of(site_file_of(arguments), read_secret(arguments.token_file))
    said = {"utc": arguments.utc, "reason": arguments.reason}
    answer = daemon.ask("POST", "/api/v1/clock/confirm", said)
    tell(f"the daemon's wall clock, {answer['utc']}, is taken for right from now on; this is on record")
    return _tell(answer)


def _tell(answer: Mapping[str, Any]) -> int:
    if answer["trusted"]:
        tell("orders end by it")
        return DONE
    tell(f"no order ends by it yet: {answer['doubt']}")
    return NOT_GOOD
