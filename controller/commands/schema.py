"""``surplusd schema``: the JSON schema of site files."""

from __future__ import annotations

import argparse

from controller.commands import DONE, Verbs
from controller.terminal.telling import tell_json


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("schema", help="print the JSON schema of site files, for editors")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(_: argparse.Namespace) -> int:

    from controller.site.load import SITE_FILE

    tell_json(SITE_FILE.schema)
    return DONE
