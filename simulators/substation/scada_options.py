"""Command line options of the simulated SCADA: every behaviour of servers in the field.

OPC UA is imported where it is used: a process of meters, which knows these options too, starts twice as fast without.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from simulators.substation.scada_units import UNITS

if TYPE_CHECKING:
    from simulators.substation.opcua_server import Scada


def add_scada_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `scada_of` reads."""
    parser.add_argument("--endpoint", default="opc.tcp://127.0.0.1:14840/")
    parser.add_argument("--certificate", type=Path, help=".pem or .der; with it, only secure policies are served")
    parser.add_argument("--private-key", type=Path, help=".pem or .der")
    _add_values(parser.add_argument_group("values"))
    _add_room(parser.add_argument_group("server"))


def _add_values(values: argparse._ArgumentGroup) -> None:
    values.add_argument("--status", type=_status, default="Good", help="of the values, such as BadNoCommunication")
    values.add_argument("--stamp-age", type=float, default=0.0, metavar="S", help="age of SourceTimestamp")
    values.add_argument(
        "--utc-offset", type=float, default=0.0, metavar="S", help="how far the server's clock is ahead"
    )
    values.add_argument("--on-change", action="store_true", help="stamps move with the value only")
    values.add_argument("--frozen", action="store_true", help="values and stamps stay as they are")
    values.add_argument("--stuck", action="store_true", help="values stay, Good and with fresh stamps")
    values.add_argument("--deadband", type=float, default=0.0, metavar="W", help="smaller changes are not shown")
    values.add_argument("--overflow", action="store_true", help="the flag that the queue has lost values")
    values.add_argument("--waiting", type=float, default=0.0, metavar="S", help="no initial data for so long")
    values.add_argument("--unit", choices=list(UNITS), default="kW", help="of surplus, export and feeder load")
    values.add_argument(
        "--stated-unit", choices=list(UNITS), help="what their EngineeringUnits say, which may be a lie"
    )
    values.add_argument("--unit-name", metavar="TEXT", help="how their EngineeringUnits call it, where otherwise")
    values.add_argument("--unit-id", type=int, metavar="N", help="the UnitId in them, where it is another")
    values.add_argument("--clock", type=float, default=0.0, metavar="S", help="how seldom its CurrentTime moves")
    values.add_argument("--counts", type=float, metavar="N", help="int32 values, N a unit")


def _add_room(server: argparse._ArgumentGroup) -> None:
    server.add_argument(
        "--publishing", type=float, default=0.0, metavar="S", help="shorter intervals are revised to it"
    )
    server.add_argument("--sampling", type=float, default=0.0, metavar="S", help="shorter intervals are revised to it")
    server.add_argument("--max-sessions", type=int, metavar="N", help="more are refused")
    server.add_argument("--max-items", type=int, metavar="N", help="more are not monitored")
    server.add_argument("--no-subscriptions", type=_status, metavar="STATUS", help="how they are refused")
    server.add_argument("--mute-subscriptions", action="store_true", help="they are made, and say nothing")
    server.add_argument("--sign-only", action="store_true", help="messages are signed and not encrypted")
    server.add_argument(
        "--user",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="certificate (.der) of one who may log in",
    )
    server.add_argument("--namespace", action="append", default=[], metavar="URI", help="one that comes before ours")


def scada_of(args: argparse.Namespace) -> Scada:
    """Return what the options ask for."""
    from simulators.substation.opcua_server import Behaviour, Scada  # noqa: PLC0415

    behaviour = Behaviour(
        status=args.status,
        frozen=args.frozen,
        stuck=args.stuck,
        stamp_age_s=args.stamp_age,
        utc_offset_s=args.utc_offset,
        on_change=args.on_change,
        deadband_w=args.deadband,
        overflow=args.overflow,
        waiting_s=args.waiting,
        clock_refresh_s=args.clock,
    )
    return Scada(
        endpoint=args.endpoint,
        behaviour=behaviour,
        certificate=args.certificate,
        private_key=args.private_key,
        namespaces_before=tuple(args.namespace),
        unit=args.unit,
        stated_unit=args.stated_unit,
        unit_name=args.unit_name,
        unit_id=args.unit_id,
        counts=args.counts,
        fastest_publishing_s=args.publishing,
        fastest_sampling_s=args.sampling,
        max_sessions=args.max_sessions,
        max_items=args.max_items,
        no_subscriptions=args.no_subscriptions or "",
        mute_subscriptions=args.mute_subscriptions,
        modes=("Sign",) if args.sign_only else ("SignAndEncrypt",),
        users=frozenset(path.read_bytes() for path in args.user) or None,
    )


def _status(text: str) -> str:
    from asyncua.ua.status_codes import StatusCodes  # noqa: PLC0415

    if not hasattr(StatusCodes, text):
        raise ValueError(text)
    return text
