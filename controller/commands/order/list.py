"""``surplusd order list``: every open order, and the newest of the others."""

from __future__ import annotations

import argparse
from typing import Any

from controller.commands import DONE, Verbs
from controller.commands.asking import READERS, add_options, client
from controller.commands.order.asking import PATH, size
from controller.terminal.telling import tell, tell_json


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("list", help="list the orders and how they stand")
    verb.add_argument("--all", action="store_true", help="those that have ended too")
    add_options(verb, *READERS)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    answer = client(arguments, *READERS).ask("GET", PATH)
    orders = [order for order in answer["orders"] if arguments.all or order["state"] != "ended"]
    if arguments.json:
        tell_json({"orders": orders})
        return DONE
    rows = [
        (f"{each['issuer']}/{each['id']}", str(each["revision"]), each["state"], each["node"], size(each), _until(each))
        for each in orders
    ]
    rows.insert(0, ("order", "rev", "state", "node", "may draw", "until"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        tell("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return DONE


def _until(order: dict[str, Any]) -> str:
    """Return when an order ends, or has ended, and whether that waits for a trusted clock."""
    codes = {reason["code"] for reason in order["reasons"]}
    waits = ", past, and binds all the same" if "order_end_past" in codes else ", once the clock is trusted"
    ends_at: str = order["ended_at"] or order["ends_at"] or "released"
    return f"{ends_at}{waits if order['end_waits'] else ''}"
