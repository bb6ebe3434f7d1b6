"""``python -m tests.verify.flood KIND PORT``: somebody who wants to keep others out of an HTTP server, until killed.

Prints every second, as a line of JSON, how many connections are open and what has been sent. Addresses are 127.0.0.2 to 127.0.0.9.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from collections import Counter
from typing import Final

#: Connections that say nothing, writers that send a byte a second, requests with a wrong token a second.
IDLE: Final = 5000
WRITERS: Final = 200
REQUESTS_S: Final = 2000
#: Requests of a kind go over so many connections at once.
_SENDERS: Final = 50
_HEAD: Final = b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n"
_SLOW: Final = (_HEAD, _HEAD + b"Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n{")

counts: Counter[str] = Counter()
_sources = itertools.cycle(f"127.0.0.{k}" for k in range(2, 10))


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection from the next of the addresses."""
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(next(_sources), 0))


async def _again(port: int, once: str) -> None:
    """Open a connection again and again, and be what `once` names on each."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await connected(port)
            counts["open"] += 1
            try:
                await {"idle": _idle, "slow": _slow}[once](reader, writer)
            finally:
                counts["open"] -= 1
                counts["closed"] += 1
                writer.close()
        await asyncio.sleep(0.5)


async def _idle(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(4096):
        counts["answers"] += 1


async def _slow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_SLOW[counts["writers"] % 2])
    counts["writers"] += 1
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(1.0)


async def _try(port: int, share: int) -> None:
    """Send requests with wrong tokens at a fixed rate, whatever the answers are."""
    loop, period_s = asyncio.get_running_loop(), _SENDERS / REQUESTS_S
    due_s, writer = loop.time() + share * period_s / _SENDERS, None
    while True:
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        due_s += period_s
        try:
            if writer is None or writer.is_closing():
                reader, writer = await connected(port)
            writer.write(_HEAD + b"Content-Length: 2\r\n\r\n{}")
            counts["requests"] += 1
            if not (answer := await reader.read(65536)):
                writer.close()
                writer = None
            counts[answer[9:12].decode("latin-1")] += 1
            if b"connection: close" in answer.lower():
                writer = None if writer is None else writer.close()
        except OSError:
            counts["refused"] += 1
            writer = None


async def main(kind: str, port: int) -> None:
    """Flood the port until killed."""
    if kind == "tokens":
        tasks = [asyncio.create_task(_try(port, k)) for k in range(_SENDERS)]
    else:
        tasks = [asyncio.create_task(_again(port, kind)) for _ in range(IDLE if kind == "idle" else WRITERS)]
    while True:
        await asyncio.sleep(1.0)
        for task in tasks:
            if task.done():
                task.result()
        print(json.dumps(counts), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
