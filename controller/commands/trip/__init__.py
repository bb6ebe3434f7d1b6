"""``surplusd trip …``: for whoever has looked why a node was cut off; a verb is a file of that name."""

from controller.commands import Verbs
from controller.commands.trip import reset


def add(verbs: Verbs) -> None:
    """Add the verb and those below it."""
    trip = verbs.add_parser("trip", help="close the contactor of a node that was cut off")
    below = trip.add_subparsers(required=True, metavar="VERB")
    reset.add(below)
