"""``surplusd status``: what a site does now, what is wrong, since when, and what to do."""

from __future__ import annotations

import argparse

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.asking import READERS, add_options, client
from controller.terminal.telling import tell_json

_ABOUT = """Exit status 0: the site is normal, and there is nothing to be told; 1: there is, or the daemon does not answer."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("status", help="say what the site does, what is wrong and what to do", description=_ABOUT)
    add_options(verb, *READERS)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.commands.site_panel import SiteLook, panel_of
    from controller.terminal.screen import show

    look = SiteLook.of(client(arguments, *READERS))
    if arguments.json:
        tell_json(look.status)
    else:
        show(panel_of(look))
    return DONE if look.is_good else NOT_GOOD
