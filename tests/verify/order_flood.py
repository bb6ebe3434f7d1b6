"""``python -m tests.verify.order_flood PORT TOKEN_FILE SECONDS``: one issuer that offers orders at a fixed rate, whatever the answers are.

Prints, as a line of JSON at the end: how many were offered, taken, refused by code, and how many nobody has answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Final

#: Orders a second, over so many connections.
RATE: Final = 500
CONNECTIONS: Final = 128
_LATER: Final = "2030-01-01T00:00:00Z"

counts: Counter[str] = Counter()


def _body(number: int) -> bytes:
    """Return an order: of three, one binds, one tightens a little, one is scheduled."""
    order: dict[str, object] = {"id": f"flood-{number}", "limit_w": 60_000 - number if number % 3 == 1 else 60_000}
    return json.dumps(order | ({"starts_at": _LATER} if number % 3 == 2 else {})).encode()


async def _send(port: int, token: str, due: asyncio.Queue[int]) -> None:
    """Send what is due over one connection, one after the other."""
    head = f"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.closing(writer):
                while True:
                    body = _body(await due.get())
                    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                    _count(await _answer(reader))
        await asyncio.sleep(0.1)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


def _count(answer: tuple[int, bytes]) -> None:
    status, body = answer
    if status == 200:
        counts["taken"] += 1
        return
    error = json.loads(body)["error"]
    counts["refused"] += 1
    counts[error["reasons"][0]["code"] if error["reasons"] else error["reason"]] += 1


async def main(port: int, token: str, seconds: float) -> None:
    """Offer orders for so long."""
    due: asyncio.Queue[int] = asyncio.Queue()
    tasks = [asyncio.create_task(_send(port, token, due)) for _ in range(CONNECTIONS)]
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    while (gone_s := loop.time() - begun_s) < seconds:
        while counts["offered"] < gone_s * RATE:
            due.put_nowait(counts["offered"])
            counts["offered"] += 1
        await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    counts["unanswered"] = counts["offered"] - counts["taken"] - counts["refused"]
    print(json.dumps(counts), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]).read_text().strip(), float(sys.argv[3])))
