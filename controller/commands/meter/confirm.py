"""``surplusd meter confirm``: a person says that a meter is right whose partner contradicted it and is silent now."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from controller.commands import DONE, Verbs
from controller.commands.asking import add_options, client
from controller.terminal.telling import tell, tell_json

_ABOUT = """Where two meters of a node disagreed before one fell silent (`meter_unconfirmed`), nobody but a person can say which was right.
Compare the one that still speaks with another instrument first. Confirmed, it leads the node alone once it has followed a step of
the fleet, also over restarts. That is over when all meters of the node speak and agree, or something speaks against this one."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("confirm", help="say that a meter is right whose partner is silent", description=_ABOUT)
    verb.add_argument("meter", metavar="METER", help="the id of the meter that still speaks")
    verb.add_argument("--by", metavar="NAME", help="who has looked (default: the name of the token)")
    verb.add_argument("--reason", required=True, help="what it was compared with; it goes into the journal")
    add_options(verb, "operator")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    body = {"reason": arguments.reason} | ({} if arguments.by is None else {"by": arguments.by})
    path = f"/api/v1/meters/{quote(arguments.meter, safe='')}/confirm"
    answer = client(arguments, "operator").ask("POST", path, body)
    if arguments.json:
        tell_json(answer)
    elif answer["again"]:
        tell(f"{answer['by']} has confirmed meter {answer['meter']} already")
    else:
        tell(
            f"meter {answer['meter']} is confirmed by {answer['by']}; this is on record, and it has to follow a step now"
        )
    return DONE
