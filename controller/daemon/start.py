"""The daemon: puts the parts together, starts them in the safe order, ends them in the reverse one.

First the fleet's link, so that failsafe leases are out within a second of the start; then everything that is slow to
import: compiled kernels, meter drivers, and what serves the site to the outside, which is handed in.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from controller.core.site import Site
from controller.daemon.fleet.broker import LONGEST_PAUSE_S, make_link
from controller.daemon.fleet.fleet import Fleet
from controller.daemon.fleet.inbox import Inbox
from controller.daemon.fleet.relays import relays_of
from controller.daemon.journal.journal import Journal
from controller.daemon.logs import configure
from controller.daemon.orders.memory import Memory
from controller.daemon.reload.beginning import Beginning, begin
from controller.daemon.reload.desk import ReloadDesk
from controller.daemon.reload.kept import KeptSite, kept_folder
from controller.daemon.service import Serve
from controller.site.compile import compile_site
from controller.site.devices import models_by_device
from controller.site.model import SiteFile
from drivers import names
from drivers.errors import ConfigError
from drivers.fleet.keys import CONTROLLER, PrivateKey, load_private, load_public

_KERNELS: Final = Path(__file__).parents[1] / "core" / "kernels"

#: A thread that works is asked so often to let another one have the interpreter. The link needs it several times for each message:
#: with the 5 ms that Python has by itself, it would take in some tens of reports a second beside a tick that works.
_SWITCH_S: Final = 0.0005

#: Runs the site until the event is set.
Operate = Callable[[SiteFile, Site, Memory, Fleet, ReloadDesk, asyncio.Event, Serve], Awaitable[None]]


def run(path: Path, *, import_serve: Callable[[], Serve], level: str = "INFO", json_logs: bool = False) -> int:
    """Run the site that the file at `path` describes, or after a crash what ran, until SIGTERM or SIGINT; return the exit status.

    `import_serve` returns what serves the site to the outside. It may be slow: the first leases are out before it is called.

    Raises ConfigError where the file, a key or an address cannot be used, JournalUnusable where another process has the
    journal. Without a usable journal the site is led all the same.
    """
    sys.setswitchinterval(_SWITCH_S)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    kept = KeptSite(path, kept_folder(path, os.environ))
    beginning = begin(path, kept)
    site = compile_site(beginning.site.site_file)
    logs = configure(level, json=json_logs)
    try:
        beginning.note()
        _run(beginning, kept, site, import_serve)
    finally:
        logs.stop()
    return 0


def _run(beginning: Beginning, kept: KeptSite, site: Site, import_serve: Callable[[], Serve]) -> None:
    site_file = beginning.site.site_file
    key = load_private(site_file.mqtt.keys / f"{CONTROLLER}.key")
    memory = _remember(site_file, site, key)
    try:
        fleet = _make_fleet(site_file, site, memory.journal, key)
        reloads = ReloadDesk(root=site.tree.ids[0], beginning=beginning, kept=kept, journal=memory.journal)
        witness = memory.witness(fleet.lead)
        fleet.on_head, fleet.on_overtaken = witness.hear, witness.overtaken
        fleet.start()
        try:
            with kept.until_an_orderly_end():
                names.run(_operate(site_file, site, memory, fleet, reloads, import_serve))
        finally:
            fleet.stop()
    finally:
        memory.close()


def _leave(_number: int, _frame: object) -> None:
    """End at once, in good order; until the event loop takes the signals over."""
    raise SystemExit(0)


def _remember(site_file: SiteFile, site: Site, key: PrivateKey) -> Memory:
    state = site_file.state
    if state.exists() and not state.is_dir():
        raise ConfigError(f"state: {state}: it is no folder")
    if not os.access(_KERNELS, os.W_OK) and state.is_dir():
        # The compiled kernels need a place to be kept, also where the package is installed read-only.
        os.environ.setdefault("NUMBA_CACHE_DIR", str(state / "kernels"))
    issuers = frozenset(token.name for token in site_file.orders.tokens if token.role == "authority")
    return Memory(state, site, key=key, issuers=issuers)


def _make_fleet(site_file: SiteFile, site: Site, journal: Journal, key: PrivateKey) -> Fleet:
    keys, models = site_file.mqtt.keys, models_by_device(site_file.fleet)
    make = make_link(site_file.mqtt, f"surplusd.{site.id}", longest_pause_s=_pause_s(site))
    inbox = Inbox(make, site=site.id, agents=site.agents)
    fleet = Fleet(
        site,
        make_link=inbox.link,
        key=key,
        agent_keys={agent: load_public(keys / f"{agent}.pub") for agent in site.agents},
        models=tuple(models[id_] for id_ in site.devices.ids),
        epoch=journal.epoch,
        head=journal.newest_head,
        relays=relays_of(site_file, site),
    )
    fleet.shed_reports = lambda: inbox.shed
    return fleet


def _pause_s(site: Site) -> float:
    """Return how long the broker is left alone at most: a controller that comes back leads again within a lease."""
    return min(LONGEST_PAUSE_S, site.rules.lease_s / 3)


async def _operate(
    site_file: SiteFile,
    site: Site,
    memory: Memory,
    fleet: Fleet,
    reloads: ReloadDesk,
    import_serve: Callable[[], Serve],
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    operate = await asyncio.to_thread(_import_operation)
    serve = await asyncio.to_thread(import_serve)
    await operate(site_file, site, memory, fleet, reloads, stop, serve)


def _import_operation() -> Operate:
    from controller.daemon.run import operate  # noqa: PLC0415  slow to import, and the first leases do not wait for it

    return operate
