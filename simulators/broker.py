"""The embedded broker of the demo and the quick tests: amqtt, MQTT 3.1.1, anonymous, for loopback.

``python -m simulators.broker --listen 127.0.0.1:PORT`` prints a line that begins with ``ready`` when it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import logging

from amqtt.broker import Broker

from simulators.process import announce_ready, split_address, until_signalled


async def serve(host: str, port: int) -> None:
    """Serve until cancelled."""
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    announce_ready(f"broker at {host}:{port}")
    try:
        await asyncio.Event().wait()
    finally:
        await broker.shutdown()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m simulators.broker", description=__doc__)
    parser.add_argument("--listen", type=split_address, required=True, metavar="HOST:PORT")
    # amqtt logs each client that is killed as an error: that is daily life here.
    logging.basicConfig(level=logging.CRITICAL)
    asyncio.run(until_signalled(serve(*parser.parse_args().listen)))


if __name__ == "__main__":
    main()
