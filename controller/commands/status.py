"""``surplusd status``: what a site does now, what is wrong, since when, and what to do."""

from __future__ import annotations

import argparse
import json
import sys

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.asking import READERS, add_options, client

_ABOUT = """Exit status 0: the site is normal, and there is nothing to be told; 1: there is, or the daemon does not answer."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("status", help="say what the site does, what is wrong and what to do", description=_ABOUT)
    add_options(verb, *READERS)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.commands.site_panel import SiteLook, panel_of
    from controller.terminal.panel import drawn
    from controller.terminal.screen import takes_colour, width_of

    look = SiteLook.of(client(arguments, *READERS))
    if arguments.json:
        print(json.dumps(look.status, indent=2))
    else:
        print(*drawn(panel_of(look), width_of(sys.stdout), colour=takes_colour(sys.stdout)), sep="\n")
    return DONE if look.is_good else NOT_GOOD
