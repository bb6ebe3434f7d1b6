"""What all verbs of orders share: how an order is named, and how the answers are printed."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final
from urllib.parse import quote, urlencode

from controller.commands import DONE, NOT_GOOD
from controller.commands.daemon_client import Answer
from controller.terminal.telling import tell, tell_json

PATH: Final = "/api/v1/orders"


def add_order(verb: argparse.ArgumentParser) -> None:
    """Add what names one order."""
    verb.add_argument("id", metavar="ID", help="the order's id")
    verb.add_argument("--issuer", metavar="NAME", help="whose order it is; needed where several have the same id")


def path_of(order_id: str, issuer: str | None = None, verb: str = "") -> str:
    """Return the path of an order, or of something that is done to it."""
    query = "" if issuer is None else "?" + urlencode({"issuer": issuer})
    return f"{PATH}/{quote(order_id, safe='')}{verb}{query}"


def conclude(answer: Answer, arguments: argparse.Namespace, words: str) -> int:
    """Print what a change came to; return `DONE` only where it was taken in full and is on the disk."""
    if arguments.json:
        tell_json(answer.body)
    elif not answer.is_good:
        tell(answer.refusal, out=sys.stderr)
    else:
        why = f"; {answer.body['why']}" if answer.body["why"] else ""
        tell(f"{words}{why}")
    return DONE if answer.is_good and answer.body["durable"] and answer.body["outcome"] != "partial" else NOT_GOOD


def size(order: dict[str, Any]) -> str:
    """Return what an order limits its node to, in words."""
    from drivers.quantities import format_power

    if order["limit_w"] is not None:
        return f"at most {format_power(order['limit_w'])}"
    cut_w = order.get("reduce_by_w")
    return "less, worked out at its start" if cut_w is None else f"{format_power(cut_w)} less, worked out at its start"
