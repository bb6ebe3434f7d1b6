"""``surplusd bench``: figures of this machine."""

from __future__ import annotations

import argparse

from controller.commands import Verbs


def add(verbs: Verbs, *, with_options: bool) -> None:
    """Add the verb; its options need the simulators, which no other verb but the demo needs."""
    verb = verbs.add_parser("bench", help="measure what this machine can lead")
    if with_options:
        from controller.bench.fleet import add_arguments

        kinds = verb.add_subparsers(required=True, metavar="WHAT")
        fleet = kinds.add_parser("fleet", help="a real daemon and broker with many light agents; needs mosquitto")
        add_arguments(fleet)
        fleet.set_defaults(carry_out=_fleet)


def _fleet(arguments: argparse.Namespace) -> int:
    from controller.bench.fleet import run

    return run(arguments)
