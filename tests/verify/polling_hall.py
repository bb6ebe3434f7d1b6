"""A hall of simulated miners of many families in one process, for `tests/verify/polling.py`.

``python -m tests.verify.polling_hall COUNT`` prints a JSON list of what listens where. Then each line that it reads is answered with one:
``count`` with how many readings each device has been asked for since the last such line, ``kill N`` after N devices are gone.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack

from drivers.clock import boottime_s
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.cells import model_of
from simulators.devices.served import SERVED
from simulators.devices.server import UnitServer

#: What each reading of a family begins with.
FIRST = {
    "antminer-stock": "GET /cgi-bin/get_miner_conf.cgi",
    "braiins": "GET /api/v1/miner/details",
    "luxos": "config",
    "vnish": "GET /api/v1/summary",
    "whatsminer-v2": "summary",
    "whatsminer-v3": "get.miner.status summary",
}


async def main(count: int) -> None:
    families = sorted(SERVED)
    units: list[tuple[str, BenchUnit]] = []
    servers: list[UnitServer] = []
    async with AsyncExitStack() as stack:
        for k in range(count):
            family = families[k % len(families)]
            model = model_of(family)
            unit = BenchUnit(
                model=model, pace=Pace(down_s=1.0, up_s=1.0, boot_s=1.0), clock=boottime_s, told_w=model.max_w,
                mac=f"02:00:00:00:{k // 256:02x}:{k % 256:02x}",
            )  # fmt: skip
            servers.append(await stack.enter_async_context(SERVED[family].serve(unit, boottime_s)))
            units.append((family, unit))
        said = [
            {"family": family, "port": server.port, "mac": unit.mac, "model": unit.model.id}
            for (family, unit), server in zip(units, servers, strict=True)
        ]
        _say(said)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := (await reader.readline()).decode().split():
            if line[0] == "kill":
                for server in servers[: int(line[1])]:
                    await server.__aexit__(None, None, None)
            _say([sum(one.verb == FIRST[family] for one in unit.log) for family, unit in units])
            for _, unit in units:
                unit.log.clear()


def _say(said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
