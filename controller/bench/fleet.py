"""``surplusd bench fleet``: what a site of so many devices costs the daemon, and how fast it leads them, beside a baseline."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from controller.bench.load import Figures, FleetLoad
from controller.bench.load_site import LoadSite, make_site

_DEVICES_PER_AGENT = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--devices", type=int, default=10_000, help="default: 10000")
    parser.add_argument("--agents", type=int, help="default: one for each 100 devices")
    parser.add_argument("--tick", type=float, default=1.0, metavar="S", help="period of the tick, default 1 s")
    parser.add_argument("--orders", type=int, default=20, help="orders that are timed, default 20")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each steady window, default 30 s")
    parser.add_argument(
        "--busy",
        type=int,
        default=4,
        help="processes that load the machine in the last part, default 4; 0: no such part",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep site, keys and logs in this empty folder")


def run(args: argparse.Namespace) -> int:
    """Measure, print, write; exit status 0."""
    agents = args.agents or max(1, args.devices // _DEVICES_PER_AGENT)
    with tempfile.TemporaryDirectory(prefix="surplusd-bench-") as folder:
        site = make_site(
            args.keep or Path(folder), devices=args.devices // agents * agents, agents=agents, tick_s=args.tick
        )
        figures: Figures = {"devices": site.devices, "agents": site.agents, "tick_s": args.tick}
        try:
            _measure(site, args, figures)
        finally:
            _print(figures)
            if args.json:
                args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def _measure(site: LoadSite, args: argparse.Namespace, figures: Figures) -> None:
    with FleetLoad.begun(site, _say) as (load, start):
        figures |= start
        figures["quiet"] = load.steady(args.seconds, scraped=False)
        figures["scraped"] = load.steady(args.seconds, scraped=True)
        if args.orders:
            figures["order_s"] = load.orders(args.orders)
            raw = figures["raw_socket_s"]
            figures["order_to_raw_socket"] = {name: figures["order_s"][name] / raw[name] for name in ("median", "p99")}
        figures["reconnect"] = load.broker_restart()
        if args.busy:
            with load.busy(args.busy):
                figures["busy"] = load.steady(args.seconds, scraped=False) | {"processes": args.busy}
                figures["busy_reconnect"] = load.broker_restart()


def _say(what: str) -> None:
    sys.stderr.write(f"{what} ...\n")


def _print(figures: Figures, before: str = "") -> None:
    for name, value in figures.items():
        if isinstance(value, dict):
            _print(value, f"{before}{name}.")
        else:
            shown = f"{value:.4g}" if isinstance(value, float) else value
            sys.stdout.write(f"{before + name:40} {shown}\n")
