"""``surplusd agent …``: for whoever builds an agent; a verb is a file of that name."""

from controller.commands import Verbs
from controller.commands.agent import verify


def add(verbs: Verbs) -> None:
    """Add the verb and those below it."""
    agent = verbs.add_parser("agent", help="find out what an agent of your own does wrong")
    below = agent.add_subparsers(required=True, metavar="VERB")
    verify.add(below)
