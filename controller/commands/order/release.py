"""``surplusd order release``: ends an order of one's own for good."""

from __future__ import annotations

import argparse

from controller.commands import Verbs
from controller.commands.asking import GIVERS, add_options, client
from controller.commands.order.asking import add_order, conclude, path_of


def add(verbs: Verbs) -> None:
    """Add the verb."""
    about = (
        "Only its issuer ends an order, and operators a limit that one of them set; power comes back by the up-ramp."
    )
    verb = verbs.add_parser("release", help="end an order for good", description=about)
    add_order(verb)
    add_options(verb, *GIVERS)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    path = path_of(arguments.id, arguments.issuer, "/release")
    answer = client(arguments, *GIVERS).get("POST", path)
    words = f"released: {answer.body['issuer']}/{arguments.id}" if answer.is_good else ""
    return conclude(answer, arguments, words)
