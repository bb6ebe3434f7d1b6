"""``surplusd meter watch``: what meters of the site show, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from controller.commands import DONE, NOT_GOOD
from controller.commands.meter.layout import age, note, one, table
from controller.commands.meter.meter_line import Address
from controller.commands.meter.profile_trial import read_and_capture
from controller.commands.meter.site_sources import Judge, reading, sources
from controller.commands.meter.source import Source
from controller.commands.meter.source_table import findings, rows
from controller.commands.signals import run_until_signal
from controller.core.site import SURPLUS
from controller.daemon.meters.modbus import bus_meters
from controller.site.compile import compile_site
from controller.site.load import load
from controller.site.model import SiteFile
from controller.terminal.escaped import escaped
from drivers.clock import boottime_s
from drivers.errors import CommandLineWrong, ConfigError, DriverLoss

_REDRAW_S: Final = 0.25
#: Cursor to the top left, and erase all that follows (ECMA-48).
_TOP: Final = "\x1b[H\x1b[J"
#: What a line of a pipe shows; a terminal has room for everything.
_IN_LINE: Final = ("surplus_w", "active_power_w", "frequency_hz", "energy_import_wh", "energy_export_wh")


def run(names: Sequence[str], file: Path, for_s: float | None, capture: Path | None) -> int:
    """Watch until Ctrl-C, SIGTERM or the end of the time; status 1 where one of the meters is lost at the end.

    `capture`: what the meter answers to one reading of everything, before it is watched.
    """
    site_file = load(file)
    if capture is not None:
        if len(names) > 1:
            raise CommandLineWrong(f"--capture: found {len(names)} meters, allowed is one")
        _capture(site_file, names[0], capture)
    last = run_until_signal(_watch(site_file, names, for_s, _Screen() if sys.stdout.isatty() else _Lines()))
    return NOT_GOOD if any(source.lost for source in last.values()) else DONE


def _capture(site_file: SiteFile, name: str, path: Path) -> None:
    by_name = {meter.id: meter.modbus for meter in site_file.meters} | {SURPLUS: site_file.surplus.modbus}
    source = by_name.get(name)
    if source is None:
        known = ", ".join(each for each, modbus in by_name.items() if modbus)
        raise ConfigError(f"--capture: found {name!r}, allowed is a meter on Modbus: {known}")
    (meter,) = bus_meters({name: source}, {})
    address = Address(place=meter.place, unit=meter.unit, any_unit=meter.any_unit, timeout_s=meter.timeout_s)
    try:
        run_until_signal(read_and_capture(meter, address, path))
    except DriverLoss as loss:
        raise ConfigError(str(loss)) from loss


class _Lines:
    """A line for each reading, and one for each new loss."""

    def __init__(self) -> None:
        self.last: dict[str, Source] = {}

    def hear(self, source: Source) -> None:
        """Take in what a source shows now."""
        if not source.lost or self.last[source.name].lost != source.lost:
            _write(escaped(line(source, boottime_s(), time.strftime("%H:%M:%S"))) + "\n")
        self.last[source.name] = source

    def draw(self) -> None:
        """Nothing more to draw between readings."""


class _Screen(_Lines):
    """The whole of the terminal, drawn anew, so that ages are seen to grow."""

    def hear(self, source: Source) -> None:
        """Take in what a source shows now."""
        self.last[source.name] = source

    def draw(self) -> None:
        """Draw what is known."""
        _write(_TOP + "\n".join(map(escaped, screen(tuple(self.last.values()), boottime_s()))) + "\n")


async def _watch(site_file: SiteFile, names: Sequence[str], for_s: float | None, view: _Lines) -> Mapping[str, Source]:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    view.last = {name: source for name, source in sources(site_file).items() if name in names}
    async with reading(site_file, view.hear, Judge(compile_site(site_file)), only=names) as running:
        running.add_done_callback(lambda _: ended.set())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                while not ended.is_set():
                    view.draw()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_REDRAW_S):
                            await ended.wait()
    return view.last


def line(source: Source, now_s: float, wall: str) -> str:
    """Return the newest reading of a source in one line."""
    if source.lost:
        return f"{wall}  {source.name}  LOST  {source.lost}"
    # Where the name of the source is not what it shows, that is said.
    of = [source.gives] if source.gives not in {"", source.name} else []
    shown = [*of, *(one(quantity, source.values[quantity][0]) for quantity in _IN_LINE if quantity in source.values)]
    newest_s = max((taken_s for _, taken_s in source.values.values()), default=now_s)
    wrong = [f"! {text}" for text in findings(source, now_s)]
    return "  ".join([wall, source.name, *shown, f"age {age(now_s - newest_s)}", source.verdict, *wrong])


def screen(watched: Sequence[Source], now_s: float) -> Iterator[str]:
    """Yield all that is known of some sources, line by line."""
    clock = time.strftime("%H:%M:%S")
    for source in watched:
        yield f"{source.name}  {source.where}  {clock}  (Ctrl-C ends)"
        yield ""
        yield from table([("", "QUANTITY", "VALUE", "AGE", "QUALITY"), *rows(source, now_s)])
        for text in findings(source, now_s):
            yield from note("!", text)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
