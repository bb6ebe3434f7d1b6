"""``surplusd stop``: take all to failsafe until it is resumed."""

from __future__ import annotations

import argparse
import json

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.asking import add_options, client

_ABOUT = """All devices go down to their failsafe watts by the emergency ramp, and stay there, over restarts, until `surplusd resume`. Agents are led on."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("stop", help="take all to failsafe until it is resumed", description=_ABOUT)
    verb.add_argument("--reason", required=True, help="it goes into the journal")
    add_options(verb, "operator")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    answer = client(arguments, "operator").ask("POST", "/api/v1/stop", {"reason": arguments.reason})
    told = "the site was stopped already" if answer["again"] else "the site is stopped"
    if not answer["durable"]:
        told += ", and that is not on the disk: a restart would forget it"
    print(json.dumps(answer, indent=2) if arguments.json else told)
    return DONE if answer["durable"] else NOT_GOOD
