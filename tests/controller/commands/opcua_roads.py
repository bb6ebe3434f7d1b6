"""The five roads by which a value of an OPC UA server is read."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.cli import main
from controller.commands.meter import live_view
from controller.commands.meter.source import NOT_HEARD, Source
from tests.controller.commands.roads import check_live, daemon
from tests.controller.commands.substation import site_file
from tests.waiting import DEADLINE_S


@dataclass(frozen=True, kw_only=True)
class OpcuaWay:
    """How one value is reached: `keys` as they stand behind `opcua:`, but for endpoint and node."""

    endpoint: str
    node: str
    surplus_port: int
    folder: Path
    keys: str = "security: none"
    only: bool = False

    @property
    def site(self) -> Path:
        """The site file with this value as the meter `main`, and a sound source of the surplus."""
        return self.site_with(f'{{endpoint: "{self.endpoint}", node: "{self.node}", {self.keys}}}')

    def site_with(self, mapping: str) -> Path:
        surplus = f"{{host: 127.0.0.1, port: {self.surplus_port}, profile: schneider_pm5xxx, poll: 100 ms}}"
        return site_file(self.folder, {"main": mapping}, surplus)


def probe(way: OpcuaWay) -> int:
    keys = f'{way.keys}, node: "{way.node}"' if way.only else way.keys
    return main(["meter", "probe", way.endpoint, "--keys", keys])


def trial(way: OpcuaWay) -> int:
    return main(["meter", "test", way.node, "--host", way.endpoint, "--keys", way.keys])


def watch(way: OpcuaWay) -> int:
    """Watch until the first reading or loss, as by Ctrl-C."""
    hear, told = live_view._Lines.hear, list[Source]()

    def hear_once(view: live_view._Lines, source: Source) -> None:
        hear(view, source)
        if source.lost != NOT_HEARD and not told:
            told.append(source)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_view._Lines, "hear", hear_once)
        return main(["meter", "watch", "main", "--file", str(way.site), "--for", f"{DEADLINE_S:g} s"])


#: By name.
ROADS: dict[str, Callable[[OpcuaWay], int]] = {
    "probe": probe,
    "test": trial,
    "check --live": check_live,
    "watch": watch,
    "daemon": daemon,
}
