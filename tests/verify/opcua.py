"""How soon values flow again when an OPC UA server is back: killed and started again, or frozen and thawed."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from pathlib import Path

from drivers.clock import boottime_s
from drivers.meters.opcua.driver import watch_forever
from drivers.meters.opcua.points import Point, Server
from drivers.readings import Loss, Quality, Sample
from simulators.substation.opcua_server import NAMESPACE
from tests.drivers.meters.watching import Seen, running
from tests.ports import free_port

#: What the issue allows from the moment at which the server is back.
ALLOWED_S = 5.0
#: Longest time for which a server is away.
AWAY_S = 12.0
#: A freeze that is shorter than the time-out of a request is none.
FROZEN_S = 4.0


def campaign(kills: int, freezes: int, away_s: float = AWAY_S) -> dict[str, list[float]]:
    """Return how long each return took, in seconds."""
    return asyncio.run(_campaign(list(_turns(kills, freezes, away_s))))


async def _campaign(turns: list[tuple[str, float]]) -> dict[str, list[float]]:
    endpoint, seen = f"opc.tcp://127.0.0.1:{free_port()}/", Seen()
    point = Point(id="scada", node=f"nsu={NAMESPACE};s=Grid.Surplus", quantity="surplus_w", unit="kW")
    server = await _start(endpoint)
    took_s: dict[str, list[float]] = {"kill": [], "freeze": []}
    try:
        async with running(watch_forever(Server(endpoint=endpoint), (point,), seen)):
            await _flows(seen, boottime_s())
            for kind, away_s in turns:
                if kind == "kill":
                    server.kill()
                    await server.wait()
                    await asyncio.sleep(away_s)
                    server = await _start(endpoint)
                else:
                    server.send_signal(signal.SIGSTOP)
                    await asyncio.sleep(away_s)
                    server.send_signal(signal.SIGCONT)
                back_s = boottime_s()
                took_s[kind].append(await _flows(seen, back_s) - back_s)
                seen.clear()
    finally:
        server.kill()
        await server.wait()
    return took_s


def _turns(kills: int, freezes: int, away_s: float) -> Iterator[tuple[str, float]]:
    """Yield what is done, and for how long the server is then away: short kills are the more frequent."""
    dice = random.Random(1)
    kinds = ["kill"] * kills + ["freeze"] * freezes
    dice.shuffle(kinds)
    for kind in kinds:
        yield kind, away_s * dice.random() ** 2 if kind == "kill" else dice.uniform(FROZEN_S, away_s)


async def _start(endpoint: str) -> Process:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.verify.scada", endpoint, stdout=PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def _flows(seen: Seen, since_s: float) -> float:
    """Return when two different values have come that were taken after `since_s`."""
    values: set[float] = set()

    def another(each: Sample | Loss) -> bool:
        if isinstance(each, Sample) and each.quality is Quality.GOOD and each.taken_at_s > since_s:
            values.update(each.values.values())
        return len(values) >= 2

    found = await seen.until(another, deadline_s=60.0)
    assert isinstance(found, Sample)
    return found.arrived_at_s


def report(out: Path) -> dict[str, str]:
    """Run the whole campaign: 50 kills, 10 freezes."""
    took_s = campaign(50, 10)
    found = {}
    for kind, times_s in took_s.items():
        good = sum(time_s <= ALLOWED_S for time_s in times_s)
        found[kind] = "passed" if good == len(times_s) else "failed"
        found[f"{kind}s"] = f"{good} of {len(times_s)} within {ALLOWED_S:g} s, worst {max(times_s):.2f} s"
    (out / "opcua.json").write_text(json.dumps(took_s, indent=2) + "\n")
    return found
