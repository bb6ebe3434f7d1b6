"""What all verbs of orders share: which daemon is asked, by whose token, and how its answers are printed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from controller.commands import DONE, NOT_GOOD
from controller.commands.daemon_client import Answer, DaemonClient, token_of

_SITE: Final = Path("/etc/surplusd/site.yaml")
PATH: Final = "/api/v1/orders"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what each verb of orders takes."""
    verb.add_argument("--url", help="address of the daemon (default: as the site file has it)")
    verb.add_argument("--site", type=Path, default=_SITE, metavar="FILE", help=f"the site file (default: {_SITE})")
    verb.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="the sender's token (default: of the first authority that the site file names; needed with --url)",
    )
    verb.add_argument("--json", action="store_true", help="print the answer of the daemon as it is")


def add_order(verb: argparse.ArgumentParser) -> None:
    """Add what names one order."""
    verb.add_argument("id", metavar="ID", help="the order's id")
    verb.add_argument("--issuer", metavar="NAME", help="whose order it is; needed where several have the same id")


def path_of(order_id: str, issuer: str | None = None, verb: str = "") -> str:
    """Return the path of an order, or of something that is done to it."""
    query = "" if issuer is None else "?" + urlencode({"issuer": issuer})
    return f"{PATH}/{quote(order_id, safe='')}{verb}{query}"


def client(arguments: argparse.Namespace) -> DaemonClient:
    """Return the client that the command line asks for; ConfigError where it cannot be made."""
    from controller.daemon.secret import read_secret
    from controller.site.load import load
    from drivers.errors import ConfigError

    if arguments.url is None:
        site_file = load(arguments.site)
        return DaemonClient.of(site_file, token_of(site_file, "authority", arguments.token_file))
    if arguments.token_file is None:
        raise ConfigError("--token-file: it is needed with --url")
    return DaemonClient(arguments.url, read_secret(arguments.token_file))


def tell(answer: Answer, arguments: argparse.Namespace, words: str) -> int:
    """Print what a change came to; return `DONE` only where it was taken in full and is on the disk."""
    if arguments.json:
        print(json.dumps(answer.body, indent=2))
    elif not answer.is_good:
        print(answer.refusal, file=sys.stderr)
    else:
        why = f"; {answer.body['why']}" if answer.body["why"] else ""
        print(f"{words}{why}")
    return DONE if answer.is_good and answer.body["durable"] and answer.body["outcome"] != "partial" else NOT_GOOD


def size(order: dict[str, Any]) -> str:
    """Return what an order limits its node to, in words."""
    from drivers.quantities import format_power

    if order["limit_w"] is not None:
        return f"at most {format_power(order['limit_w'])}"
    cut_w = order.get("reduce_by_w")
    return "less, worked out at its start" if cut_w is None else f"{format_power(cut_w)} less, worked out at its start"
