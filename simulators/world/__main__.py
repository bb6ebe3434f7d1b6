"""``python -m simulators.world``: the world in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from drivers.errors import ConfigError
from simulators import curve as surplus
from simulators.choice import ALLOWED, choose
from simulators.process import announce_ready, split_address, until_signalled
from simulators.world.physics import Physics
from simulators.world.referee import Thresholds
from simulators.world.serving import ServedDevice, refuse_strangers, serve_devices
from simulators.world.site import read_site
from simulators.world.world import World, run_forever
from simulators.worldlink import serve


def main() -> int:
    """Serve the world link until SIGTERM; exit status 1 for an argument or a file that is not usable."""
    args = _parser().parse_args()
    try:
        site = read_site(args.site_file)
        curve = surplus.from_arguments(args, fleet_w=site.fleet_w, duration_s=args.duration, seed=args.seed)
        refuse_strangers(args.serve, site)
        relays = choose(args.relays, [device.id for device in site.devices], args.seed) if args.relays else ()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    physics = Physics(site, seed=args.seed, step_s=args.step)
    asyncio.run(until_signalled(_serve(args, World(physics, curve, Thresholds(orders=args.orders), relays))))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.world", description=__doc__)
    parser.add_argument("--site-file", type=Path, required=True, help="site file")
    parser.add_argument("--listen", type=split_address, default=("127.0.0.1", 0), metavar="HOST:PORT")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--step", type=float, default=0.1, help="step of the physics in s")
    parser.add_argument("--duration", type=float, default=180.0, help="judged window in s")
    parser.add_argument("--orders", type=int, default=0, help="orders that the verdict wants to have been sent")
    parser.add_argument(
        "--serve",
        type=ServedDevice.parse,
        action="append",
        default=[],
        metavar="ID=FAMILY:PORT",
        help="let this device be spoken to by its own protocol, on loopback; may be repeated",
    )
    who = ALLOWED.replace("%", "%%")
    parser.add_argument("--relays", metavar="WHO", help=f"devices with a relay before them: {who}; default none")
    surplus.add_arguments(parser)
    return parser


async def _serve(args: argparse.Namespace, world: World) -> None:
    host, port = args.listen
    server = await serve(host, port, world.answer)
    async with server, serve_devices(world, args.serve):
        announce_ready(f"world at {host}:{server.sockets[0].getsockname()[1]}")
        await run_forever(world, args.step)


if __name__ == "__main__":
    sys.exit(main())
