"""``surplusd order show``: how one order stands, and what the journal tells of it."""

from __future__ import annotations

import argparse
from typing import Any

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.asking import READERS, add_options, client
from controller.commands.order.asking import add_order, path_of, size
from controller.terminal.telling import tell, tell_json


def add(verbs: Verbs) -> None:
    """Add the verb."""
    about = "Exit status 1 where it is in force and seen not to be kept."
    verb = verbs.add_parser("show", help="show how an order stands, with its history", description=about)
    add_order(verb)
    add_options(verb, *READERS)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    order = client(arguments, *READERS).ask("GET", path_of(arguments.id, arguments.issuer))
    if arguments.json:
        tell_json(order)
    else:
        tell(f"{order['issuer']}/{order['id']}, revision {order['revision']}: {order['node']} draws {size(order)}")
        tell(_state(order))
        if order["end_waits"]:
            tell(f"ends {order['ends_at']}: {order['end_waits']}")
        for event in order["history"]:
            tell(f"  {_event(event)}")
    return NOT_GOOD if order["state"] == "not_met" else DONE


def _state(order: dict[str, Any]) -> str:
    from drivers.quantities import format_power

    match order["state"]:
        case "scheduled":
            return f"scheduled for {order['starts_at']}"
        case "met":
            return f"met since {order['since']}"
        case "not_met":
            why = f" because {order['in_the_way']}" if order["in_the_way"] else ""
            return f"not met since {order['since']} by {format_power(order['shortfall_w'])}{why}"
        case "ended":
            return f"ended: {order['ending']} at {order['ended_at']} by {order['ended_by']}"
    return "in force, and nobody can see whether it is kept"


def _event(event: dict[str, Any]) -> str:
    from drivers.quantities import format_power

    words = [event["at"], event["event"].replace("_", " ")]
    words += [f"revision {event['revision']}"] if event["revision"] is not None else []
    words += [f"by {event['by']}"] if event["by"] is not None else []
    words += [f"at most {format_power(event['limit_w'])}"] if event["limit_w"] is not None else []
    words += [f"drawing {format_power(event['power_w'])}"] if event["power_w"] is not None else []
    words += [f"{format_power(event['shortfall_w'])} too much"] if event["shortfall_w"] else []
    words += [f"because {event['why']}"] if event["why"] else []
    return ", ".join(words)
