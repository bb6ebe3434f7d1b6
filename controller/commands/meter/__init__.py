"""``surplusd meter …``: find out what a meter is, watch it, describe a new one, confirm one; a verb is a file of that name."""

from controller.commands import Verbs
from controller.commands.meter import confirm, new, probe, profiles, test, watch


def add(verbs: Verbs) -> None:
    """Add the verb and those below it."""
    meter = verbs.add_parser("meter", help="find out what a meter is, watch it, describe a new one, confirm one")
    below = meter.add_subparsers(required=True, metavar="VERB")
    for verb in (probe, watch, new, test, profiles, confirm):
        verb.add(below)
