"""The five roads by which a meter is read: `probe`, `test`, `check --live`, `watch` and the daemon's own drivers."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from controller.cli import main
from controller.commands.meter.layout import one
from controller.daemon.mailbox import Mailbox
from controller.daemon.meters.drivers import drivers
from controller.daemon.meters.supervision import run_drivers
from controller.site.load import load
from drivers.readings import Loss, Sample
from tests.controller.commands.substation import site_file
from tests.waiting import DEADLINE_S

_POWER = "active_power_w"


class HasSite(Protocol):
    """Whatever way leads to a meter, it has a site file in which that is `main`."""

    @property
    def site(self) -> Path: ...

    @property
    def watched_for(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Way:
    """How one meter is reached: `keys` of the site file, `options` of the command line that say the same."""

    port: int
    surplus_port: int
    folder: Path
    profile: str
    keys: str = ""
    options: Sequence[str] = ()
    probe_options: Sequence[str] = ()
    test_options: Sequence[str] = ()
    timeout: str = "300 ms"
    watched_for: str = "1100 ms"

    @property
    def site(self) -> Path:
        """The site file with this meter as `main`, and a sound source of the surplus."""
        main_meter = self.main_meter
        surplus = f"{{host: 127.0.0.1, port: {self.surplus_port}, profile: schneider_pm5xxx, poll: 100 ms}}"
        return site_file(self.folder, {"main": main_meter}, surplus)

    @property
    def main_meter(self) -> str:
        """What the site file says of this meter."""
        more = f", {self.keys}" if self.keys else ""
        return f"{{host: 127.0.0.1, port: {self.port}, profile: {self.profile}{more}, poll: 500 ms, timeout: {self.timeout}}}"

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.port}"


def probe(way: Way) -> int:
    return main(
        ["meter", "probe", way.at, "--pause", "1 ms", "--timeout", way.timeout, *way.options, *way.probe_options]
    )


def trial(way: Way) -> int:
    return main(
        ["meter", "test", way.profile, "--host", way.at, "--timeout", way.timeout, *way.options, *way.test_options]
    )


def check_live(way: HasSite) -> int:
    return main(["check", "--live", str(way.site), "--within", "8 s"])


def watch(way: HasSite) -> int:
    return main(["meter", "watch", "main", "--file", str(way.site), "--for", way.watched_for])


def daemon(way: HasSite) -> int:
    """Run the daemon's drivers into its mailbox until the meter has given its power, or has been lost for good."""
    item = asyncio.run(_first_of(way))
    if isinstance(item, Loss) or _POWER in item.invalid:
        sys.stdout.write(f"main: {item.reason if isinstance(item, Loss) else item.invalid[_POWER]}\n")
        return 1
    sys.stdout.write(f"main: {one('active_power_w', item.values['active_power_w'])}\n")
    return 0


async def _first_of(way: HasSite) -> Sample | Loss:
    box, seen = Mailbox(), list[Sample | Loss]()
    told = asyncio.Event()

    def publish(item: Sample | Loss) -> None:
        box.publish(item)
        seen.append(item)
        told.set()

    task = asyncio.ensure_future(run_drivers(drivers(load(way.site), publish), publish))
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not (found := _decided(seen)):
                told.clear()
                await told.wait()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert any(source.source == "main" for source in box.take())
    return found


def _decided(seen: Sequence[Sample | Loss]) -> Sample | Loss | None:
    """The first reading with the power; what has none where three have come that promise nothing."""
    of_main = [item for item in seen if item.meter == "main"]
    read = next((item for item in of_main if isinstance(item, Sample) and _POWER in item.values), None)
    lost = [item for item in of_main if not item.trying and (isinstance(item, Loss) or _POWER in item.invalid)]
    return read or (lost[-1] if len(lost) >= 3 else None)


#: By name.
ROADS: dict[str, Callable[[Way], int]] = {
    "probe": probe,
    "test": trial,
    "check --live": check_live,
    "watch": watch,
    "daemon": daemon,
}
