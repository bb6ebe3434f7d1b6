"""``surplusd locks``: the word of a person that all locks are known again, after the journal has lost records."""

from __future__ import annotations

import argparse

from controller.commands import DONE, Verbs
from controller.commands.asking import OPERATOR, add_options, client
from controller.terminal.telling import tell, tell_json

_ABOUT = """A journal that was damaged, lost or put back may have lost locks of people at work, and a stop of the site; until an operator has said
that all are known again, the site stays at failsafe. First ask who works where, and set each lock that is missing (`surplusd lock`), or stop
the site (`surplusd stop`). Then say here that this is all."""


def add(verbs: Verbs) -> None:
    """Add the family with its one verb."""
    family = verbs.add_parser("locks", help="say that all locks are known").add_subparsers(
        required=True, metavar="VERB"
    )
    verb = family.add_parser("confirm", help="say that what is locked now is all", description=_ABOUT)
    verb.add_argument("--by", required=True, metavar="NAME", help="who says so")
    verb.add_argument("--reason", required=True, help="who was asked; it goes into the journal")
    add_options(verb, *OPERATOR)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    said = {"by": arguments.by, "reason": arguments.reason}
    answer = client(arguments, *OPERATOR).ask("POST", "/api/v1/locks/statement", said)
    if arguments.json:
        tell_json(answer)
    else:
        held = ", ".join(f"{lock['subject']} by {lock['by']}" for lock in answer["locks"]) or "nothing"
        tell(f"on record: what is locked is all, {held}; the site is {'' if answer['stopped'] else 'not '}stopped")
    return DONE
