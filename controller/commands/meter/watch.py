"""``surplusd meter watch``: what meters of the site show, until Ctrl-C."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.commands import Verbs, seconds
from controller.commands.asking import SITE


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("watch", help="show what meters of the site file show, until Ctrl-C")
    verb.add_argument(
        "names", nargs="+", metavar="NAME", help="the ids of the meters in the site file; `surplus` is its source"
    )
    verb.add_argument(
        "--site", "--file", type=Path, default=SITE, metavar="FILE", help="the site file (default: %(default)s)"
    )
    verb.add_argument("--for", dest="for_s", type=seconds, metavar="TIME", help="end after so long")
    verb.add_argument(
        "--capture", type=Path, metavar="FILE", help="first write down what the one answers to one reading"
    )
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.commands.meter.live_view import run

    return run(tuple(dict.fromkeys(arguments.names)), arguments.site, arguments.for_s, arguments.capture)
