"""The embedded broker of the demo and the quick tests: amqtt, MQTT 3.1.1, anonymous, for loopback.

``python -m simulators.broker --listen 127.0.0.1:PORT`` prints a line that begins with ``ready`` when it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import ItemsView, Iterator
from typing import Any

from amqtt.broker import Broker

from simulators.process import announce_ready, split_address, until_signalled


class _Snapshot(dict[str, Any]):
    """A dict whose iterations see it as it was when they began."""

    def __iter__(self) -> Iterator[str]:
        return iter(list(self.keys()))

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        return dict(super().items()).items()


class _Broker(Broker):  # type: ignore[misc]
    """amqtt iterates its subscriptions across awaits; a client that subscribes meanwhile would cut another one off."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._subscriptions = _Snapshot()


async def serve(host: str, port: int) -> None:
    """Serve until cancelled."""
    broker = _Broker(
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
