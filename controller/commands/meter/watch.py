"""``surplusd meter watch``: what one meter of the site shows, until Ctrl-C."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.commands import Verbs, seconds

_DEFAULT_SITE = Path("/etc/surplusd/site.yaml")


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("watch", help="show what a meter of the site file shows, until Ctrl-C")
    verb.add_argument("name", metavar="NAME", help="the meter's id in the site file, or `surplus`")
    verb.add_argument("--file", type=Path, default=_DEFAULT_SITE, help="the site file (default: %(default)s)")
    verb.add_argument("--for", dest="for_s", type=seconds, metavar="TIME", help="end after so long")
    verb.add_argument("--capture", type=Path, metavar="FILE", help="first write down what it answers to one reading")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.commands.meter.live_view import run

    return run(arguments.name, arguments.file, arguments.for_s, arguments.capture)
