"""``python -m simulators.fleet``: the real agents of a site over simulated hardware, each in a thread of its own.

Prints a line that begins with ``ready`` when the agents run; they connect, and reconnect, by themselves. SIGUSR1 makes
their clock jump.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from drivers.clock import Clock
from drivers.errors import ConfigError
from drivers.fleet.agent.agent import Agent, Connect
from drivers.fleet.agent.store import Store
from drivers.fleet.keys import CONTROLLER, load_private, load_public
from drivers.fleet.link import MqttLink
from drivers.quantities import QuantityKind, parse_quantity
from simulators.fleet.clock import JumpingClock
from simulators.fleet.hardware import SimulatedHardware
from simulators.fleet.site import FleetSite, read_fleet
from simulators.process import announce_ready, split_address, until_signalled
from simulators.worldlink import WorldClient


def main() -> int:
    """Run the agents until SIGTERM; exit status 1 for an argument or a file that is not usable."""
    args = _parser().parse_args()
    logging.basicConfig(level=args.log_level, format="%(levelname)s %(name)s %(message)s")
    try:
        site = read_fleet(args.site_file)
        clock = JumpingClock(args.clock_offset)
        agents = [_agent(args, site, name, clock) for name in args.agent or sorted(site.agents)]
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    asyncio.run(until_signalled(_serve(agents, partial(clock.jump, args.clock_jump))))
    return 0


async def _serve(agents: Sequence[Agent], jump: Callable[[], None]) -> None:
    """Run the agents until cancelled, or until one fails: then that is raised when all have ended."""
    with ThreadPoolExecutor(len(agents), "agent") as pool:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, jump)
        running = [loop.run_in_executor(pool, agent.run) for agent in agents]
        announce_ready(f"fleet of {len(agents)} agents")
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for agent in agents:
                agent.stop()
            await asyncio.gather(*running)


def _agent(args: argparse.Namespace, site: FleetSite, name: str, clock: Clock) -> Agent:
    if name not in site.agents:
        raise ConfigError(f"found the agent {name!r}, allowed are {', '.join(sorted(site.agents))}")
    host, port = args.broker
    connect: Connect = partial(MqttLink, host=host, port=port, protocol=args.protocol or site.protocol)
    world_host, world_port = args.world
    return Agent(
        site=site.id,
        agent=name,
        devices=site.agents[name],
        hardware=SimulatedHardware(WorldClient(world_host, world_port, timeout_s=1.0), site.agents[name]),
        connect=connect,
        key=load_private(args.keys / f"{name}.key"),
        controller_keys={CONTROLLER: load_public(args.keys / f"{CONTROLLER}.pub")},
        store=Store(args.state / f"{name}.json"),
        settle_s=site.settle_s,
        report_s=args.report,
        clock=clock,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.fleet", description=__doc__)
    parser.add_argument("--site-file", type=Path, required=True, help="site file")
    parser.add_argument("--world", type=split_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--broker", type=split_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--protocol", choices=("5", "3.1.1"), help="MQTT version, default that of the site file")
    parser.add_argument("--keys", type=Path, required=True, help="folder with controller.pub and AGENT.key")
    parser.add_argument("--state", type=Path, required=True, help="folder of what the agents keep over a restart")
    parser.add_argument("--agent", action="append", metavar="ID", help="run this agent only; may be repeated")
    parser.add_argument("--report", type=_seconds, default="1 s", help="time between reports, default 1 s")
    parser.add_argument("--clock-offset", type=_seconds, default="0 s", help="how far the agents' clock is ahead")
    parser.add_argument("--clock-jump", type=_seconds, default="1 h", help="how far SIGUSR1 sets that clock ahead")
    parser.add_argument("--log-level", default="WARNING")
    return parser


def _seconds(text: str) -> float:
    return parse_quantity(text, QuantityKind.TIME)


if __name__ == "__main__":
    sys.exit(main())
