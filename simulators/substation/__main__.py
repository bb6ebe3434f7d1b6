"""``python -m simulators.substation modbus|opcua``: the meters or the SCADA in a process of their own."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncua.ua.status_codes import StatusCodes

from simulators.process import announce_ready, split_address, until_signalled
from simulators.substation.encoder import read_data
from simulators.substation.meter import SimulatedMeter
from simulators.substation.modbus_server import Faults, serve_meter
from simulators.substation.opcua_server import Behaviour, Scada
from simulators.worldlink import AsyncWorldClient


@dataclass(frozen=True, slots=True)
class MeterArgument:
    """One ``--meter``."""

    node: str
    data: dict[str, Any]
    port: int
    unit: int


def main() -> int:
    """Serve until SIGTERM."""
    args = _parser().parse_args()
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    asyncio.run(until_signalled(args.serve(args)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.substation", description=__doc__)
    kinds = parser.add_subparsers(required=True)
    modbus = kinds.add_parser("modbus", help="meters on Modbus TCP, one port each")
    modbus.set_defaults(serve=_serve_modbus)
    modbus.add_argument("--meter", type=_meter, action="append", required=True, metavar="NODE:PROFILE:PORT[:UNIT]")
    modbus.add_argument("--host", default="127.0.0.1", help="address to listen on")
    modbus.add_argument("--scale-error", type=float, default=1.0, help="factor on the power that is shown")
    modbus.add_argument("--flip-sign", action="store_true", help="of the power that is shown")
    modbus.add_argument("--nan", action="store_true", help="every float register is NaN")
    modbus.add_argument("--exception", type=int, metavar="CODE", help="answer every request with this exception")
    modbus.add_argument("--mute", action="store_true", help="read requests, never answer")
    modbus.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    opcua = kinds.add_parser("opcua", help="SCADA on OPC UA")
    opcua.set_defaults(serve=_serve_opcua)
    opcua.add_argument("--endpoint", default="opc.tcp://127.0.0.1:14840/")
    opcua.add_argument(
        "--status", type=_status, default="Good", help="status of the values, such as BadNoCommunication"
    )
    opcua.add_argument("--stamp-age", type=float, default=0.0, help="age of SourceTimestamp in s")
    opcua.add_argument("--utc-offset", type=float, default=0.0, help="how far the server's clock is ahead, in s")
    opcua.add_argument("--certificate", type=Path, help=".pem or .der; with it, only Basic256Sha256 is served")
    opcua.add_argument("--private-key", type=Path, help=".pem or .der")
    for kind in (modbus, opcua):
        kind.add_argument("--world", type=split_address, required=True, metavar="HOST:PORT", help="the world link")
        kind.add_argument("--refresh", type=float, default=0.2, help="seconds between measurements")
    return parser


def _meter(text: str) -> MeterArgument:
    node, profile, port, *unit = text.split(":")
    try:
        data = read_data(profile)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"profile {profile!r} cannot be read: {error}") from error
    return MeterArgument(node, data, int(port), int(unit[0]) if unit else 1)


def _status(text: str) -> str:
    if not hasattr(StatusCodes, text):
        raise ValueError(text)
    return text


async def _serve_modbus(args: argparse.Namespace) -> None:
    world = AsyncWorldClient(*args.world)
    faults = Faults(
        scale_error=args.scale_error,
        flip_sign=args.flip_sign,
        nan=args.nan,
        exception=args.exception,
        mute=args.mute,
        delay_s=args.delay,
    )
    async with asyncio.TaskGroup() as group:
        for wanted in args.meter:
            meter = SimulatedMeter(node=wanted.node, data=wanted.data, faults=faults)
            await serve_meter(
                args.host,
                wanted.port,
                unit=wanted.unit,
                largest_block=meter.data.get("largest_block", 125),
                image=meter.shown,
                faults=faults,
            )
            group.create_task(meter.run(world.truth, args.refresh), name=f"meter of {wanted.node}")
        announce_ready(f"meters at {args.host}")


async def _serve_opcua(args: argparse.Namespace) -> None:
    world = AsyncWorldClient(*args.world)
    behaviour = Behaviour(status=args.status, stamp_age_s=args.stamp_age, utc_offset_s=args.utc_offset)
    scada = Scada(
        endpoint=args.endpoint, behaviour=behaviour, certificate=args.certificate, private_key=args.private_key
    )
    started = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(scada.run(world.truth, args.refresh, started), name="scada")
        await started.wait()
        announce_ready(f"scada at {args.endpoint}")


if __name__ == "__main__":
    sys.exit(main())
