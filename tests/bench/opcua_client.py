"""What watching many values costs: ``ours|asyncua|reads ENDPOINT KEYS NODES PUBLISH_S SECONDS``.

`ours`: the driver. `asyncua`: the library's own subscription with a handler that counts. `reads`: the library reads every
node once a second. `KEYS`: folder with site.pem, site-key.pem and server.der; ``-`` for no security. In a process of its
own, so that nothing else is measured; prints figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

from asyncua import Client
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from drivers.meters.opcua.driver import watch_forever
from drivers.meters.opcua.points import Point, Security, Server
from drivers.readings import Loss, Sample
from tests.bench.opcua_server import NAMESPACE
from tests.bench.report import say

WARM_S = 3.0


class Count:
    """Counts values, and how old they were."""

    def __init__(self) -> None:
        self.values = 0
        self.worst_age_s = 0.0

    def datachange_notification(self, _node, _value, _data) -> None:
        self.values += 1

    def publish(self, seen: Sample | Loss) -> None:
        assert isinstance(seen, Sample), seen
        self.values += len(seen.values)
        self.worst_age_s = max(self.worst_age_s, seen.arrived_at_s - seen.taken_at_s)


async def ours(endpoint: str, keys: str, nodes: int, publish_s: float, count: Count) -> None:
    points = [
        Point(id=f"p{k}", node=f"nsu={NAMESPACE};s=P{k}", unit="kW", publish_interval_s=publish_s) for k in range(nodes)
    ]
    own = {"certificate": Path(keys) / "site.pem", "private_key": Path(keys) / "site-key.pem"}
    trusted = Path(keys) / "server.der"
    security = None if keys == "-" else Security(policy="Basic256Sha256", **own, trusted=trusted)
    await watch_forever(Server(endpoint=endpoint, security=security), points, count.publish)


@asynccontextmanager
async def connected(endpoint: str, keys: str):
    """Connect as the library does it."""
    client = Client(endpoint, timeout=10)
    if keys != "-":
        paths = [Path(keys) / name for name in ("site.pem", "site-key.pem")]
        await client.set_security(
            SecurityPolicyBasic256Sha256, *paths, server_certificate=str(Path(keys) / "server.der")
        )
        client.application_uri = "urn:bench:site"
    async with client:
        yield client


async def bare(endpoint: str, keys: str, nodes: int, publish_s: float, count: Count) -> None:
    async with connected(endpoint, keys) as client:
        index = await client.get_namespace_index(NAMESPACE)
        watched = [client.get_node(f"ns={index};s=P{k}") for k in range(nodes)]
        subscription = await client.create_subscription(1000 * publish_s, count)
        await subscription.subscribe_data_change(watched, sampling_interval=1000 * publish_s)
        await asyncio.Event().wait()


async def reads(endpoint: str, keys: str, nodes: int, _publish_s: float, count: Count) -> None:
    async with connected(endpoint, keys) as client:
        index = await client.get_namespace_index(NAMESPACE)
        watched = [client.get_node(f"ns={index};s=P{k}") for k in range(nodes)]
        while True:
            count.values += len(await client.read_attributes(watched))
            await asyncio.sleep(1.0)


def resident_mb() -> float:
    """Return the memory of this process; its maximum would be that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def measure(kind: str, endpoint: str, keys: str, nodes: int, publish_s: float, seconds: float) -> None:
    """Run one client, let it settle, and print what it then costs."""
    count = Count()
    work = {"ours": ours, "asyncua": bare, "reads": reads}[kind]
    client = asyncio.create_task(work(endpoint, keys, nodes, publish_s, count))
    await asyncio.sleep(WARM_S)
    begun_s, cpu_s, before = time.monotonic(), time.process_time(), count.values
    count.worst_age_s = 0.0
    await asyncio.sleep(seconds)
    spent_s, wall_s = time.process_time() - cpu_s, time.monotonic() - begun_s
    assert not client.done(), client.result()
    figures = {
        "core_percent": 100 * spent_s / wall_s,
        "values_s": (count.values - before) / wall_s,
        "worst_age_s": count.worst_age_s if kind == "ours" else None,
        "memory_mb": resident_mb(),
    }
    say(json.dumps(figures))
    client.cancel()
    await asyncio.wait([client], timeout=3.0)


if __name__ == "__main__":
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    kind_, endpoint_, keys_, nodes_, *seconds_ = sys.argv[1:]
    asyncio.run(measure(kind_, endpoint_, keys_, int(nodes_), *map(float, seconds_)))
