"""Simulated meters on real sockets in a thread of their own, so that the command can be run as a person runs it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulators.substation.dlms_server import DlmsUnit, serve_dlms
from simulators.substation.encoder import encode, read_data
from simulators.substation.modbus_server import Faults, Unit, serve_gateway
from tests.waiting import DEADLINE_S

#: A feeder of 812.5 kW at 400 V behind 2000 A, as a sound meter shows it: 3 * 230 V * 1200 A is 828 kVA.
SOUND: dict[str, float] = {
    "active_power_w": 812_500.0,
    **{f"active_power_{phase}_w": watts for phase, watts in zip(("l1", "l2", "l3"), (271_000.0, 270_500.0, 271_000.0), strict=True)},
    "reactive_power_var": 120_000.0,
    "frequency_hz": 50.0,
    "energy_import_wh": 12_345_600.0,
    "energy_export_wh": 1_200.0,
    **{f"voltage_{phase}_n_v": 230.5 for phase in ("l1", "l2", "l3")},
    **{f"voltage_{pair}_v": 399.5 for pair in ("l1_l2", "l2_l3", "l3_l1")},
    **{f"current_{phase}_a": 1_200.0 for phase in ("l1", "l2", "l3")},
}  # fmt: skip

#: What meters whose numbers are shares of a full scale are set to.
FULL_SCALE_W = 2e6


def unit(profile: str, values: Mapping[str, float] = SOUND, **changes: Any) -> Unit:
    """A meter of this profile that shows `values`."""
    data = read_data(profile)
    image = encode(data, values, full_scale_w=FULL_SCALE_W)
    faults = Faults(**{name: changes.pop(name) for name in list(changes) if name in Faults.__slots__})
    return Unit(lambda: image, faults, largest_block=data.get("largest_block", 125), **changes)


@dataclass
class Speaking:
    """A unit that keeps what it is asked, and says who it is (function 43, MEI type 14) where it has `texts`."""

    unit: Unit
    texts: tuple[str, ...] = ()
    asked: list[tuple[float, bytes]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unit, name)

    def answer(self, pdu: bytes) -> bytes:
        self.asked.append((time.monotonic(), pdu))
        if pdu[:2] != b"\x2b\x0e" or not self.texts:
            return self.unit.answer(pdu)
        objects = b"".join(bytes([key, len(text)]) + text.encode() for key, text in enumerate(self.texts))
        return b"\x2b\x0e\x01\x01\x00\x00" + bytes([len(self.texts)]) + objects

    @property
    def functions(self) -> set[int]:
        return {pdu[0] for _, pdu in self.asked}


class Substation:
    """Servers in one thread; every one listens on a free port of the loopback."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._servers: list[asyncio.Server] = []
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run `work` in the thread of the servers."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=DEADLINE_S)

    def serve(self, units: Mapping[int, Unit] | Unit | Speaking, **options: Any) -> int:
        """Serve `units` and return the port."""
        by_id = {1: units} if isinstance(units, (Unit, Speaking)) else units
        return self.keep(self.call(serve_gateway("127.0.0.1", 0, units=by_id, **options)))

    def serve_dlms(self, units: Mapping[int, DlmsUnit] | DlmsUnit, **options: Any) -> int:
        """Serve meters on DLMS/COSEM and return the port."""
        by_number = {1: units} if isinstance(units, DlmsUnit) else units
        return self.keep(self.call(serve_dlms("127.0.0.1", 0, by_number, **options)))

    def keep(self, server: asyncio.Server) -> int:
        """Have a server of this thread ended with the others; return its port."""
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """End all servers and the thread."""

        async def end() -> None:
            for server in self._servers:
                server.close()
            mine = asyncio.current_task()
            others = [task for task in asyncio.all_tasks() if task is not mine]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.call(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=DEADLINE_S)
        self.loop.close()


def site_file(folder: Path, meters: Mapping[str, str], surplus: str) -> Path:
    """Write a site whose meters, by name, and whose surplus have these mappings; return its file.

    A mapping is one of `modbus`, or of `opcua` where it has an endpoint, of `dlms` where it has a client, of `http` where it has an url,
    of `mqtt` where it has a topic.
    """
    listed = "\n".join(
        f"  - {{id: {name}, node: pcc, rating: 1.2 MW, class: 0.5 %, {_source(mapping)}}}"
        for name, mapping in meters.items()
    )
    path = folder / "site.yaml"
    path.write_text(_SITE.replace("METERS", listed).replace("SURPLUS", _source(surplus)))
    return path


def _source(mapping: str) -> str:
    told_by = {"endpoint: ": "opcua", "client: ": "dlms", "url: ": "http", "topic: ": "mqtt"}
    return f"{next((way for key, way in told_by.items() if key in mapping), 'modbus')}: {mapping}"


_SITE = """\
version: 1
site: yard
grid:
  {contract: 1 MW, firm: 100 kW, failsafe: 10 kW, ramp_up: 100 kW/s, ramp_down: 100 kW/s, emergency_ramp: 100 kW/s}
nodes: [{id: pcc, limit: 1 MW, house_load: 1 kW}]
meters:
METERS
surplus:
  model: direct
  stale_after: 30 s
  SURPLUS
control: {suspect_after: 6 s, bad_after: 12 s}
economics: {hashprice: 48 USD/PH/day, tariff: 32 USD/MWh}
fleet:
  groups: [{id: s21, model: antminer-s21, count: 10, agent: hall, node: pcc, failsafe: off}]
orders:
  tokens: [{name: authority, role: authority, token_file: authority.token}]
mqtt: {host: 127.0.0.1, tls: none}
http: {listen: "127.0.0.1:8420"}
state: state
"""
