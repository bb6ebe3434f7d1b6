"""``python -m simulators.fleet``: the real agents of a site over simulated hardware.

Prints a line that begins with ``ready`` when the agents run; they connect, and reconnect, by themselves. SIGUSR1 makes
their clock jump ahead, SIGUSR2 back.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from drivers.clock import Clock
from drivers.errors import ConfigError
from drivers.fleet.agent.agent import Agent, Connect
from drivers.fleet.agent.contactor import ContactorDevice
from drivers.fleet.agent.device import Ports
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.agent.store import Store
from drivers.fleet.keys import CONTROLLER, load_private, load_public
from drivers.fleet.link import MqttLink
from drivers.notify import Notifier
from drivers.quantities import QuantityKind, parse_quantity
from simulators.choice import ALLOWED, choose
from simulators.devicewire import DeviceWire
from simulators.fleet.clock import JumpingClock
from simulators.fleet.hardware import SimulatedContactor, SimulatedDevice, SimulatedRelay
from simulators.fleet.site import FleetSite, read_fleet
from simulators.process import announce_ready, split_address, until_signalled

#: An agent waits so long for a device: longer than the slow ones take.
ANSWER_S: Final = 4.0


def main() -> int:
    """Run the agents until SIGTERM; exit status 1 for an argument or a file that is not usable."""
    args = _parser().parse_args()
    logging.basicConfig(level=args.log_level, format="%(levelname)s %(name)s %(message)s")
    try:
        site = read_fleet(args.site_file)
        wire = DeviceWire(*args.world, timeout_s=ANSWER_S)
        clock = JumpingClock(args.clock_offset)
        ids = sorted({id_ for devices in site.agents.values() for id_ in devices} - site.contactors.keys())
        relays = choose(args.relays, ids, args.seed) if args.relays else ()
        agents = [_agent(args, site, name, wire, relays, clock) for name in args.agent or sorted(site.agents)]
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    jumps = {signal.SIGUSR1: args.clock_jump, signal.SIGUSR2: -args.clock_jump}
    asyncio.run(
        until_signalled(_serve(agents, wire, {number: partial(clock.jump, by) for number, by in jumps.items()}))
    )
    return 0


async def _serve(agents: Sequence[Agent], wire: DeviceWire, jumps: Mapping[signal.Signals, Callable[[], None]]) -> None:
    """Run the agents until cancelled, or until one fails: then that is raised when all have ended."""
    for number, jump in jumps.items():
        asyncio.get_running_loop().add_signal_handler(number, jump)
    running = [asyncio.ensure_future(agent.run()) for agent in agents]
    announce_ready(f"fleet of {len(agents)} agents")
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for agent in agents:
            agent.stop()
        while not all(task.done() for task in running):
            with contextlib.suppress(asyncio.CancelledError):  # each ends by itself, when its devices are told
                await asyncio.wait(running)
        await wire.close()
    await asyncio.gather(*running)


def _agent(
    args: argparse.Namespace, site: FleetSite, name: str, wire: DeviceWire, relays: Collection[str], clock: Clock
) -> Agent:
    if name not in site.agents:
        raise ConfigError(f"found the agent {name!r}, allowed are {', '.join(sorted(site.agents))}")
    host, port = args.broker
    connect: Connect = partial(MqttLink, host=host, port=port, protocol=args.protocol or site.protocol)
    return Agent(
        site=site.id,
        agent=name,
        devices=site.agents[name],
        ports={id_: _ports(id_, device, site, wire, relays) for id_, device in site.agents[name].items()},
        connect=connect,
        key=load_private(args.keys / f"{name}.key"),
        controller_keys={CONTROLLER: load_public(args.keys / f"{CONTROLLER}.pub")},
        store=Store(args.state / f"{name}.json"),
        settle_s=site.settle_s,
        report_s=args.report,
        clock=clock,
        notifier=Notifier(),
    )


def _ports(id_: str, device: LeasedDevice, site: FleetSite, wire: DeviceWire, relays: Collection[str]) -> Ports:
    if device.is_contactor:
        return Ports(device=ContactorDevice(SimulatedContactor(wire, site.contactors[id_]), device))
    relay = SimulatedRelay(wire, id_) if id_ in relays else None
    return Ports(device=SimulatedDevice(wire, id_), relay=relay)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.fleet", description=__doc__)
    parser.add_argument("--site-file", type=Path, required=True, help="site file")
    parser.add_argument("--world", type=split_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--broker", type=split_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--protocol", choices=("5", "3.1.1"), help="MQTT version, default that of the site file")
    parser.add_argument("--keys", type=Path, required=True, help="folder with controller.pub and AGENT.key")
    parser.add_argument("--state", type=Path, required=True, help="folder of what the agents keep over a restart")
    parser.add_argument("--agent", action="append", metavar="ID", help="run this agent only; may be repeated")
    who = ALLOWED.replace("%", "%%")
    parser.add_argument("--relays", metavar="WHO", help=f"devices with a relay before them: {who}; default none")
    parser.add_argument("--seed", type=int, default=1, help="as that of the world, which chooses the same relays")
    parser.add_argument("--report", type=_seconds, default="1 s", help="time between reports, default 1 s")
    parser.add_argument("--clock-offset", type=_seconds, default="0 s", help="how far the agents' clock is ahead")
    parser.add_argument(
        "--clock-jump", type=_seconds, default="1 h", help="how far SIGUSR1 sets that clock ahead, SIGUSR2 back"
    )
    parser.add_argument("--log-level", default="WARNING")
    return parser


def _seconds(text: str) -> float:
    return parse_quantity(text, QuantityKind.TIME)


if __name__ == "__main__":
    sys.exit(main())
