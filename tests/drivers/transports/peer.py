"""A server that says what it is given, whatever it is asked, and then does what it is told to: for tests of transports."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence

from simulators.devices import timeless

Scene = Callable[[int, list[bytes]], Awaitable[None]]


def with_peer(
    answers: Sequence[bytes | None],
    scene: Scene,
    *,
    closes: bool = False,
    closes_after: Collection[int] = (),
    asks_end: bytes = b"\r\n\r\n",
    tls: ssl.SSLContext | None = None,
) -> None:
    """Run `scene` with the port of a server and the list of what it is asked.

    Each request is answered with the next of `answers`; None: not at all. `closes`: after each answer, `closes_after`: after those. `asks_end` ends a request.
    """

    async def play() -> None:
        asked: list[bytes] = []
        left = list(answers)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while left:
                    asked.append(await reader.readuntil(asks_end))
                    answer = left.pop(0)
                    if answer is None:
                        await reader.read()
                        return
                    writer.write(answer)
                    if closes or len(asked) - 1 in closes_after:
                        return
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        async with server:
            await scene(server.sockets[0].getsockname()[1], asked)

    timeless.run(play())
