"""``surplusd reload``: have a running daemon take over what its site file says now."""

from __future__ import annotations

import argparse

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.asking import OPERATOR, add_options, client
from controller.terminal.telling import tell, tell_json

_ABOUT = """The daemon reads and checks its file as a whole. Where there is a mistake, nothing changes, and every one is told. Else what may
change while the site runs counts at once (limits, ramps, prices, meters, tokens), and the rest is named: it waits for a restart."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("reload", help="have the daemon take over its site file", description=_ABOUT)
    add_options(verb, *OPERATOR)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    answer = client(arguments, *OPERATOR).ask("POST", "/api/v1/reload")
    taken, waiting = answer["taken"], answer["waiting"]
    if arguments.json:
        tell_json(answer)
    else:
        _tell("taken", taken)
        _tell("waits for a restart", waiting)
        if not (taken or waiting):
            tell("the site file says what runs already")
    return NOT_GOOD if waiting else DONE


def _tell(what: str, places: list[str]) -> None:
    for place in places:
        tell(f"{what}: {place}")
