"""The contactors that the user of a demo asks for, written into the demo's copy of the site file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from drivers.errors import ConfigError

#: Who has a contactor that is not on Modbus.
AGENT: Final = "switchgear"
#: What feeds everything that must live on in a demo.
ELSEWHERE: Final = "elsewhere"
_WAYS: Final = ("modbus", "agent")
#: The help of the option.
HELP: Final = (
    "give a node a contactor that cuts it off when it draws too much for too long: on Modbus, which is the default, or through "
    "an agent of its own; may be repeated"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedContactor:
    """A contactor of a node: on Modbus, or through an agent."""

    node: str
    through_agent: bool


def parse_contactor(text: str) -> WantedContactor:
    """Return the contactor that the option's text describes; a type for argparse, and raises its ArgumentTypeError."""
    node, _, way = text.partition(":")
    way = way or _WAYS[0]
    if not node or way not in _WAYS:
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is NODE, NODE:modbus or NODE:agent")
    return WantedContactor(node=node, through_agent=way == "agent")


def add_contactors(raw: dict[str, Any], wanted: Sequence[WantedContactor], trip_after_s: float) -> None:
    """Give nodes of a site file contactors, and a meter where there is none; raises ConfigError for an unknown node.

    Their addresses are still to be set.
    """
    nodes = {node["id"]: node for node in raw["nodes"]}
    for k, each in enumerate(wanted):
        if each.node not in nodes:
            raise ConfigError(f"--contactor: found the node {each.node!r}, allowed is one of {', '.join(nodes)}")
        nodes[each.node]["contactor"] = {"trip_after": f"{trip_after_s:g} s", **_way(each, k)}
        _measure(raw, nodes[each.node])
    if wanted:
        supply = raw.setdefault("supply", {"controller": ELSEWHERE, "broker": ELSEWHERE})
        if any(each.through_agent for each in wanted):
            supply.setdefault("agents", {})[AGENT] = ELSEWHERE


def _way(wanted: WantedContactor, number: int) -> dict[str, Any]:
    if wanted.through_agent:
        return {"relay": {"agent": AGENT, "device": f"{wanted.node}-contactor"}}
    coil = {"unit": 1, "coil": number, "closed": "on", "position": {"input": number}, "fed_from": ELSEWHERE}
    return {"modbus": coil}


def _measure(raw: dict[str, Any], node: dict[str, Any]) -> None:
    """See that the node has a meter, and that what feeds its meters is said."""
    mine = [meter for meter in raw["meters"] if meter["node"] == node["id"]]
    if not mine:
        pattern = raw["meters"][-1]
        rating = node["limit"] if "limit" in node else raw["grid"]["contract"]
        mine = [{**pattern, "id": f"{node['id']}-meter", "node": node["id"], "rating": _doubled(rating)}]
        mine[0]["modbus"] = {**pattern["modbus"], "profile": "janitza_umg96rm"}
        raw["meters"] += mine
    for meter in mine:
        meter["fed_from"] = ELSEWHERE


def _doubled(quantity: str) -> str:
    """Return twice a quantity in its own unit: what is above a node's limit must be seen."""
    number, _, unit = quantity.partition(" ")
    return f"{2 * float(number):g} {unit}"
