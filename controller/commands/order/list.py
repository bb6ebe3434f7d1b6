"""``surplusd order list``: every open order, and the newest of the others."""

from __future__ import annotations

import argparse
import json

from controller.commands import DONE, Verbs
from controller.commands.order.asking import PATH, add_options, client, size


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("list", help="list the orders and how they stand")
    verb.add_argument("--all", action="store_true", help="those that have ended too")
    add_options(verb)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    answer = client(arguments).ask("GET", PATH)
    orders = [order for order in answer["orders"] if arguments.all or order["state"] != "ended"]
    if arguments.json:
        print(json.dumps({"orders": orders}, indent=2))
        return DONE
    rows = [
        (f"{each['issuer']}/{each['id']}", str(each["revision"]), each["state"], each["node"], size(each))
        for each in orders
    ]
    rows.insert(0, ("order", "rev", "state", "node", "may draw"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return DONE
