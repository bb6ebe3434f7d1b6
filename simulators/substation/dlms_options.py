"""Simulated meters on DLMS/COSEM as a process: the options of the command line, and what serves them."""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass

from simulators.process import announce_ready
from simulators.substation.dlms_server import DlmsUnit, LineHabits, Manners, Objects, serve_dlms
from simulators.substation.encoder import read_data
from simulators.substation.meter import SimulatedMeter
from simulators.worldlink import AsyncWorldClient

#: Some profile of Modbus: the simulated meter measures by one, whatever then shows its values.
_MEASURED_BY = "schneider_pm5xxx"


@dataclass(frozen=True, slots=True)
class DlmsArgument:
    """One ``--meter``."""

    node: str
    profile: str
    port: int
    number: int


def add_dlms_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of meters on DLMS, and what serves them."""
    parser.set_defaults(serve=_serve)
    parser.add_argument("--meter", type=_meter, action="append", required=True, metavar="NODE:PROFILE:PORT[:PHYSICAL]")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--framing", choices=["wrapper", "hdlc"], default="wrapper")
    parser.add_argument("--client", type=int, default=1, help="the client that it knows beside the public one")
    parser.add_argument("--password", type=str.encode, default=b"", help="of that client")
    parser.add_argument(
        "--keys", type=_keys, metavar="HEX:HEX", help="encryption and authentication key of that client"
    )
    group = parser.add_argument_group("what real ones do")
    group.add_argument("--silent", action="store_true", help="take what comes and say nothing")
    group.add_argument("--split", type=float, default=0.0, metavar="S", help="pause in the middle of each answer")
    group.add_argument(
        "--late", type=float, action="append", default=[], metavar="S", help="the first answer, the second, ..."
    )
    group.add_argument(
        "--close-after", type=int, metavar="N", help="close each connection after so many answers to a GET"
    )
    group.add_argument("--connections", type=int, metavar="N", help="have no more than so many at a time")
    group.add_argument("--segment", type=int, default=128, metavar="BYTES", help="of an information field on HDLC")
    group.add_argument("--blocks", type=int, default=0xFFFF, metavar="BYTES", help="longer answers come in blocks")
    group.add_argument("--one-by-one", action="store_true", help="grant one attribute in a request")
    group.add_argument(
        "--refuses", type=int, default=0, metavar="CODE", help="diagnostic that refuses every association"
    )
    group.add_argument("--lacks", action="append", default=[], metavar="OBIS", help="an object that it has not got")
    group.add_argument("--busy", action="append", default=[], metavar="OBIS", help="one that it does not give now")
    group.add_argument("--scaler", type=_scaler, action="append", default=[], metavar="NAME=N", help="of a quantity")
    group.add_argument("--clock", choices=["runs", "stands", "none"], default="runs")


def _meter(text: str) -> DlmsArgument:
    node, profile, port, *number = text.split(":")
    return DlmsArgument(node, profile, int(port), int(number[0]) if number else 1)


def _keys(text: str) -> tuple[bytes, bytes]:
    encryption, authentication = map(bytes.fromhex, text.split(":"))
    return encryption, authentication


def _scaler(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    return name, int(number)


def unit_of(args: argparse.Namespace, profile: str) -> DlmsUnit:
    """Return a meter with the faults that the options ask for; it shows nothing yet."""
    objects = Objects(
        profile=profile,
        values={},
        scalers=dict(args.scaler),
        lacks=frozenset(args.lacks),
        busy=frozenset(args.busy),
        runs=args.clock == "runs",
    )
    if args.clock == "none":
        objects.clock = None
    manners = Manners(
        client=args.client,
        password=args.password,
        keys=args.keys,
        grants_lists=not args.one_by_one,
        lists=not args.one_by_one,
        block_bytes=args.blocks,
        refuses=args.refuses,
    )
    return DlmsUnit(objects=objects, manners=manners)


async def _serve(args: argparse.Namespace) -> None:
    """Serve the meters of the options, which measure their nodes of the world. Never returns; cancel it to stop."""
    world, lines = AsyncWorldClient(*args.world), defaultdict[int, dict[int, DlmsUnit]](dict)
    async with AsyncExitStack() as serving, asyncio.TaskGroup() as group:
        for wanted in args.meter:
            meter = SimulatedMeter(node=wanted.node, data=read_data(_MEASURED_BY))
            unit = lines[wanted.port].setdefault(wanted.number, unit_of(args, wanted.profile))
            group.create_task(meter.run(world.truth, args.refresh), name=f"meter of {wanted.node}")
            group.create_task(_show(meter, unit.objects, args.refresh), name=f"display of {wanted.node}")
        for port, units in lines.items():
            habits = LineHabits(
                silent=args.silent,
                split_s=args.split,
                late_s=list(args.late),
                close_after=args.close_after,
                connections=args.connections,
                segment=args.segment,
            )
            server = await serve_dlms(args.host, port, units, framing=args.framing, habits=habits)
            serving.callback(server.close)
        announce_ready(f"meters on DLMS at {args.host}")


async def _show(meter: SimulatedMeter, objects: Objects, refresh_s: float) -> None:
    while True:
        objects.values = meter.values
        await asyncio.sleep(refresh_s / 2)
