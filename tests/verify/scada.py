"""A SCADA whose surplus moves, in a process of its own that can be killed: ``ENDPOINT``; prints a line when it is there."""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys

from simulators.substation.opcua_server import Scada
from simulators.worldlink import Truth
from tests.bench.report import say

_COUNT = itertools.count(1)


async def truth() -> Truth:
    """Return a truth that is another each time."""
    surplus_w = 1000.0 * next(_COUNT)
    return Truth(
        t_s=0.0,
        ready=True,
        site_w=0.0,
        node_w={},
        surplus_w=surplus_w,
        export_w=0.0,
        feeder_load_w=0.0,
        frequency_hz=50.0,
        devices_by_state={},
        envelope_w=0.0,
        binding="contract",
    )


async def serve(endpoint: str) -> None:
    """Serve until killed."""
    started = asyncio.Event()
    serving = asyncio.create_task(Scada(endpoint=endpoint).run(truth, 0.1, started))
    await started.wait()
    say("ready")
    await serving


if __name__ == "__main__":
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    asyncio.run(serve(sys.argv[1]))
