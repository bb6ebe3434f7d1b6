"""``surplusd order …``: for a dispatcher, or an operator who sets a limit; a verb is a file of that name."""

from controller.commands import Verbs
from controller.commands.order import list as list_verb
from controller.commands.order import release, send, show


def add(verbs: Verbs) -> None:
    """Add the verb and those below it."""
    order = verbs.add_parser("order", help="send, list, show and release curtailment orders at a running surplusd")
    below = order.add_subparsers(required=True, metavar="VERB")
    for verb in (send, list_verb, show, release):
        verb.add(below)
