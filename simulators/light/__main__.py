"""``python -m simulators.light``: all agents of a site file; each line on standard input is answered with their figures as JSON."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
from pathlib import Path

from drivers.errors import ConfigError
from drivers.fleet.keys import CONTROLLER, load_private, load_public
from simulators.fleet.site import read_fleet
from simulators.light.agent import LightAgent
from simulators.light.crowd import Crowd
from simulators.process import announce_ready, split_address, until_signalled


def main() -> int:
    """Serve until SIGTERM."""
    args = _parser().parse_args()
    try:
        fleet = read_fleet(args.site_file)
        controller = {CONTROLLER: load_public(args.keys / f"{CONTROLLER}.pub")}
        agents = [
            LightAgent(
                site=fleet.id,
                agent=name,
                devices=devices,
                key=load_private(args.keys / f"{name}.key"),
                controller_keys=controller,
            )
            for name, devices in sorted(fleet.agents.items())
        ]
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    gc.freeze()  # what stands now stands to the end: nobody has to look through it again
    crowd = Crowd(fleet.id, agents, report_s=args.report, house_w=args.house, surplus_w=args.surplus)
    asyncio.run(until_signalled(_serve(crowd, args)))
    return 0


async def _serve(crowd: Crowd, args: argparse.Namespace) -> None:
    running = asyncio.ensure_future(crowd.run(args.broker, args.meter_port))
    announce_ready(f"{len(crowd.agents)} light agents")
    answering = asyncio.ensure_future(_answer(crowd))
    try:
        await running
    finally:
        answering.cancel()


async def _answer(crowd: Crowd) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        sys.stdout.write(json.dumps(crowd.figures()) + "\n")
        sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.light", description=__doc__)
    parser.add_argument("--site-file", type=Path, required=True, help="site file")
    parser.add_argument("--broker", type=split_address, required=True, metavar="HOST:PORT")
    parser.add_argument(
        "--meter-port", type=int, required=True, help="where meter and surplus are, as units of one gateway"
    )
    parser.add_argument("--keys", type=Path, required=True, help="folder with controller.pub and AGENT.key")
    parser.add_argument("--report", type=float, default=1.0, metavar="S", help="time between reports")
    parser.add_argument("--house", type=float, default=0.0, metavar="W", help="load beside the devices")
    parser.add_argument("--surplus", type=float, required=True, metavar="W", help="what the grid can spare")
    return parser


if __name__ == "__main__":
    sys.exit(main())
