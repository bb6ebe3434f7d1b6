"""The other side of the meters' bench that sends JSON, in a process of its own; prints ports as JSON, ends with its input."""

from __future__ import annotations

import asyncio
import json
import sys

from simulators.substation.gateway import Gateway
from simulators.substation.http_gateway import serve_http
from simulators.substation.messages import read_message_data
from simulators.substation.mqtt_gateway import connected, send_forever
from tests.bench.meters_far import SHOWN

PROFILES = {"http": "shelly_em_gen2", "mqtt": "tasmota_3p_mqtt"}


async def serve(way: str, count: int, port: int) -> None:
    """Answer at `count` ports, or send as many meters' readings to the broker at `port` each second."""
    gateway = Gateway(data=read_message_data(PROFILES[way]), values=SHOWN)
    if way == "http":
        servers = [await serve_http(gateway) for _ in range(count)]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
    else:
        client = connected("127.0.0.1", port)
        sending = [asyncio.create_task(_sent(gateway, client, f"m{each}", each / count)) for each in range(count)]
        ports = [port] * len(sending)
    print(json.dumps(ports), flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.read)


async def _sent(gateway: Gateway, client: object, topic: str, after_s: float) -> None:
    await asyncio.sleep(after_s)
    await send_forever(gateway, client, topic, 1.0)  # type: ignore[arg-type]


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0))
