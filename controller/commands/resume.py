"""``surplusd resume``: let a stopped site rise again."""

from __future__ import annotations

import argparse
import json

from controller.commands import DONE, Verbs
from controller.commands.asking import add_options, client

_ABOUT = """The site rises by its ramp once nothing else keeps it down; locks stand."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("resume", help="let a stopped site rise again", description=_ABOUT)
    verb.add_argument("--reason", required=True, help="it goes into the journal")
    add_options(verb, "operator")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    answer = client(arguments, "operator").ask("POST", "/api/v1/resume", {"reason": arguments.reason})
    told = "the site was not stopped" if answer["again"] else "the site is resumed"
    print(json.dumps(answer, indent=2) if arguments.json else told)
    return DONE
