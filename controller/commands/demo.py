"""``surplusd demo``: a whole simulated site."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.commands import Verbs


def add(verbs: Verbs, *, with_options: bool) -> None:
    """Add the verb; its options need the simulators, which are slow to import and which no other verb needs."""
    verb = verbs.add_parser("demo", help="run a whole simulated site on this machine")
    if with_options:
        from controller.demo.main import add_arguments

        add_arguments(verb)
        verb.set_defaults(carry_out=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from controller.demo.earnings import Books
    from controller.demo.main import run
    from controller.site.compile import compile_site
    from controller.site.load import load

    def open_books(path: Path) -> Books:
        site_file = load(path)
        economics = site_file.economics
        return Books(
            site=compile_site(site_file), currency=economics.tariff.currency, carbon_g_kwh=economics.carbon_g_kwh
        )

    return run(arguments, open_books=open_books)
