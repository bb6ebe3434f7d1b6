"""A server of many values that all change at one pace, in a process of its own: ``NODES PERIOD_S KEYS``.

`KEYS`: folder with server.der and server-key.pem, with which only secure policies are served; ``-`` for none. Prints its
endpoint.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from datetime import UTC
from pathlib import Path

from asyncua import ua
from asyncua.server.server import Server

from tests.bench.report import say

NAMESPACE = "urn:bench"


async def serve(nodes: int, period_s: float, keys: str) -> None:
    """Serve until killed; every value is a count of the rounds, Good and freshly stamped."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"opc.tcp://127.0.0.1:{probe.getsockname()[1]}/"
    server = Server()
    await server.init()
    server.set_endpoint(endpoint)
    if keys == "-":
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    else:
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        await server.load_certificate(Path(keys) / "server.der")
        await server.load_private_key(Path(keys) / "server-key.pem")
    index = await server.register_namespace(NAMESPACE)
    folder = await server.nodes.objects.add_object(index, "Meters")
    ids = [ua.NodeId(f"P{k}", index) for k in range(nodes)]
    for node_id in ids:
        await folder.add_variable(node_id, ua.QualifiedName(node_id.Identifier, index), 0.0)
    async with server:
        say(endpoint)
        due_s, count = time.monotonic(), 0
        while True:
            count += 1
            stamp = ua.DateTime.now(UTC)
            for k, node_id in enumerate(ids):
                value = ua.DataValue(ua.Variant(float(count + k)), SourceTimestamp=stamp)
                await server.write_attribute_value(node_id, value)
            due_s += period_s
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))


if __name__ == "__main__":
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]))
