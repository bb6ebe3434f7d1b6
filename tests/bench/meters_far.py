"""The other side of the meters' bench, in a process of its own: simulated gateways; prints their ports as JSON, ends with its input."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

from simulators.substation.encoder import encode, read_data
from simulators.substation.modbus_server import Faults, Unit, serve_gateway

PROFILE = "schneider_pm5xxx"
SHOWN = {
    "active_power_w": -812_500.5,
    "frequency_hz": 50.01,
    "energy_import_wh": 12_345_600.0,
    "energy_export_wh": 123_400.0,
    **{f"active_power_{phase}_w": -270_000.0 for phase in ("l1", "l2", "l3")},
    "reactive_power_var": 1000.0,
    **{f"voltage_{phase}_n_v": 230.5 for phase in ("l1", "l2", "l3")},
    **{f"voltage_{phases}_v": 400.5 for phases in ("l1_l2", "l2_l3", "l3_l1")},
    **{f"current_{phase}_a": 100.25 for phase in ("l1", "l2", "l3")},
}


async def serve(gateways: int, units: int, dead: int, turn_s: float, how: str) -> None:
    """Serve; in each gateway, or of all that have one unit, the first `dead` units are silent."""
    image = encode(read_data(PROFILE), SHOWN)
    servers, ports = [], []
    for gateway in range(gateways):
        silent = dead if units > 1 else int(gateway < dead)
        made = {
            unit: Unit(lambda: image, Faults(dead=how) if unit <= silent else Faults())  # type: ignore[arg-type]
            for unit in range(1, units + 1)
        }
        server = await serve_gateway("127.0.0.1", 0, units=made, turn_s=turn_s)
        servers.append(server)
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.read)
    for server in servers:
        server.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(*map(int, sys.argv[1:4]), float(sys.argv[4]), sys.argv[5]))
