"""Options of a simulated gateway that sends JSON: which it is, and how it misbehaves."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, get_args

from simulators.substation.gateway import Gateway, GatewayFaults, GatewayLogin
from simulators.substation.messages import PowerForm, read_message_data


@dataclass(frozen=True, slots=True)
class GatewayArgument:
    """One ``--meter``: `place` is a port, or a topic."""

    node: str
    data: dict[str, Any]
    place: str


def parse_gateway(text: str) -> GatewayArgument:
    """Return what stands behind ``--meter``."""
    node, _, rest = text.partition(":")
    profile, _, place = rest.partition(":")
    if not node or not profile or not place:
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is NODE:PROFILE:PORT, or NODE:PROFILE:TOPIC of mqtt")
    try:
        return GatewayArgument(node, read_message_data(profile), place)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"profile {profile!r} cannot be read: {error}") from error


def add_gateway_options(parser: argparse.ArgumentParser) -> None:
    """Add the gateways, who may ask them, and a switch for every fault."""
    add = parser.add_argument
    add("--meter", type=parse_gateway, action="append", required=True, metavar="NODE:PROFILE:PORT|TOPIC")
    add("--power", choices=get_args(PowerForm), default="number", help="what stands where the power should")
    add("--frozen", action="store_true", help="values stand still, stamps move on")
    add("--stuck", action="store_true", help="values and stamps stand still")
    add("--clock", type=float, default=0.0, metavar="S", help="by how much its clock is ahead")
    add("--status", type=int, default=200, help="of every answer")
    add("--html", action="store_true", help="a page instead of JSON")
    add("--cut-to", type=int, metavar="BYTES", help="of the body, after which it closes")
    add("--redirect", default="", metavar="URL", help="where it sends on to")
    add("--delay", type=float, default=0.0, metavar="S", help="before an answer")
    add("--padding", type=int, default=0, metavar="BYTES", help="that are added to the document")
    add("--content-type", default="application/json", help="that it says")
    add("--undated", action="store_true", help="answers do not say what its clock shows")
    add("--close", action="store_true", help="the connection after each answer")
    add("--retained", action="store_true", help="the broker keeps its messages")
    add("--silent", action="store_true", help="it sends nothing")
    add("--login", choices=("bearer", "basic", "digest", "query"), default="basic", help="how --secret is asked for")
    add("--secret", default="", help="token or password; without it everybody may ask")


def gateway_faults(args: argparse.Namespace) -> GatewayFaults:
    """Return the faults that are switched on."""
    return GatewayFaults(
        power=args.power,
        frozen=args.frozen,
        stuck=args.stuck,
        clock_s=args.clock,
        status=args.status,
        html=args.html,
        cut_to=args.cut_to,
        redirect=args.redirect,
        delay_s=args.delay,
        padding=args.padding,
        content_type=args.content_type,
        dated=not args.undated,
        close=args.close,
        retained=args.retained,
        silent=args.silent,
    )


def gateway_of(args: argparse.Namespace, wanted: GatewayArgument) -> Gateway:
    """Return one gateway, which shows nothing yet."""
    return Gateway(
        data=wanted.data,
        node=wanted.node,
        faults=gateway_faults(args),
        login=GatewayLogin(way=args.login, secret=args.secret),
    )
