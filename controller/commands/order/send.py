"""``surplusd order send``: a new order, or with ``--revision`` the next revision of one."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from controller.commands import Verbs
from controller.commands.asking import GIVERS, add_options, client
from controller.commands.order.asking import PATH, conclude, path_of, size
from controller.terminal.telling import tell

if TYPE_CHECKING:
    from drivers.quantities import QuantityKind

_ABOUT = """Without --revision, or with 1, it is a new order; the same one once more changes nothing. Exit status 0: taken, on the
disk, and it can be kept in full; 1: refused, partial, or applied and not durable."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("send", help="send an order, or the next revision of one", description=_ABOUT)
    verb.add_argument("id", metavar="ID", help="chosen by the sender: letters, digits, and . _ : -")
    cut = verb.add_mutually_exclusive_group(required=True)
    cut.add_argument("--limit", type=_power, metavar="POWER", help='the most that the node may draw, such as "1.2 MW"')
    cut.add_argument("--percent", type=float, metavar="N", help="the same in percent of the site's contract")
    cut.add_argument("--reduce-by", type=_power, metavar="POWER", help="so much below what it draws at the start")
    verb.add_argument("--node", metavar="NODE", help="a node of the site (default: the site itself)")
    verb.add_argument("--starts", type=_time, metavar="TIME", help="such as 2026-11-21T18:00:00Z (default: at once)")
    verb.add_argument("--ends", type=_time, metavar="TIME", help="as above (default: until it is released)")
    verb.add_argument(
        "--ramp", type=_rate, metavar="RATE", help='how fast it comes down, such as "5 kW/s" (default: at once)'
    )
    verb.add_argument("--revision", type=int, metavar="N", help="one more than the present one")
    verb.add_argument(
        "--issuer", metavar="NAME", help="of a revision: whose order it is, where several have the same id"
    )
    add_options(verb, *GIVERS)
    verb.set_defaults(carry_out=_carry_out)


def _power(text: str) -> float:
    """Read a power of a command line, 0 W included."""
    from drivers.quantities import QuantityKind

    return _quantity(text, QuantityKind.POWER)


def _rate(text: str) -> float:
    """Read how fast power changes."""
    from drivers.quantities import QuantityKind

    return _quantity(text, QuantityKind.POWER_RATE)


def _time(text: str) -> str:
    """Read a time of a command line, which is sent as it is."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        given = None
    if given is None or given.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"found {text!r}; allowed is a time with its offset, like 2026-11-21T18:00:00Z"
        )
    return text


def _quantity(text: str, kind: QuantityKind) -> float:
    from drivers.quantities import QuantityError, parse_quantity

    try:
        return parse_quantity(text, kind)
    except QuantityError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.core.reasons import Code

    terms = {
        "limit_w": arguments.limit,
        "limit_percent": arguments.percent,
        "reduce_by_w": arguments.reduce_by,
        "node": arguments.node,
        "starts_at": arguments.starts,
        "ends_at": arguments.ends,
        "ramp_w_per_s": arguments.ramp,
        "revision": arguments.revision,
    }
    body = {name: value for name, value in terms.items() if value is not None}
    if (arguments.revision or 1) > 1:
        answer = client(arguments, *GIVERS).get("PUT", path_of(arguments.id, arguments.issuer), body)
    else:
        answer = client(arguments, *GIVERS).get("POST", PATH, {"id": arguments.id} | body)
    order = answer.body
    words = (
        f"{order['outcome']}: {order['issuer']}/{order['id']}, {order['node']} draws {size(order)}"
        if answer.is_good
        else ""
    )
    status = conclude(answer, arguments, words)
    if Code.ORDER_CONFLICT in answer.codes and not arguments.json:
        revision = order["error"]["order"]["revision"] + 1
        tell(f"--revision {revision} changes it; another order needs another id", out=sys.stderr)
    return status
