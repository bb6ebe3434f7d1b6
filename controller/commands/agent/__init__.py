"""``surplusd agent …``: leads real devices, looks at them, hands them back; and holds an agent against the contract."""

from controller.commands import Verbs
from controller.commands.agent import check, drill, keys, release, run, scan, verify


def add(verbs: Verbs) -> None:
    """Add the verb and those below it."""
    agent = verbs.add_parser(
        "agent", help="lead devices, look at them, hand them back; or find out what an agent of your own does wrong"
    )
    below = agent.add_subparsers(required=True, metavar="VERB")
    for verb in (run, check, scan, keys, drill, release, verify):
        verb.add(below)
