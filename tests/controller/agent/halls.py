"""A hall of simulated miners with LuxOS on real sockets, served by a thread, and the file of the agent that stands in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from drivers.clock import boottime_s
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import CONTROLLER, make_keys
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.luxos import LuxOsServer
from tests.waiting import DEADLINE_S

MODEL = load_catalogue()["antminer-s19k-pro"]
FULL_W, OFF_W = MODEL.max_w, MODEL.off_w
#: Faster than the real thing, so that a test need not wait for it.
PACE = Pace(down_s=1.0, up_s=1.0, boot_s=1.0)


class Hall:
    """`units`, `servers`: by device id, s19k-001 and so on; `file`: the agent's file."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.units = {
            f"s19k-{k:03d}": BenchUnit(
                model=MODEL,
                pace=PACE,
                clock=boottime_s,
                told_w=FULL_W,
                serial=f"SERIAL{k:04d}",
                mac=f"02:00:00:00:01:{k:02x}",
            )
            for k in range(1, count + 1)
        }
        self.servers: dict[str, LuxOsServer] = {}
        self._loop = asyncio.new_event_loop()
        self._up, self._down = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            for id_, unit in self.units.items():
                self.servers[id_] = await stack.enter_async_context(LuxOsServer(unit, clock=boottime_s, atm=True))
            self._up.set()
            await self._down.wait()

    def open(self) -> None:
        self._thread.start()
        assert self._up.wait(DEADLINE_S)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join(DEADLINE_S)
        self._loop.close()

    def told(self) -> list[str]:
        """Return every write verb that any of them has had."""
        return [asked.verb for unit in self.units.values() for asked in unit.log if asked.writes]

    def raw(self) -> dict[str, Any]:
        """Return the agent's file as values."""
        return {
            "version": 1,
            "site": "yard",
            "agent": "hall",
            "settle": "6 s",
            "mqtt": {"host": "127.0.0.1", "port": 1, "protocol": "5", "keys": "keys", "tls": "none"},
            "state": "agents",
            "devices": [
                {
                    "id": id_,
                    "family": "luxos",
                    "host": "127.0.0.1",
                    "port": self.servers[id_].port,
                    "serial": unit._serial,
                    "model": MODEL.id,
                }
                for id_, unit in self.units.items()
            ],
        }

    def write(self, raw: dict[str, Any] | None = None) -> Path:
        """Write the agent's file, and keys beside it."""
        make_keys(self.folder / "keys", (CONTROLLER, "hall"))
        path = self.folder / "agent.yaml"
        path.write_text(yaml.safe_dump(raw or self.raw(), sort_keys=False))
        return path


@contextmanager
def hall_of(folder: Path, count: int) -> Iterator[Hall]:
    hall = Hall(folder, count)
    hall.open()
    try:
        yield hall
    finally:
        hall.close()
